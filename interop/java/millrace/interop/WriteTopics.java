package millrace.interop;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.MinimalPrettyPrinter;

import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Writes the topics of the comparison with Kafka's producer and lists them, one JSON line each,
 * with what must be true of their files: how many records were written, the fewest segments, the
 * codecs that must occur, whether records must have been compacted away.
 *
 * <p>Usage: WriteTopics bootstrap broker-log-folder quick|full manifest-file
 */
public final class WriteTopics {
    private static final int SEGMENT_BYTES = 1 << 20;

    private final Cluster cluster;
    private final TransactionalTopics transactions;
    private final CompactedTopics compaction;
    private final JsonGenerator manifest;
    private final boolean isQuick;

    private WriteTopics(Cluster cluster, JsonGenerator manifest, boolean isQuick) {
        this.cluster = cluster;
        this.transactions = new TransactionalTopics(cluster);
        this.compaction = new CompactedTopics(cluster, transactions);
        this.manifest = manifest;
        this.isQuick = isQuick;
    }

    public static void main(String[] arguments) throws Exception {
        Cluster cluster = new Cluster(arguments[0], Path.of(arguments[1]));
        try (JsonGenerator manifest =
                new JsonFactory()
                        .createGenerator(
                                new File(arguments[3]),
                                JsonEncoding.UTF8)) {
            manifest.setPrettyPrinter(new MinimalPrettyPrinter("\n"));
            new WriteTopics(cluster, manifest, arguments[2].equals("quick")).writeAll();
        }
    }

    private void writeAll() throws Exception {
        int records = isQuick ? 2_000 : 40_000;
        for (String codec : new String[] {"none", "gzip", "snappy", "lz4", "zstd"}) {
            String topic = "codec-" + codec;
            cluster.createTopic(topic, Map.of("segment.bytes", Integer.toString(SEGMENT_BYTES)));
            list(topic, sample(topic, records, Map.of("compression.type", codec)), 1, false, codec);
        }
        writeSettings(records);
        writeTransactions();
        writeCompacted();
    }

    /** Topics that differ by a setting of the producer or of the topic. */
    private void writeSettings(int records) throws Exception {
        cluster.createTopic("idempotent", Map.of());
        Map<String, Object> idempotent = new LinkedHashMap<>();
        idempotent.put("enable.idempotence", true);
        idempotent.put("max.in.flight.requests.per.connection", 5);
        idempotent.put("compression.type", "lz4");
        list("idempotent", sample("idempotent", records, idempotent), 1, false, "lz4");

        cluster.createTopic("log-append-time", Map.of("message.timestamp.type", "LogAppendTime"));
        Map<String, Object> gzip = Map.of("compression.type", "gzip");
        list("log-append-time", sample("log-append-time", records / 4, gzip), 1, false, "gzip");

        cluster.createTopic("recompressed", Map.of("compression.type", "snappy"));
        list("recompressed", sample("recompressed", records / 4, gzip), 1, false, "snappy");

        cluster.createTopic("timestamps", Map.of());
        list("timestamps", extremeTimes("timestamps"), 1, false, "none");

        cluster.createTopic("segments", Map.of("segment.bytes", Integer.toString(SEGMENT_BYTES)));
        int values = isQuick ? 2_500 : 20_000;
        list("segments", noise("segments", values), isQuick ? 4 : 30, false, "none");
    }

    private void writeTransactions() throws Exception {
        cluster.createTopic("transactions", Map.of());
        list(
                "transactions",
                transactions.writeOverlapping("transactions", isQuick ? 24 : 240),
                1,
                false,
                "none");
        cluster.createTopic("transaction-open", Map.of());
        list(
                "transaction-open",
                transactions.writeUnfinished("transaction-open"),
                1,
                false,
                "gzip");
    }

    private void writeCompacted() throws Exception {
        int rounds = isQuick ? 6 : 40;
        long day = 86_400_000;
        cluster.createTopic("compacted", CompactedTopics.settings(0));
        list("compacted", compaction.write("compacted", "lz4", rounds, 20), 2, true, "lz4");
        cluster.createTopic("compacted-tombstones", CompactedTopics.settings(day));
        long tombstones = compaction.write("compacted-tombstones", "none", rounds, 20_000);
        list("compacted-tombstones", tombstones, 3, true, "none");
        String topic = "compacted-transactions";
        cluster.createTopic(topic, CompactedTopics.settings(0));
        list(topic, compaction.writeTransactional(topic, "snappy", rounds), 2, true, "snappy");
    }

    private long sample(String topic, int count, Map<String, Object> settings) {
        SampleRecords records = new SampleRecords(topic);
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(settings)) {
            for (int i = 0; i < count; i++) producer.send(records.next());
        }
        return count;
    }

    /**
     * Incompressible values of one to three KiB: the files grow past `segment.bytes` several times.
     */
    private long noise(String topic, int count) {
        SampleRecords records = new SampleRecords(topic);
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of())) {
            for (int i = 0; i < count; i++) {
                long timestamp = SampleRecords.TIME_START_MS + i;
                byte[] key = SampleRecords.utf8("key-" + i);
                producer.send(
                        new ProducerRecord<>(
                                topic, 0, timestamp, key, records.noise(1_024 + i % 2_048)));
            }
        }
        return count;
    }

    /** Times at both ends and far apart in one batch: the deltas need all bytes of a varlong. */
    private long extremeTimes(String topic) {
        long[] times = {
            SampleRecords.TIME_START_MS,
            0,
            1,
            System.currentTimeMillis(),
            86_400_000,
            0,
            1_000_000_000_000L
        };
        try (KafkaProducer<byte[], byte[]> producer = cluster.producer(Map.of("linger.ms", 50))) {
            for (long time : times) {
                producer.send(
                        new ProducerRecord<>(
                                topic, 0, time, null, SampleRecords.utf8("at " + time)));
            }
        }
        return times.length;
    }

    private void list(
            String topic, long written, int segmentsMin, boolean isCompacted, String codec)
            throws IOException {
        manifest.writeStartObject();
        manifest.writeStringField("topic", topic);
        manifest.writeNumberField("written", written);
        manifest.writeNumberField("segmentsMin", segmentsMin);
        manifest.writeBooleanField("isCompacted", isCompacted);
        manifest.writeStringField("codec", codec);
        manifest.writeEndObject();
        manifest.flush();
    }
}
