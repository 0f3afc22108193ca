"""confluent-kafka (librdkafka) against a server: python confluent_client.py HOST:PORT NAME.

NAME begins the names of the topics and groups that it makes.
"""

import sys
import threading

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)
from transcript import BASE_MS, CODECS, sample_records, say, say_sorted, section, shown, until

SERVER, NAME = sys.argv[1:3]
COMMON = {"bootstrap.servers": SERVER, "log_level": 0}
WAIT_S_MAX = 30
client = AdminClient(COMMON)


def result_of(futures):
    """The admin client answers each thing that it is asked for by itself."""
    return next(iter(futures.values())).result(WAIT_S_MAX)


def say_error(what, call):
    try:
        call()
        say(what, "no error")
    except KafkaException as error:
        say(what, error.args[0].name())


def create(topic, partitions, copies=1, **configs):
    result_of(client.create_topics([NewTopic(topic, partitions, copies, config=configs)]))
    until(topic, lambda: len(partitions_of(topic)) == partitions)


def partitions_of(topic):
    known = client.list_topics(timeout=WAIT_S_MAX).topics
    return known[topic].partitions if topic in known else {}


def consumer(**settings):
    given = {"group.id": f"{NAME}-unused", "auto.offset.reset": "earliest", **settings}
    return Consumer({**COMMON, "enable.auto.commit": False, **given})


def read(topic, count, **settings):
    reader = consumer(**settings)
    reader.assign([TopicPartition(topic, each, 0) for each in partitions_of(topic)])
    records = []

    def is_done():
        records.extend(each for each in reader.consume(100, 0.2) if not each.error())
        return len(records) >= count

    until(f"all of {topic}", is_done)
    reader.close()
    return records


def send_all(records, **settings):
    """The offsets at which they were stored; an error raises."""
    producer = Producer({**COMMON, "linger.ms": 20, **settings})
    offsets, errors = [], []

    def delivered(error, message):
        (errors if error else offsets).append(error or message.offset())

    for topic, facts in records:
        producer.produce(topic, on_delivery=delivered, **facts)
    producer.flush(WAIT_S_MAX)
    if errors:
        raise KafkaException(errors[0])
    return offsets


def line_of(record):
    return shown(
        record.partition(),
        record.offset(),
        record.timestamp()[1],
        record.key(),
        record.value(),
        record.headers(),
    )


def admin():
    section("admin")
    topic = f"{NAME}-admin"
    create(topic, 2, **{"retention.ms": "3600000"})
    say_error("created again", lambda: create(topic, 2))
    say_error("a bad setting", lambda: create(f"{topic}-2", 1, **{"no.such": "1"}))
    say_error("a bad name", lambda: create("a b", 1))
    say_error("three copies", lambda: create(f"{topic}-2", 1, 3))
    facts = partitions_of(topic)[0]
    say("partitions", len(partitions_of(topic)), "replicas", len(facts.replicas), len(facts.isrs))
    result_of(client.create_partitions([NewPartitions(topic, 4)]))
    until("four partitions", lambda: len(partitions_of(topic)) == 4)
    say_error("shrunk", lambda: result_of(client.create_partitions([NewPartitions(topic, 1)])))

    def setting(name):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        return result_of(client.describe_configs([resource]))[name]

    for name in ("cleanup.policy", "retention.ms", "max.message.bytes"):
        facts = setting(name)
        say(name, facts.value, facts.is_read_only, facts.is_default, facts.is_sensitive)

    def alter(name, value, operation):
        change = ConfigEntry(name, value, incremental_operation=operation)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
        return result_of(client.incremental_alter_configs([resource]))

    alter("retention.ms", "7200000", AlterConfigOpType.SET)
    until("the change", lambda: setting("retention.ms").value == "7200000")
    say("retention.ms", setting("retention.ms").value)
    alter("cleanup.policy", "compact", AlterConfigOpType.APPEND)
    until("both", lambda: "compact" in setting("cleanup.policy").value)
    say("cleanup.policy", sorted(setting("cleanup.policy").value.split(",")))
    say_error("a bad value", lambda: alter("retention.ms", "soon", AlterConfigOpType.SET))
    result_of(client.delete_topics([topic]))
    until("it is gone", lambda: topic not in client.list_topics(timeout=WAIT_S_MAX).topics)
    say_error("deleted again", lambda: result_of(client.delete_topics([topic])))


