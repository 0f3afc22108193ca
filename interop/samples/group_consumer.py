import json

from kafka import KafkaConsumer

consumer = KafkaConsumer(
    'orders',
    bootstrap_servers=['localhost:9092'],
    group_id='billing',
    auto_offset_reset='earliest',
    value_deserializer=lambda value: json.loads(value.decode('utf-8')),
)
for message in consumer:
    print(f'{message.partition}:{message.offset}: key={message.key} value={message.value}')
