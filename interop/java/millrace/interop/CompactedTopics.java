package millrace.interop;

import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

/**
 * Topics that Kafka's cleaner really went over, twice: the second pass is what removes tombstones
 * and transaction markers whose delete horizon has passed.
 *
 * <p>A round writes one segment: its records are ten seconds younger than those of the round
 * before, and the topic rolls by record time after one second. The cleaner never touches the last
 * segment. A transaction marker carries the broker's clock, so records of transactions start from
 * today's time.
 */
final class CompactedTopics {
    private static final int KEY_COUNT = 60;
    private static final int RECORDS_PER_ROUND = 100;
    private static final long ROUND_MS = 10_000;

    private final Cluster cluster;
    private final TransactionalTopics transactions;

    CompactedTopics(Cluster cluster, TransactionalTopics transactions) {
        this.cluster = cluster;
        this.transactions = transactions;
    }

    static Map<String, String> settings(long tombstoneRetentionMs) {
        return Map.of(
                "cleanup.policy", "compact",
                "min.cleanable.dirty.ratio", "0.01",
                "segment.ms", "1000",
                "segment.bytes", Integer.toString(1 << 20),
                "file.delete.delay.ms", "1",
                "delete.retention.ms", Long.toString(tombstoneRetentionMs));
    }

    /** `valueBytes` is the size of the smallest value; large ones make several segments survive. */
    long write(String topic, String codec, int rounds, int valueBytes)
            throws IOException, InterruptedException, ExecutionException {
        Rounds records = new Rounds(topic, SampleRecords.TIME_START_MS, valueBytes);
        long written = writeSuperseded(topic);
        try (KafkaProducer<byte[], byte[]> producer =
                cluster.producer(Map.of("compression.type", codec))) {
            for (int round = 0; round < 2 * rounds; round++) {
                long segmentStart = records.write(producer, round);
                if (round % rounds == rounds - 1) cluster.awaitCleaned(topic, segmentStart);
            }
        }
        return written + 2L * rounds * RECORDS_PER_ROUND;
    }

    /**
     * A producer with an id whose every record is superseded by the rounds: the cleaner keeps its
     * last batch without records, since the batch carries the producer's sequence number.
     */
    private long writeSuperseded(String topic) {
        try (KafkaProducer<byte[], byte[]> producer =
                cluster.producer(Map.of("enable.idempotence", true))) {
            for (int i = 0; i < KEY_COUNT; i++) {
                byte[] key = SampleRecords.utf8("key-" + i);
                producer.send(
                        new ProducerRecord<>(topic, 0, SampleRecords.TIME_START_MS, key, key));
            }
        }
        return KEY_COUNT;
    }

    /** The same with a transaction for each round; every third is aborted, the last commits. */
    long writeTransactional(String topic, String codec, int rounds)
            throws IOException, InterruptedException, ExecutionException {
        Rounds records = new Rounds(topic, System.currentTimeMillis(), 20);
        try (KafkaProducer<byte[], byte[]> producer = transactions.transactional(topic, codec)) {
            producer.initTransactions();
            for (int round = 0; round < 2 * rounds; round++) {
                producer.beginTransaction();
                long segmentStart = records.write(producer, round);
                boolean isLastOfPhase = round % rounds == rounds - 1;
                TransactionalTopics.end(producer, isLastOfPhase || round % 3 != 1);
                if (isLastOfPhase) cluster.awaitCleaned(topic, segmentStart);
            }
        }
        return 2L * rounds * RECORDS_PER_ROUND;
    }

    /** The records of all rounds of one topic. */
    private static final class Rounds {
        private final String topic;
        private final long timeStartMs;
        private final int valueBytes;
        private final SampleRecords noise;

        Rounds(String topic, long timeStartMs, int valueBytes) {
            this.topic = topic;
            this.timeStartMs = timeStartMs;
            this.valueBytes = valueBytes;
            this.noise = new SampleRecords(topic);
        }

        /** Returns the offset of the round's first record, which is where its segment starts. */
        long write(KafkaProducer<byte[], byte[]> producer, int round)
                throws InterruptedException, ExecutionException {
            Future<RecordMetadata> first = null;
            for (int i = 0; i < RECORDS_PER_ROUND; i++) {
                Future<RecordMetadata> sent = producer.send(record(round, i));
                if (first == null) first = sent;
            }
            producer.flush();
            return first.get().offset();
        }

        /** Every round covers other keys of the same set, so each leaves a few survivors behind. */
        private ProducerRecord<byte[], byte[]> record(int round, int i) {
            String key =
                    "key-" + (round * 17 + i * 7) % KEY_COUNT + (i % 25 == 0 ? "-" + round : "");
            byte[] value = (i + round) % 9 == 0 ? null : noise.noise(valueBytes + i);
            List<Header> headers =
                    List.of(new RecordHeader("round", SampleRecords.utf8(Integer.toString(round))));
            long timestamp = timeStartMs + round * ROUND_MS + i;
            return new ProducerRecord<>(
                    topic,
                    0,
                    timestamp,
                    SampleRecords.utf8(key),
                    value,
                    i % 2 == 0 ? headers : List.of());
        }
    }
}