def codecs():
    for codec in CODECS:
        section(f"codec {codec}")
        topic = f"{NAME}-{codec}"
        create(topic, 2)
        records = []
        for key, value, headers, time_ms in sample_records():
            # Without a key the client draws a partition.
            place = {"partition": 0} if key is None else {}
            facts = {"key": key, "value": value, "headers": headers, "timestamp": time_ms}
            records.append((topic, {**facts, **place}))
        settings = {"compression.type": codec, "partitioner": "murmur2_random"}
        send_all(records, **settings)
        say_sorted(map(line_of, read(topic, len(records))))


def idempotent():
    section("idempotent")
    topic = f"{NAME}-idempotent"
    create(topic, 1)
    records = [(topic, {"value": str(i)}) for i in range(500)]
    settings = {"enable.idempotence": True, "batch.num.messages": 20}
    say("acknowledged", send_all(records, **settings) == list(range(500)))
    values = [int(each.value()) for each in read(topic, 500)]
    say("in order, once each", values == list(range(500)))


def refusals():
    section("refusals")
    topic = f"{NAME}-compacted"
    create(topic, 1, **{"cleanup.policy": "compact", "max.message.bytes": "2000"})
    say_error("without a key", lambda: send_all([(topic, {"value": "value"})]))
    say_error("too large", lambda: send_all([(topic, {"key": "k", "value": "v" * 5_000})]))
    say("with a key", send_all([(topic, {"key": "k", "value": "value"})]))
    reader = consumer(**{"auto.offset.reset": "error"})
    reader.assign([TopicPartition(topic, 0, 100)])
    failed = until("an error", lambda: reader.poll(0.2))
    say("from behind the end", failed.error().name())
    reader.close()


def times():
    section("times")
    topic = f"{NAME}-times"
    create(topic, 1)
    facts = [{"value": str(i), "timestamp": BASE_MS + 1_000 * i} for i in range(10)]
    send_all([(topic, each) for each in facts])
    reader = consumer()
    for after_ms in (-5_000, 0, 2_500, 9_000, 9_001):
        asked = [TopicPartition(topic, 0, BASE_MS + after_ms)]
        say(f"t+{after_ms}", reader.offsets_for_times(asked, WAIT_S_MAX)[0].offset)
    asked = [TopicPartition(topic, 0, BASE_MS + 6_500)]
    reader.assign(reader.offsets_for_times(asked, WAIT_S_MAX))
    say("from there", [int(until("one", lambda: reader.poll(0.2)).value()) for _ in range(3)])
    partition = TopicPartition(topic, 0)
    result_of(client.delete_records([TopicPartition(topic, 0, 4)]))
    say("watermarks", reader.get_watermark_offsets(partition, WAIT_S_MAX))
    latest = client.list_offsets({partition: OffsetSpec.max_timestamp()})
    say("the largest time", result_of(latest).offset, result_of(latest).timestamp - BASE_MS)
    reader.close()


class Member(threading.Thread):
    """A member of a group, in a thread, until it is told to stop."""

    def __init__(self, topic, group):
        super().__init__()
        self.seen, self.partitions, self.is_stopped = set(), set(), False
        self.consumer = consumer(**{"group.id": group, "heartbeat.interval.ms": 200})
        self.consumer.subscribe([topic])
        self.start()

    def run(self):
        while not self.is_stopped:
            for record in self.consumer.consume(100, 0.05):
                if not record.error():
                    self.seen.add(int(record.value()))
            self.partitions = {each.partition for each in self.consumer.assignment()}
            try:
                self.consumer.commit(asynchronous=False)
            except KafkaException:
                pass  # Nothing to commit, or the group is about to share anew.
        self.consumer.close()

    def stop(self):
        self.is_stopped = True
        self.join()


