package millrace.interop;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.Future;
import java.util.stream.IntStream;

import static millrace.interop.Transcript.BASE_MS;
import static millrace.interop.Transcript.bytes;
import static millrace.interop.Transcript.place;
import static millrace.interop.Transcript.say;
import static millrace.interop.Transcript.sayError;
import static millrace.interop.Transcript.section;
import static millrace.interop.Transcript.shown;
import static millrace.interop.Transcript.until;
import static millrace.interop.Transcript.valueOf;
import static millrace.interop.Transcript.values;

/**
 * Kafka's Java client against a server: CompareClient HOST:PORT NAME prints a transcript of what it
 * saw, and nothing that differs from run to run. NAME begins the names of its topics and groups.
 */
final class CompareClient {
    private final String server;
    private final String name;
    private final Admin admin;

    private CompareClient(String server, String name) {
        this.server = server;
        this.name = name;
        this.admin = Admin.create(Map.of("bootstrap.servers", server));
    }

    public static void main(String[] args) throws Exception {
        // Standard output is for the transcript alone.
        Configurator.setRootLevel(Level.OFF);
        CompareClient self = new CompareClient(args[0], args[1]);
        self.admin();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            self.codec(codec);
        }
        self.idempotent();
        self.refusals();
        self.times();
        self.group("group", "classic");
        self.transactions();
        self.admin.close();
        section("end");
    }

    private void admin() throws Exception {
        section("admin");
        String topic = name + "-admin";
        Map<String, String> settings = Map.of("retention.ms", "3600000");
        say("created", create(topic, 2, settings));
        until("the topic", () -> admin.listTopics().names().get().contains(topic));
        sayError("created again", () -> create(topic, 2, settings));
        sayError("a bad setting", () -> create(topic + "-2", 1, Map.of("no.such", "1")));
        sayError("a bad name", () -> create("a b", 1, Map.of()));
        sayError("no partitions", () -> create(topic + "-2", 0, Map.of()));
        NewTopic copied = new NewTopic(topic + "-2", 1, (short) 3);
        sayError("three copies", () -> admin.createTopics(List.of(copied)).all().get());
        say("partitions", describe(topic).partitions().size());
        say("replicas", describe(topic).partitions().get(0).replicas().size());
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
        until("four partitions", () -> describe(topic).partitions().size() == 4);
        Map<String, NewPartitions> less = Map.of(topic, NewPartitions.increaseTo(1));
        sayError("shrunk", () -> admin.createPartitions(less).all().get());
        for (String key : List.of("cleanup.policy", "retention.ms", "max.message.bytes")) {
            ConfigEntry entry = config(topic).get(key);
            say(key, entry.value(), entry.source(), entry.type(), entry.isReadOnly());
        }
        alter(topic, "retention.ms", "7200000", AlterConfigOp.OpType.SET);
        until("the change", () -> config(topic).get("retention.ms").value().equals("7200000"));
        alter(topic, "retention.ms", "", AlterConfigOp.OpType.DELETE);
        until("the default", () -> config(topic).get("retention.ms").isDefault());
        say("retention.ms", config(topic).get("retention.ms").value());
        alter(topic, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
        until("both", () -> config(topic).get("cleanup.policy").value().contains("compact"));
        String both = config(topic).get("cleanup.policy").value();
        say("cleanup.policy", new TreeSet<>(Arrays.asList(both.split(","))));
        AlterConfigOp.OpType set = AlterConfigOp.OpType.SET;
        sayError("a bad value", () -> alter(topic, "retention.ms", "soon", set));
        sayError("not a list", () ->
                alter(topic, "retention.ms", "1", AlterConfigOp.OpType.APPEND));
        say("brokers", admin.describeCluster().nodes().get().size());
        admin.deleteTopics(List.of(topic)).all().get();
        until("it is gone", () -> !admin.listTopics().names().get().contains(topic));
        sayError("deleted again", () -> admin.deleteTopics(List.of(topic)).all().get());
    }

    private void codec(String codec) throws Exception {
        section("codec " + codec);
        String topic = name + "-" + codec;
        create(topic, 2, Map.of());
        try (var producer = producer(Map.of("compression.type", codec, "linger.ms", 50))) {
            for (int i = 0; i < 12; i++) {
                String key = i == 5 ? null : "key-" + i % 4;
                // Without a key the client draws a partition.
                Integer partition = key == null ? 0 : null;
                List<Header> headers = i % 2 == 0 ? List.of() : List.of(
                        new RecordHeader("n", bytes("" + i)),
                        new RecordHeader("n", bytes("again")),
                        new RecordHeader("empty", new byte[0]),
                        new RecordHeader("null", null));
                producer.send(new ProducerRecord<>(
                        topic, partition, BASE_MS + i, key, valueOf(i), headers));
            }
        }
        List<String> lines = new ArrayList<>();
        for (var record : readAll(topic, "read_uncommitted")) {
            lines.add(shown(record));
        }
        lines.stream().sorted().forEach(Transcript::say);
    }

    private void idempotent() throws Exception {
        section("idempotent");
        String topic = name + "-idempotent";
        create(topic, 1, Map.of());
        List<Long> offsets = new ArrayList<>();
        Map<String, Object> settings = Map.of("enable.idempotence", true, "batch.size", 200);
        try (var producer = producer(settings)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 500; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, Integer.toString(i))));
            }
            for (var each : sent) {
                offsets.add(each.get().offset());
            }
        }
        List<Long> all = IntStream.range(0, 500).mapToObj(i -> (long) i).toList();
        say("acknowledged", offsets.equals(all));
        List<String> values = values(readAll(topic, "read_uncommitted"));
        say("in order, once each",
                values.equals(IntStream.range(0, 500).mapToObj(Integer::toString).toList()));
    }

    private void refusals() throws Exception {
        section("refusals");
        String topic = name + "-compacted";
        create(topic, 1, Map.of("cleanup.policy", "compact", "max.message.bytes", "2000"));
        try (var producer = producer(Map.of("enable.idempotence", false))) {
            sayError("without a key", () ->
                    producer.send(new ProducerRecord<>(topic, "value")).get());
            sayError("too large", () ->
                    producer.send(new ProducerRecord<>(topic, "k", "v".repeat(5_000))).get());
            say("with a key", producer.send(new ProducerRecord<>(topic, "k", "v")).get().offset());
            sayError("a timestamp of tomorrow", () -> producer.send(new ProducerRecord<>(
                    topic, 0, BASE_MS + 100_000_000, "k", "v")).get());
        }
        TopicPartition partition = new TopicPartition(topic, 0);
        try (var consumer = consumer(Map.of("auto.offset.reset", "none"))) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 100);
            sayError("from behind the end", () -> until("an error", () -> {
                consumer.poll(Duration.ofMillis(100));
                return false;
            }));
        }
    }

    private void times() throws Exception {
        section("times");
        String topic = name + "-times";
        create(topic, 1, Map.of());
        TopicPartition partition = new TopicPartition(topic, 0);
        try (var producer = producer(Map.of())) {
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>(topic, 0, BASE_MS + 1_000 * i, null, "" + i));
            }
        }
        try (var consumer = consumer(Map.of())) {
            for (long after : new long[] {-5_000, 0, 2_500, 9_000, 9_001}) {
                OffsetAndTimestamp found =
                        consumer.offsetsForTimes(Map.of(partition, BASE_MS + after)).get(partition);
                say("t+" + after,
                        found == null ? "nothing" : place(found.offset(), found.timestamp()));
            }
            consumer.assign(List.of(partition));
            consumer.seek(partition, consumer.offsetsForTimes(Map.of(partition, BASE_MS + 6_500))
                    .get(partition).offset());
            List<String> values = new ArrayList<>();
            until("the rest", () -> {
                consumer.poll(Duration.ofMillis(100)).forEach(each -> values.add(each.value()));
                return values.size() == 3;
            });
            say("from there", values);
        }
        admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4))).all().get();
        for (var spec : List.of(
                OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp())) {
            ListOffsetsResultInfo found =
                    admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get();
            say(spec.getClass().getSimpleName(), place(found.offset(), found.timestamp()));
        }
    }

    /** A member of a group, in a thread, until it is told to stop. */
    private final class Member extends Thread {
        final Set<Integer> partitions = new ConcurrentSkipListSet<>();
        final Set<Integer> seen = new ConcurrentSkipListSet<>();
        private final KafkaConsumer<String, String> consumer;
        private volatile boolean isStopped;

        Member(String topic, Map<String, Object> settings) {
            consumer = consumer(settings);
            consumer.subscribe(List.of(topic));
            start();
        }

        @Override
        public void run() {
            while (!isStopped) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(50));
                records.forEach(each -> seen.add(Integer.parseInt(each.value())));
                Set<Integer> own = new TreeSet<>();
                consumer.assignment().forEach(each -> own.add(each.partition()));
                partitions.retainAll(own);
                partitions.addAll(own);
                try {
                    consumer.commitSync();
                } catch (CommitFailedException | RebalanceInProgressException error) {
                    // The group is about to share anew: then what was read may come again.
                }
            }
            consumer.close();
        }

        void end() throws InterruptedException {
            isStopped = true;
            join();
        }
    }

    private void group(String section, String protocol) throws Exception {
        section(section);
        String topic = name + "-" + section;
        create(topic, 4, Map.of());
        sendNumbers(topic, 0, 40);
        Map<String, Object> settings = Map.of("group.id", topic, "group.protocol", protocol);
        Member first = new Member(topic, settings);
        until("all", () -> first.partitions.size() == 4 && first.seen.size() == 40);
        say("one member reads", first.seen.size());
        Member second = new Member(topic, settings);
        until("halves", () -> first.partitions.size() == 2 && second.partitions.size() == 2);
        Set<Integer> both = new TreeSet<>(first.partitions);
        both.addAll(second.partitions);
        say("two members share", both);
        until("a stable group", () ->
                describeGroup(topic).groupState().toString().equals("Stable"));
        say(describeGroup(topic).type(), describeGroup(topic).partitionAssignor(),
                describeGroup(topic).members().size());
        sayError("deleted with members", () ->
                admin.deleteConsumerGroups(List.of(topic)).all().get());
        second.end();
        until("all again", () -> first.partitions.size() == 4);
        sendNumbers(topic, 40, 48);
        until("the rest", () -> first.seen.size() == 48);
        say("the first reads on", first.seen.size());
        first.end();
        Map<String, Long> committed = new TreeMap<>();
        admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get()
                .forEach((each, facts) -> committed.put("" + each.partition(), facts.offset()));
        say("committed", committed);
        TopicPartition partition = new TopicPartition(topic, 0);
        admin.alterConsumerGroupOffsets(
                topic, Map.of(partition, new OffsetAndMetadata(5, "a note"))).all().get();
        OffsetAndMetadata altered = admin.listConsumerGroupOffsets(topic)
                .partitionsToOffsetAndMetadata().get().get(partition);
        say("by hand", altered.offset(), altered.metadata());
        admin.deleteConsumerGroupOffsets(topic, Set.of(partition)).all().get();
        say("taken back", admin.listConsumerGroupOffsets(topic)
                .partitionsToOffsetAndMetadata().get().containsKey(partition));
        say("listed", admin.listGroups().all().get().stream()
                .filter(each -> each.groupId().equals(topic)).count());
        admin.deleteConsumerGroups(List.of(topic)).all().get();
        sayError("deleted again", () -> admin.deleteConsumerGroups(List.of(topic)).all().get());
    }

    private void transactions() throws Exception {
        section("transactions");
        String source = name + "-source";
        String target = name + "-target";
        create(source, 1, Map.of());
        create(target, 1, Map.of());
        sendNumbers(source, 0, 6);
        TopicPartition partition = new TopicPartition(source, 0);
        Map<String, Object> transactional = Map.of("transactional.id", name);
        Map<String, Object> reading = Map.of("group.id", name + "-copiers", "max.poll.records", 2);
        try (var producer = producer(transactional); var consumer = consumer(reading)) {
            producer.initTransactions();
            consumer.subscribe(List.of(source));
            for (String end : List.of("kept", "undone", "kept")) {
                List<ConsumerRecord<String, String>> batch = new ArrayList<>();
                until("two records", () -> {
                    consumer.poll(Duration.ofMillis(100)).forEach(batch::add);
                    return batch.size() == 2;
                });
                producer.beginTransaction();
                for (var each : batch) {
                    producer.send(new ProducerRecord<>(target, each.value() + " " + end));
                }
                var next = new OffsetAndMetadata(batch.get(1).offset() + 1);
                producer.sendOffsetsToTransaction(
                        Map.of(partition, next), consumer.groupMetadata());
                producer.flush();
                if (end.equals("kept")) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
                say("committed", consumer.committed(Set.of(partition)).get(partition).offset());
            }
            for (String isolation : List.of("read_committed", "read_uncommitted")) {
                List<String> seen = new ArrayList<>();
                readAll(target, isolation).forEach(each ->
                        seen.add(each.offset() + " " + each.value()));
                say(isolation, seen);
            }
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(target, "open")).get();
            say("state", admin.describeTransactions(List.of(name)).description(name).get().state());
            TopicPartition written = new TopicPartition(target, 0);
            say("producers", admin.describeProducers(List.of(written)).partitionResult(written)
                    .get().activeProducers().size());
            try (var other = producer(transactional)) {
                other.initTransactions();
            }
            sayError("the first of two", producer::commitTransaction);
            say("listed", admin.listTransactions().all().get().stream()
                    .filter(each -> each.transactionalId().equals(name)).count());
        }
    }

    private Object create(String topic, int partitions, Map<String, String> settings)
            throws Exception {
        NewTopic wanted = new NewTopic(topic, partitions, (short) 1).configs(settings);
        var created = admin.createTopics(List.of(wanted));
        created.all().get();
        until("a leader", () -> describe(topic).partitions().stream()
                .allMatch(each -> each.leader() != null && !each.leader().isEmpty()));
        return created.numPartitions(topic).get() + " " + created.replicationFactor(topic).get();
    }

    private TopicDescription describe(String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    }

    private ConsumerGroupDescription describeGroup(String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    private Config config(String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return admin.describeConfigs(List.of(resource)).all().get().get(resource);
    }

    private Object alter(String topic, String key, String value, AlterConfigOp.OpType type)
            throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        AlterConfigOp change = new AlterConfigOp(new ConfigEntry(key, value), type);
        return admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get();
    }

    private void sendNumbers(String topic, int from, int to) {
        int partitions = topic.endsWith("-source") ? 1 : 4;
        try (var producer = producer(Map.of())) {
            for (int i = from; i < to; i++) {
                producer.send(new ProducerRecord<>(topic, i % partitions, null, "" + i));
            }
        }
    }

    private List<ConsumerRecord<String, String>> readAll(String topic, String isolation)
            throws Exception {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        try (var consumer = consumer(Map.of("isolation.level", isolation))) {
            List<TopicPartition> partitions = describe(topic).partitions().stream()
                    .map(each -> new TopicPartition(topic, each.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            until("all of " + topic, () -> {
                consumer.poll(Duration.ofMillis(100)).forEach(records::add);
                return partitions.stream().allMatch(each ->
                        consumer.position(each) >= ends.get(each));
            });
        }
        return records;
    }

    private KafkaProducer<String, String> producer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(settings);
        all.put("bootstrap.servers", server);
        return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
    }

    private KafkaConsumer<String, String> consumer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", server);
        all.put("enable.auto.commit", false);
        all.put("auto.offset.reset", "earliest");
        if ("classic".equals(settings.getOrDefault("group.protocol", "classic"))) {
            all.put("heartbeat.interval.ms", 200);
        }
        all.putAll(settings);
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }
}
