package millrace.interop;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The broker that the topics are written to: makes topics and producers, and waits for its cleaner
 * by watching the checkpoint that the cleaner writes into the broker's folder on this machine.
 */
final class Cluster {
    private static final long CLEANER_MS_MAX = 60_000;

    private final String bootstrap;
    private final Path logFolder;

    Cluster(String bootstrap, Path logFolder) {
        this.bootstrap = bootstrap;
        this.logFolder = logFolder;
    }

    void createTopic(String name, Map<String, String> settings)
            throws ExecutionException, InterruptedException, TimeoutException {
        Map<String, String> all = new HashMap<>(settings);
        // The sample times are old: no record may vanish by age.
        all.putIfAbsent("retention.ms", "-1");
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(name, 1, (short) 1).configs(all)))
                    .all()
                    .get(30, TimeUnit.SECONDS);
        }
    }

    /** A producer that stores in order and fails within half a minute; `settings` go on top. */
    KafkaProducer<byte[], byte[]> producer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", bootstrap);
        all.put("acks", "all");
        all.put("enable.idempotence", false);
        all.put("max.in.flight.requests.per.connection", 1);
        all.put("linger.ms", 5);
        all.put("max.block.ms", 30_000);
        all.put("request.timeout.ms", 10_000);
        all.put("delivery.timeout.ms", 30_000);
        all.putAll(settings);
        ByteArraySerializer bytes = new ByteArraySerializer();
        return new KafkaProducer<>(all, bytes, bytes);
    }

    /** Returns once every offset of partition 0 below `offset` was compacted at least once. */
    void awaitCleaned(String topic, long offset) throws IOException, InterruptedException {
        long deadline = System.currentTimeMillis() + CLEANER_MS_MAX;
        while (firstDirtyOffset(topic) < offset) {
            if (System.currentTimeMillis() > deadline) {
                throw new IOException(
                        topic + ": cleaned to " + firstDirtyOffset(topic) + ", not to " + offset);
            }
            Thread.sleep(50);
        }
    }

    /** Kafka replaces the file by a rename, so what is read is whole. */
    private long firstDirtyOffset(String topic) throws IOException {
        Path checkpoint = logFolder.resolve("cleaner-offset-checkpoint");
        if (!Files.exists(checkpoint)) return 0;
        for (String line : Files.readAllLines(checkpoint)) {
            if (line.startsWith(topic + " 0 "))
                return Long.parseLong(line.substring(topic.length() + 3));
        }
        return 0;
    }
}