def group():
    section("group")
    topic = name = f"{NAME}-group"
    create(topic, 4)
    numbers = [(topic, {"value": str(i), "partition": i % 4}) for i in range(48)]
    send_all(numbers[:40])
    first = Member(topic, name)
    until("all", lambda: len(first.partitions) == 4 and len(first.seen) == 40)
    say("one member reads", first.seen == set(range(40)))
    second = Member(topic, name)
    until("halves", lambda: len(first.partitions) == len(second.partitions) == 2)
    say("two members share", sorted(first.partitions | second.partitions))

    def facts():
        return result_of(client.describe_consumer_groups([name]))

    until("a stable group", lambda: facts().state.name == "STABLE")
    say(facts().type.name, facts().partition_assignor, len(facts().members))
    say_error("deleted with members", lambda: result_of(client.delete_consumer_groups([name])))
    second.stop()
    until("all again", lambda: len(first.partitions) == 4)
    send_all(numbers[40:])
    until("the rest", lambda: len(first.seen) == 48)
    first.stop()
    say("the first reads on", first.seen == set(range(48)))

    def committed():
        [asked] = client.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(name)]
        ).values()
        found = asked.result(WAIT_S_MAX).topic_partitions
        return sorted((each.partition, each.offset) for each in found)

    say("committed", committed())
    moved = [TopicPartition(topic, 0, 5)]
    result_of(client.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(name, moved)]))
    say("moved", committed())
    listed = client.list_consumer_groups().result(WAIT_S_MAX).valid
    say("listed", [each.type.name for each in listed if each.group_id == name])
    result_of(client.delete_consumer_groups([name]))
    say_error("deleted again", lambda: result_of(client.delete_consumer_groups([name])))


def transactions():
    section("transactions")
    source, target, name = f"{NAME}-source", f"{NAME}-target", f"{NAME}-copiers"
    create(source, 1)
    create(target, 1)
    send_all([(source, {"value": str(i)}) for i in range(6)])
    producer = Producer({**COMMON, "transactional.id": NAME})
    producer.init_transactions(WAIT_S_MAX)
    reader = consumer(**{"group.id": name})
    reader.subscribe([source])
    partition = TopicPartition(source, 0)
    for end, committed in (("kept", 2), ("undone", 2), ("kept", 6)):
        batch = [until("a record", lambda: reader.poll(0.2)) for _ in range(2)]
        producer.begin_transaction()
        for record in batch:
            producer.produce(target, f"{record.value().decode()} {end}")
        offsets = [TopicPartition(source, 0, batch[1].offset() + 1)]
        group_facts = reader.consumer_group_metadata()
        producer.send_offsets_to_transaction(offsets, group_facts, WAIT_S_MAX)
        producer.flush(WAIT_S_MAX)
        if end == "kept":
            producer.commit_transaction(WAIT_S_MAX)
        else:
            producer.abort_transaction(WAIT_S_MAX)
        # The answer to a commit may come before others see it.
        until(
            "the commit",
            lambda wanted=committed: reader.committed([partition], WAIT_S_MAX)[0].offset == wanted,
        )
        say("committed", committed)
    reader.close()
    for isolation, count in (("read_committed", 4), ("read_uncommitted", 6)):
        records = read(target, count, **{"isolation.level": isolation})
        say(isolation, [(each.offset(), each.value().decode()) for each in records])
    stable = {TopicPartition(target, 0): OffsetSpec.latest()}
    level = IsolationLevel.READ_COMMITTED
    say("end", result_of(client.list_offsets(stable, isolation_level=level)).offset)
    producer.begin_transaction()
    producer.produce(target, "fenced")
    producer.flush(WAIT_S_MAX)
    other = Producer({**COMMON, "transactional.id": NAME})
    other.init_transactions(WAIT_S_MAX)
    say_error("the first of two", lambda: producer.commit_transaction(WAIT_S_MAX))


if __name__ == "__main__":
    admin()
    codecs()
    idempotent()
    refusals()
    times()
    group()
    transactions()
    section("end")
