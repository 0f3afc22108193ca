import json

from kafka import KafkaProducer

producer = KafkaProducer(
    bootstrap_servers='localhost:9092',
    key_serializer=lambda key: key.encode('utf-8'),
    value_serializer=lambda value: json.dumps(value).encode('utf-8'),
)
for number in range(6):
    producer.send('orders', key=f'customer-{number % 2}', value={'number': number})
producer.flush()

metadata = producer.send('orders', key='last', value={'number': 6}).get(timeout=10)
print(f'{metadata.topic} {metadata.partition} {metadata.offset}')
