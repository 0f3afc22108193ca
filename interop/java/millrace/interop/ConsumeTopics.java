package millrace.interop;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * Reads partition 0 of each topic from its start to its end with Kafka's consumer, once per
 * isolation level, into folder/topic.isolation.jsonl. The end is the log's end for read_uncommitted
 * and the last stable offset for read_committed.
 *
 * <p>Usage: ConsumeTopics bootstrap folder topic ...
 */
public final class ConsumeTopics {
    /** The time in which one topic must be read to its end. */
    private static final long TOPIC_MS_MAX = 60_000;

    private ConsumeTopics() {}

    public static void main(String[] arguments) throws IOException {
        for (String isolation : List.of("read_uncommitted", "read_committed")) {
            Map<String, Object> settings =
                    Map.of(
                            "bootstrap.servers",
                            arguments[0],
                            "isolation.level",
                            isolation,
                            "enable.auto.commit",
                            false,
                            "auto.offset.reset",
                            "none",
                            "check.crcs",
                            true,
                            // A fetch that waits at the end of one topic delays the next topic by
                            // this long.
                            "fetch.max.wait.ms",
                            10,
                            "max.poll.records",
                            5_000);
            ByteArrayDeserializer bytes = new ByteArrayDeserializer();
            try (KafkaConsumer<byte[], byte[]> consumer =
                    new KafkaConsumer<>(settings, bytes, bytes)) {
                for (int i = 2; i < arguments.length; i++) {
                    String topic = arguments[i];
                    consume(
                            consumer,
                            topic,
                            Path.of(arguments[1], topic + "." + isolation + ".jsonl"));
                }
            }
        }
    }

    private static void consume(KafkaConsumer<byte[], byte[]> consumer, String topic, Path file)
            throws IOException {
        TopicPartition partition = new TopicPartition(topic, 0);
        List<TopicPartition> partitions = List.of(partition);
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        long end = consumer.endOffsets(partitions).get(partition);
        long deadline = System.currentTimeMillis() + TOPIC_MS_MAX;
        try (RecordLines lines = new RecordLines(file)) {
            while (consumer.position(partition) < end) {
                if (System.currentTimeMillis() > deadline) {
                    throw new IOException(
                            topic + ": stopped at " + consumer.position(partition) + " of " + end);
                }
                for (ConsumerRecord<byte[], byte[]> record :
                        consumer.poll(Duration.ofMillis(100))) {
                    lines.begin(
                            record.offset(),
                            record.timestamp(),
                            record.key(),
                            record.value(),
                            record.headers());
                    lines.end();
                }
            }
        }
    }
}
