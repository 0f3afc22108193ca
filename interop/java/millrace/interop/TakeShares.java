package millrace.interop;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ShareGroupDescription;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Share groups of a broker: two consumers share one partition, messages are accepted, released and
 * rejected, locks run out, and the group is described, set back and deleted.
 */
final class TakeShares {
    private static final long WAIT_MS_MAX = 60_000;

    private final String bootstrap;

    private TakeShares(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws Exception {
        TakeShares self = new TakeShares(args[0]);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            List<NewTopic> topics = new ArrayList<>();
            for (String name : List.of("one", "ends", "locks")) {
                topics.add(new NewTopic(name, 1, (short) 1));
            }
            topics.add(new NewTopic("three", 3, (short) 1));
            admin.createTopics(topics).all().get();
            self.share(admin);
            self.end(admin);
            self.lock(admin);
            self.administer(admin);
        }
        System.out.println("done");
    }

    /** More consumers than partitions, and each message is with one of them. */
    private void share(Admin admin) throws Exception {
        begin(admin, "g", Map.of());
        produce("one", 300);
        produce("three", 300);
        Set<String> seen = new HashSet<>();
        int count = 0;
        int[] each = {0, 0};
        try (KafkaShareConsumer<String, String> first = consumer("g", Map.of("max.poll.records", 10));
            KafkaShareConsumer<String, String> second = consumer("g", Map.of("max.poll.records", 10))) {
            List<KafkaShareConsumer<String, String>> both = List.of(first, second);
            for (KafkaShareConsumer<String, String> consumer : both) {
                consumer.subscribe(List.of("one", "three"));
            }
            long endMs = System.currentTimeMillis() + WAIT_MS_MAX;
            while (seen.size() < 600 && System.currentTimeMillis() < endMs) {
                for (int index = 0; index < both.size(); index++) {
                    for (ConsumerRecord<String, String> record : both.get(index).poll(Duration.ofMillis(100))) {
                        seen.add(record.topic() + record.partition() + "-" + record.offset());
                        count++;
                        each[index]++;
                    }
                }
            }
            first.commitSync();
            second.commitSync();
            ShareGroupDescription told =
                admin.describeShareGroups(List.of("g")).describedGroups().get("g").get();
            System.out.println("described " + told.groupState() + " " + told.members().size());
        }
        System.out.println("shared " + seen.size() + " of " + count + " " + (each[0] > 0 && each[1] > 0));
    }

