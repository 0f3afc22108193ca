import { Kafka } from 'kafkajs';

const kafka = new Kafka({ clientId: 'my-app', brokers: ['localhost:9092'] });

const producer = kafka.producer();
await producer.connect();
await producer.send({
  topic: 'greetings',
  messages: [{ key: 'one', value: 'Hello KafkaJS user!' }],
});
await producer.disconnect();

const consumer = kafka.consumer({ groupId: 'greeters' });
await consumer.connect();
await consumer.subscribe({ topics: ['greetings'], fromBeginning: true });
await consumer.run({
  eachMessage: async ({ partition, message }) => {
    console.log(`${partition}:${message.offset}: key=${message.key} value=${message.value}`);
  },
});
