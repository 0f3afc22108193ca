package millrace.interop;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.RetriableCommitFailedException;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;

/**
 * Groups of the newer protocol: members that share, leave, come back and are refused; patterns; and
 * one that goes on over servers that die. Modes: live, follow TOPIC COUNT.
 */
final class EpochGroups {
    private static final long WAIT_MS_MAX = 60_000;

    private final String bootstrap;

    private EpochGroups(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws Exception {
        EpochGroups self = new EpochGroups(args[0]);
        switch (args[1]) {
            case "live" -> self.live();
            case "follow" -> self.follow(args[2], Integer.parseInt(args[3]));
            default -> throw new IllegalArgumentException(args[1]);
        }
        System.out.println("done");
    }

    private void live() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            create(admin, "e", 4);
            produce("e", 200);
            share(admin);
            keepPlace();
            match(admin);
            changeProtocol(admin);
        }
    }

    private void share(Admin admin) throws Exception {
        try (KafkaConsumer<String, String> one = consumer("g", Map.of())) {
            one.subscribe(List.of("e"));
            System.out.println("read " + read(List.of(one), 200));
            one.commitSync();
            try (KafkaConsumer<String, String> two = consumer("g", Map.of())) {
                two.subscribe(List.of("e"));
                List<KafkaConsumer<String, String>> both = List.of(one, two);
                poll(both, () -> one.assignment().size() == 2 && two.assignment().size() == 2);
                System.out.println("shared");
                produce("e", 100);
                System.out.println("read " + read(both, 100));
                one.commitSync();
                two.commitSync();
                ConsumerGroupDescription told =
                    admin.describeConsumerGroups(List.of("g")).describedGroups().get("g").get();
                System.out.println(
                    "described " + told.type() + " " + told.groupState() + " " + told.members().size());
            }
            poll(List.of(one), () -> one.assignment().size() == 4);
            System.out.println("taken over");
        }
    }

    /** A static member leaves for a while, and nobody may be it at the same time. */
    private void keepPlace() {
        Map<String, Object> place = Map.of("group.instance.id", "i");
        try (KafkaConsumer<String, String> one = consumer("s", Map.of())) {
            one.subscribe(List.of("e"));
            KafkaConsumer<String, String> two = consumer("s", place);
            two.subscribe(List.of("e"));
            List<KafkaConsumer<String, String>> both = List.of(one, two);
            poll(both, () -> one.assignment().size() == 2 && two.assignment().size() == 2);
            Set<?> had = new HashSet<>(two.assignment());
            try (KafkaConsumer<String, String> other = consumer("s", place)) {
                other.subscribe(List.of("e"));
                poll(List.of(other), () -> false);
            } catch (KafkaException error) {
                System.out.println("refused " + error.getClass().getSimpleName());
            }
            two.close();
            try (KafkaConsumer<String, String> back = consumer("s", place)) {
                back.subscribe(List.of("e"));
                poll(List.of(one, back), () -> back.assignment().size() == 2);
                System.out.println("back " + had.equals(back.assignment()));
            }
        }
    }

    private void match(Admin admin) throws Exception {
        try (KafkaConsumer<String, String> one = consumer("p", Map.of())) {
            one.subscribe(new SubscriptionPattern("e|f[0-9]+"));
            poll(List.of(one), () -> one.assignment().size() == 4);
            create(admin, "f1", 1);
            create(admin, "other", 1);
            poll(List.of(one), () -> one.assignment().size() == 5);
            System.out.println("matched");
        }
        try (KafkaConsumer<String, String> one = consumer("p", Map.of())) {
            one.subscribe(new SubscriptionPattern("(?=e)"));
            poll(List.of(one), () -> false);
        } catch (KafkaException error) {
            System.out.println("refused " + error.getClass().getSimpleName());
        }
    }

    /** The group has no members any more: one of the classic protocol goes on where they were. */
    private void changeProtocol(Admin admin) throws Exception {
        Map<String, Object> classic = Map.of("group.protocol", "classic");
        produce("e", 10);
        try (KafkaConsumer<String, String> one = consumer("g", classic)) {
            one.subscribe(List.of("e"));
            System.out.println("classic read " + read(List.of(one), 10));
            one.commitSync();
            ConsumerGroupDescription told =
                admin.describeConsumerGroups(List.of("g")).describedGroups().get("g").get();
            System.out.println("described " + told.type());
        }
        produce("e", 10);
        try (KafkaConsumer<String, String> one = consumer("g", Map.of())) {
            one.subscribe(List.of("e"));
            System.out.println("back read " + read(List.of(one), 10));
        }
    }

    /** Reads all of a topic, over servers that die; what comes twice is printed twice. */
    private void follow(String topic, int count) {
        Set<String> seen = new HashSet<>();
        try (KafkaConsumer<String, String> one = consumer("f", Map.of("max.poll.records", "20"))) {
            one.subscribe(List.of(topic));
            while (seen.size() < count) {
                for (ConsumerRecord<String, String> record : one.poll(Duration.ofMillis(200))) {
                    seen.add(record.value());
                    System.out.println("value " + record.value());
                }
                try {
                    one.commitSync(Duration.ofSeconds(5));
                } catch (CommitFailedException | RetriableCommitFailedException | TimeoutException error) {
                    System.out.println("not committed");
                }
            }
        }
    }

    private static int read(List<KafkaConsumer<String, String>> consumers, int wanted) {
        int[] count = {0};
        long endMs = System.currentTimeMillis() + WAIT_MS_MAX;
        while (count[0] < wanted && System.currentTimeMillis() < endMs) {
            for (KafkaConsumer<String, String> consumer : consumers) {
                count[0] += consumer.poll(Duration.ofMillis(50)).count();
            }
        }
        return count[0];
    }

    private static void poll(List<KafkaConsumer<String, String>> consumers, BooleanSupplier isDone) {
        long endMs = System.currentTimeMillis() + WAIT_MS_MAX;
        while (!isDone.getAsBoolean()) {
            if (System.currentTimeMillis() > endMs) {
                throw new IllegalStateException("it did not come to be so");
            }
            for (KafkaConsumer<String, String> consumer : consumers) {
                consumer.poll(Duration.ofMillis(50));
            }
        }
    }

    private void produce(String topic, int count) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap);
        StringSerializer text = new StringSerializer();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, text, text)) {
            for (int index = 0; index < count; index++) {
                producer.send(new ProducerRecord<>(topic, index % 4, null, Integer.toString(index)));
            }
        }
    }

    private static void create(Admin admin, String topic, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
    }

    private KafkaConsumer<String, String> consumer(String group, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", group);
        settings.put("group.protocol", "consumer");
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", false);
        settings.put("metadata.max.age.ms", 1_000);
        settings.putAll(more);
        StringDeserializer text = new StringDeserializer();
        return new KafkaConsumer<>(settings, text, text);
    }
}