    /** Accepted and rejected ones do not come again; released ones do, five times. */
    private void end(Admin admin) throws Exception {
        begin(admin, "ends", Map.of());
        produce("ends", 9);
        Map<Integer, Integer> deliveries = new TreeMap<>();
        Map<String, Object> explicit = Map.of("share.acknowledgement.mode", "explicit");
        try (KafkaShareConsumer<String, String> consumer = consumer("ends", explicit)) {
            consumer.subscribe(List.of("ends"));
            long endMs = System.currentTimeMillis() + WAIT_MS_MAX;
            int quiet = 0;
            while (quiet < 8 && System.currentTimeMillis() < endMs) {
                quiet++;
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(250))) {
                    quiet = 0;
                    int number = Integer.parseInt(record.value());
                    deliveries.merge(number, 1, Integer::sum);
                    if (record.deliveryCount().orElse((short) 0).intValue() != deliveries.get(number)) {
                        System.out.println("counted " + record.deliveryCount());
                    }
                    consumer.acknowledge(record, switch (number % 3) {
                        case 0 -> AcknowledgeType.ACCEPT;
                        case 1 -> AcknowledgeType.RELEASE;
                        default -> AcknowledgeType.REJECT;
                    });
                }
                consumer.commitSync().forEach((place, error) -> error.ifPresent(System.out::println));
            }
        }
        System.out.println("deliveries " + deliveries);
    }

    /** Who keeps a message for too long loses it to others; who renews does not. */
    private void lock(Admin admin) throws Exception {
        begin(admin, "locks", Map.of("share.record.lock.duration.ms", "1000"));
        produce("locks", 2);
        Map<String, Object> explicit = Map.of("share.acknowledgement.mode", "explicit", "max.poll.records", 1);
        try (KafkaShareConsumer<String, String> slow = consumer("locks", explicit);
            KafkaShareConsumer<String, String> other = consumer("locks", Map.of())) {
            slow.subscribe(List.of("locks"));
            ConsumerRecord<String, String> kept = first(slow);
            System.out.println("lock " + slow.acquisitionLockTimeoutMs().orElse(0));
            Thread.sleep(1_500);
            other.subscribe(List.of("locks"));
            Set<String> taken = new HashSet<>();
            long endMs = System.currentTimeMillis() + WAIT_MS_MAX;
            while (taken.size() < 2 && System.currentTimeMillis() < endMs) {
                other.poll(Duration.ofMillis(100)).forEach(record -> taken.add(record.value()));
            }
            System.out.println("taken " + taken);
            slow.acknowledge(kept, AcknowledgeType.ACCEPT);
            slow.commitSync().forEach((place, error) ->
                System.out.println("late " + error.map(one -> one.getClass().getSimpleName()).orElse("")));
        }
    }

    private void administer(Admin admin) throws Exception {
        Set<String> listed = new HashSet<>();
        admin.listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE))).all().get()
            .forEach(group -> listed.add(group.groupId()));
        System.out.println("listed " + listed.containsAll(Set.of("g", "ends", "locks")));
        TopicPartition place = new TopicPartition("one", 0);
        System.out.println("at " + startOf(admin, place));
        admin.alterShareGroupOffsets("g", Map.of(place, 290L)).all().get();
        System.out.println("set to " + startOf(admin, place));
        try (KafkaShareConsumer<String, String> consumer = consumer("g", Map.of())) {
            consumer.subscribe(List.of("one"));
            int count = 0;
            long endMs = System.currentTimeMillis() + WAIT_MS_MAX;
            while (count < 10 && System.currentTimeMillis() < endMs) {
                count += consumer.poll(Duration.ofMillis(100)).count();
            }
            System.out.println("again " + count);
        }
        admin.deleteShareGroupOffsets("g", Set.of("three")).all().get();
        admin.deleteShareGroups(List.of("g", "ends", "locks")).all().get();
        System.out.println("left " + admin.listGroups().all().get().size());
    }

    private static Object startOf(Admin admin, TopicPartition place) throws Exception {
        Map<String, ListShareGroupOffsetsSpec> spec = Map.of("g", new ListShareGroupOffsetsSpec());
        return admin.listShareGroupOffsets(spec).partitionsToOffsetInfo("g").get().get(place).startOffset();
    }

    /** New groups begin at the end: this one at the start. */
    private static void begin(Admin admin, String group, Map<String, String> more) throws Exception {
        List<AlterConfigOp> changes = new ArrayList<>();
        Map<String, String> settings = new HashMap<>(more);
        settings.put("share.auto.offset.reset", "earliest");
        settings.forEach((name, value) ->
            changes.add(new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET)));
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        admin.incrementalAlterConfigs(Map.of(resource, changes)).all().get();
    }

    private static ConsumerRecord<String, String> first(KafkaShareConsumer<String, String> consumer) {
        long endMs = System.currentTimeMillis() + WAIT_MS_MAX;
        while (System.currentTimeMillis() < endMs) {
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                return record;
            }
        }
        throw new IllegalStateException("nothing came");
    }

    private void produce(String topic, int count) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "compression.type", "lz4");
        StringSerializer text = new StringSerializer();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, text, text)) {
            for (int index = 0; index < count; index++) {
                producer.send(new ProducerRecord<>(topic, null, Integer.toString(index)));
            }
        }
    }

    private KafkaShareConsumer<String, String> consumer(String group, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", group);
        settings.putAll(more);
        StringDeserializer text = new StringDeserializer();
        return new KafkaShareConsumer<>(settings, text, text);
    }
}
