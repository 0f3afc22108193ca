import json
from kafka import KafkaConsumer, KafkaProducer  # pip install kafka-python

producer = KafkaProducer(bootstrap_servers='localhost:9092', value_serializer=lambda value: json.dumps(value).encode())
producer.send('deliveries', key=b'customer-7', value={'item': 'tea', 'count': 2}).get(timeout=10)  # it is on the disk

for message in KafkaConsumer('deliveries', bootstrap_servers='localhost:9092', group_id='couriers',
                             auto_offset_reset='earliest', value_deserializer=json.loads):
    print(message.partition, message.offset, message.key, message.value)
