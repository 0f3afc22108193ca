package millrace.interop;

import org.apache.kafka.clients.producer.KafkaProducer;

import java.time.Duration;
import java.util.Map;

/**
 * Topics with transactions: two producers whose transactions overlap and end either way while a
 * third one writes without any, and a topic that ends in a transaction which nobody ended.
 */
final class TransactionalTopics {
    private static final int RECORDS_PER_STEP = 3;

    private final Cluster cluster;

    TransactionalTopics(Cluster cluster) {
        this.cluster = cluster;
    }

    /** Every round leaves two overlapping transactions and plain records between their batches. */
    long writeOverlapping(String topic, int rounds) {
        SampleRecords records = new SampleRecords(topic);
        long written = 0;
        try (KafkaProducer<byte[], byte[]> first = transactional(topic + "-first", "lz4");
                KafkaProducer<byte[], byte[]> second = transactional(topic + "-second", "none");
                KafkaProducer<byte[], byte[]> plain = cluster.producer(Map.of())) {
            first.initTransactions();
            second.initTransactions();
            for (int round = 0; round < rounds; round++) {
                first.beginTransaction();
                second.beginTransaction();
                written +=
                        send(first, records)
                                + send(second, records)
                                + send(plain, records)
                                + send(first, records);
                end(first, round % 3 != 1);
                written += send(second, records);
                end(second, round % 4 < 2);
                written += send(plain, records);
            }
        }
        return written;
    }

    /** The last stable offset stays below the end: committed readers must not pass it. */
    long writeUnfinished(String topic) {
        SampleRecords records = new SampleRecords(topic);
        long written = 0;
        KafkaProducer<byte[], byte[]> unfinished = transactional(topic + "-open", "gzip");
        try (KafkaProducer<byte[], byte[]> plain = cluster.producer(Map.of())) {
            unfinished.initTransactions();
            for (boolean commits : new boolean[] {true, false}) {
                unfinished.beginTransaction();
                written += send(unfinished, records);
                end(unfinished, commits);
            }
            unfinished.beginTransaction();
            written += send(unfinished, records) + send(plain, records);
        }
        // Without time to close, the producer may not abort what it began.
        unfinished.close(Duration.ZERO);
        return written;
    }

    KafkaProducer<byte[], byte[]> transactional(String id, String codec) {
        return cluster.producer(
                Map.of(
                        "transactional.id",
                        id,
                        "enable.idempotence",
                        true,
                        "compression.type",
                        codec,
                        // Longer than any run: the broker must not end the unfinished transaction
                        // itself.
                        "transaction.timeout.ms",
                        900_000));
    }

    static void end(KafkaProducer<byte[], byte[]> producer, boolean commits) {
        if (commits) producer.commitTransaction();
        else producer.abortTransaction();
    }

    /** Flushes, so that the order of the calls is the order in the log. */
    private static int send(KafkaProducer<byte[], byte[]> producer, SampleRecords records) {
        for (int i = 0; i < RECORDS_PER_STEP; i++) producer.send(records.next());
        producer.flush();
        return RECORDS_PER_STEP;
    }
}
