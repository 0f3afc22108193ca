package millrace.interop;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Reads one topic and writes another, each step one transaction with the offsets that it read;
 * every third one is aborted, and what it read is read again. A server that dies in between is
 * waited for. Modes: seed TOPIC COUNT, feed TOPIC, copy FROM TO COUNT, fence TOPIC, read TOPIC.
 *
 * <p>feed is an idempotent producer under the same server, until it is killed: each record is sent
 * until it is stored, and how many are acknowledged is told.
 */
final class CopyTransactionally {
    private static final int STEP_RECORDS = 20;
    private static final String ID = "copier";

    private final String bootstrap;

    private CopyTransactionally(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws Exception {
        CopyTransactionally self = new CopyTransactionally(args[0]);
        switch (args[1]) {
            case "seed" -> self.seed(args[2], Integer.parseInt(args[3]));
            case "feed" -> self.feed(args[2]);
            case "copy" -> self.copy(args[2], args[3], Integer.parseInt(args[4]));
            case "fence" -> self.fence(args[2]);
            case "read" -> self.read(args[2]);
            default -> throw new IllegalArgumentException(args[1]);
        }
        System.out.println("done");
    }

    private void seed(String topic, int count) {
        try (KafkaProducer<String, String> producer = producer(null)) {
            for (int index = 0; index < count; index++) {
                producer.send(new ProducerRecord<>(topic, 0, null, Integer.toString(index)));
            }
        }
    }

    private void feed(String topic) throws InterruptedException {
        KafkaProducer<String, String> producer = producer(null);
        AtomicLong acknowledged = new AtomicLong();
        for (int index = 0; ; index++) {
            producer.send(
                    new ProducerRecord<>(topic, 0, null, Integer.toString(index)),
                    (stored, error) -> {
                        if (error != null) {
                            System.out.println("failed: " + error);
                        } else {
                            System.out.println("acknowledged " + acknowledged.incrementAndGet());
                        }
                    });
            // Enough for a load that is always under way, and little enough to be read again.
            Thread.sleep(2);
        }
    }

    private void copy(String from, String to, int count) throws InterruptedException {
        TopicPartition source = new TopicPartition(from, 0);
        try (KafkaConsumer<String, String> consumer = consumer("copiers")) {
            consumer.subscribe(List.of(from));
            KafkaProducer<String, String> producer = ready();
            long committed = 0;
            for (int step = 0; committed < count; ) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
                if (records.isEmpty()) {
                    continue;
                }
                step++;
                try {
                    producer.beginTransaction();
                    long next = 0;
                    for (ConsumerRecord<String, String> record : records) {
                        producer.send(new ProducerRecord<>(to, 0, null, record.value()));
                        next = record.offset() + 1;
                    }
                    Map<TopicPartition, OffsetAndMetadata> offsets =
                            Map.of(source, new OffsetAndMetadata(next));
                    producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                    if (step % 3 == 0) {
                        producer.abortTransaction();
                        rewind(consumer);
                    } else {
                        producer.commitTransaction();
                        committed = next;
                        System.out.println("copied " + next);
                    }
                } catch (KafkaException error) {
                    System.out.println("undone: " + error);
                    producer = aborted(producer);
                    committed = rewind(consumer);
                }
            }
            producer.close();
        }
    }

    /** The same producer, or the next one when this one cannot go on. */
    private KafkaProducer<String, String> aborted(KafkaProducer<String, String> producer)
            throws InterruptedException {
        try {
            producer.abortTransaction();
            return producer;
        } catch (KafkaException error) {
            System.out.println("made anew: " + error);
            producer.close(Duration.ZERO);
            return ready();
        }
    }

    private KafkaProducer<String, String> ready() throws InterruptedException {
        for (; ; ) {
            KafkaProducer<String, String> producer = producer(ID);
            try {
                producer.initTransactions();
                return producer;
            } catch (KafkaException error) {
                producer.close(Duration.ZERO);
                Thread.sleep(100);
            }
        }
    }

    /** Goes back to what was committed. */
    private long rewind(KafkaConsumer<String, String> consumer) {
        long position = 0;
        for (; ; ) {
            try {
                for (var entry : consumer.committed(consumer.assignment()).entrySet()) {
                    position = entry.getValue() == null ? 0 : entry.getValue().offset();
                    consumer.seek(entry.getKey(), position);
                }
                return position;
            } catch (KafkaException error) {
                System.out.println("asked again: " + error);
            }
        }
    }

    /** A second producer with the id ends the transaction of the first, which writes no more. */
    private void fence(String topic) throws InterruptedException {
        try (KafkaProducer<String, String> first = ready()) {
            first.beginTransaction();
            first.send(new ProducerRecord<>(topic, 0, null, "zombie"));
            first.flush();
            try (KafkaProducer<String, String> second = ready()) {
                second.beginTransaction();
                second.send(new ProducerRecord<>(topic, 0, null, "second"));
                second.commitTransaction();
            }
            try {
                first.commitTransaction();
                System.out.println("not fenced");
            } catch (ProducerFencedException fenced) {
                System.out.println("fenced");
            }
        }
    }

    private void read(String topic) {
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> consumer = consumer("readers")) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end) {
                for (ConsumerRecord<String, String> record :
                        consumer.poll(Duration.ofMillis(200))) {
                    System.out.println("value " + record.value());
                }
            }
        }
    }

    private KafkaProducer<String, String> producer(String id) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("reconnect.backoff.max.ms", 100);
        if (id != null) {
            settings.put("transactional.id", id);
            settings.put("transaction.timeout.ms", 20_000);
        } else {
            settings.put("delivery.timeout.ms", Integer.MAX_VALUE);
        }
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    private KafkaConsumer<String, String> consumer(String group) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", group);
        settings.put("reconnect.backoff.max.ms", 100);
        settings.put("session.timeout.ms", 6_000);
        settings.put("heartbeat.interval.ms", 500);
        settings.put("enable.auto.commit", false);
        settings.put("auto.offset.reset", "earliest");
        settings.put("isolation.level", "read_committed");
        settings.put("max.poll.records", STEP_RECORDS);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }
}
