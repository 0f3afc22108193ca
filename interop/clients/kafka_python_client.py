"""kafka-python against a server: python kafka_python_client.py HOST:PORT NAME prints a transcript.

NAME begins the names of the topics and groups that it makes.
"""

import sys
import threading

from kafka import (
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    TopicPartition,
)
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError
from transcript import BASE_MS, CODECS, sample_records, say, say_sorted, section, shown, until

SERVER = sys.argv[1]
NAME = sys.argv[2]


def say_error(what, call):
    try:
        call()
        say(what, "no error")
    except KafkaError as error:
        say(what, type(error).__name__)


def consumer(*topics, **settings):
    given = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **settings}
    return KafkaConsumer(*topics, bootstrap_servers=SERVER, **given)


def read_all(topic, **settings):
    """Every record from the beginning to the end of each partition."""
    with_all = consumer(**settings)
    count = until(topic, lambda: len(with_all.partitions_for_topic(topic) or ()))
    partitions = [TopicPartition(topic, index) for index in range(count)]
    with_all.assign(partitions)
    with_all.seek_to_beginning()
    ends = with_all.end_offsets(partitions)
    records = []

    def is_done():
        for batch in with_all.poll(200).values():
            records.extend(batch)
        return all(with_all.position(each) >= ends[each] for each in partitions)

    until(f"all of {topic}", is_done)
    with_all.close()
    return records


def line_of(record):
    facts = (record.partition, record.offset, record.timestamp)
    return shown(*facts, record.key, record.value, record.headers)


def admin():
    section("admin")
    topic = f"{NAME}-admin"
    client = KafkaAdminClient(bootstrap_servers=SERVER)
    wanted = {
        topic: {
            "num_partitions": 2,
            "replication_factor": 1,
            "configs": {"retention.ms": "3600000", "cleanup.policy": "delete"},
        }
    }
    created = client.create_topics(wanted)
    say("created", created["topics"][0]["error_code"])
    until("the topic", lambda: topic in client.list_topics())
    say_error("created again", lambda: client.create_topics(wanted))
    bad = {"num_partitions": 1, "replication_factor": 1, "configs": {"no.such": "1"}}
    say_error("a bad setting", lambda: client.create_topics({f"{topic}-2": bad}))
    say_error("a bad name", lambda: client.create_topics({"a b": {"num_partitions": 1}}))
    none = {"num_partitions": 0, "replication_factor": 1}
    say_error("no partitions", lambda: client.create_topics({f"{topic}-2": none}))
    many = {"num_partitions": 1, "replication_factor": 3}
    say_error("three copies", lambda: client.create_topics({f"{topic}-2": many}))

    def partitions():
        [facts] = client.describe_topics([topic])
        return facts["partitions"]

    say("partitions", len(partitions()), "replicas", len(partitions()[0]["replica_nodes"]))
    client.create_partitions({topic: 4})
    until("four partitions", lambda: len(partitions()) == 4)
    say("grown to 4")
    say_error("shrunk", lambda: client.create_partitions({topic: 1}))

    resource = ConfigResource(ConfigResourceType.TOPIC, topic)

    def settings():
        found = client.describe_configs([resource], config_filter="all")
        return found["topic"][topic]

    for name in ("cleanup.policy", "retention.ms", "max.message.bytes", "compression.type"):
        facts = settings()[name]
        say(name, facts["value"], facts["config_source"], facts["config_type"])
    changed = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "7200000"})
    client.alter_configs([changed])
    until("the change", lambda: settings()["retention.ms"]["value"] == "7200000")
    say("retention.ms", settings()["retention.ms"]["value"])
    client.reset_configs([ConfigResource(ConfigResourceType.TOPIC, topic, ["retention.ms"])])
    until("the default", lambda: settings()["retention.ms"]["value"] == "604800000")
    say("retention.ms", settings()["retention.ms"]["config_source"])
    wrong = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "soon"})
    say_error("a bad value", lambda: client.alter_configs([wrong]))
    client.delete_topics([topic])
    until("it is gone", lambda: topic not in client.list_topics())
    say_error("deleted again", lambda: client.delete_topics([topic]))
    client.close()


def codecs():
    for codec in CODECS:
        section(f"codec {codec}")
        topic = f"{NAME}-{codec}"
        create(topic, 2)
        kind = None if codec == "none" else codec
        producer = KafkaProducer(
            bootstrap_servers=SERVER, compression_type=kind, linger_ms=50, acks="all"
        )
        for key, value, headers, time_ms in sample_records():
            given = {"key": key, "headers": headers, "timestamp_ms": time_ms}
            # Without a key the client draws a partition.
            producer.send(topic, value, partition=0 if key is None else None, **given)
        producer.close()
        say_sorted(map(line_of, read_all(topic)))


def create(topic, partitions, **configs):
    client = KafkaAdminClient(bootstrap_servers=SERVER)
    facts = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
    client.create_topics({topic: facts}, wait_for_metadata=True)
    client.close()


def idempotent():
    section("idempotent")
    topic = f"{NAME}-idempotent"
    create(topic, 1)
    producer = KafkaProducer(
        bootstrap_servers=SERVER, enable_idempotence=True, acks="all", batch_size=200
    )
    sent = [producer.send(topic, str(i).encode()) for i in range(500)]
    producer.flush()
    say("acknowledged", [each.get(30).offset for each in sent] == list(range(500)))
    values = [int(record.value) for record in read_all(topic)]
    say("in order, once each", values == list(range(500)))
    producer.close()


def refusals():
    section("refusals")
    topic = f"{NAME}-compacted"
    create(topic, 1, **{"cleanup.policy": "compact", "max.message.bytes": "2000"})

    def send(*args, **settings):
        # One for each, since what was refused stays with the producer.
        producer = KafkaProducer(bootstrap_servers=SERVER, acks="all", enable_idempotence=False)
        try:
            return producer.send(topic, *args, **settings).get(30)
        finally:
            producer.close()

    say_error("without a key", lambda: send(b"value"))
    say_error("too large", lambda: send(b"v" * 5_000, key=b"k"))
    say("with a key", send(b"value", key=b"k").offset)
    strict = consumer(auto_offset_reset="none")
    partition = TopicPartition(topic, 0)
    strict.assign([partition])
    strict.seek(partition, 100)

    def poll():
        strict.poll(200)
        return False

    say_error("from behind the end", lambda: until("an error", poll))
    strict.close()


def times():
    section("times")
    topic = f"{NAME}-times"
    create(topic, 1)
    producer = KafkaProducer(bootstrap_servers=SERVER, acks="all")
    for i in range(10):
        producer.send(topic, str(i).encode(), timestamp_ms=BASE_MS + 1_000 * i).get(30)
    producer.close()
    reader = consumer()
    partition = TopicPartition(topic, 0)
    reader.assign([partition])
    for after_ms in (-5_000, 0, 2_500, 9_000, 9_001):
        found = reader.offsets_for_times({partition: BASE_MS + after_ms})[partition]
        say(f"t+{after_ms}", found and (found.offset, found.timestamp - BASE_MS))
    found = reader.offsets_for_times({partition: BASE_MS + 6_500})[partition]
    reader.seek(partition, found.offset)
    batch = until("a record", lambda: reader.poll(200).get(partition))
    say("from there", [int(record.value) for record in batch])
    say("earliest", reader.beginning_offsets([partition])[partition])
    say("latest", reader.end_offsets([partition])[partition])
    reader.close()


class Member(threading.Thread):
    """A member of a group, in a thread, until it is told to stop."""

    def __init__(self, topic, group):
        super().__init__()
        self.is_stopped = False
        self.seen = set()
        self.consumer = consumer(topic, group_id=group, heartbeat_interval_ms=200)
        self.partitions = set()
        self.start()

    def run(self):
        while not self.is_stopped:
            for batch in self.consumer.poll(50).values():
                self.seen.update(int(record.value) for record in batch)
            self.partitions = {each.partition for each in self.consumer.assignment()}
            try:
                self.consumer.commit()
            except KafkaError:
                pass  # The group is about to share anew: then what was read may come again.
        self.consumer.close()

    def stop(self):
        self.is_stopped = True
        self.join()


def group():
    section("group")
    topic, name = f"{NAME}-group", f"{NAME}-group"
    create(topic, 4)
    producer = KafkaProducer(bootstrap_servers=SERVER, acks="all")
    for i in range(40):
        producer.send(topic, str(i).encode(), partition=i % 4).get(30)
    client = KafkaAdminClient(bootstrap_servers=SERVER)
    first = Member(topic, name)
    until("all partitions", lambda: len(first.partitions) == 4 and len(first.seen) == 40)
    say("one member reads", first.seen == set(range(40)))
    second = Member(topic, name)
    until("halves", lambda: len(first.partitions) == len(second.partitions) == 2)
    say("two members share", sorted(first.partitions | second.partitions))
    facts = client.describe_groups([name])[name]
    say("state", facts["group_state"], facts["protocol_data"], len(facts["members"]))
    say("deleted with members", client.delete_groups([name]))
    second.stop()
    until("all again", lambda: len(first.partitions) == 4)
    for i in range(40, 48):
        producer.send(topic, str(i).encode(), partition=i % 4).get(30)
    until("the rest", lambda: len(first.seen) == 48)
    first.stop()
    say("the first reads on", first.seen == set(range(48)))
    offsets = client.list_group_offsets({name: None})[name]
    say("committed", sorted((each.partition, facts.offset) for each, facts in offsets.items()))
    partition = TopicPartition(topic, 0)
    reader = consumer(group_id=name)
    reader.assign([partition])
    reader.commit({partition: OffsetAndMetadata(5, "a note", -1)})
    found = reader.committed(partition, metadata=True)
    say("by hand", found.offset, found.metadata)
    reader.close()
    say("listed", any(each["group_id"] == name for each in client.list_groups()))
    until("nobody", lambda: client.describe_groups([name])[name]["group_state"] == "Empty")
    say("deleted", client.delete_groups([name]))
    say("deleted again", client.delete_groups([name]))
    producer.close()
    client.close()


def transactions():
    section("transactions")
    source, target, name = f"{NAME}-source", f"{NAME}-target", f"{NAME}-copiers"
    create(source, 1)
    create(target, 1)
    plain = KafkaProducer(bootstrap_servers=SERVER, acks="all")
    for i in range(6):
        plain.send(source, str(i).encode()).get(30)
    plain.close()
    producer = KafkaProducer(bootstrap_servers=SERVER, transactional_id=NAME)
    producer.init_transactions()
    reader = consumer(source, group_id=name, max_poll_records=2)
    partition = TopicPartition(source, 0)
    for is_kept, committed in ((True, 2), (False, 2), (True, 6)):
        batch = until("two records", lambda: reader.poll(200).get(partition))
        producer.begin_transaction()
        for record in batch:
            producer.send(target, record.value + (b" kept" if is_kept else b" undone"))
        offsets = {partition: OffsetAndMetadata(batch[-1].offset + 1, "", -1)}
        producer.send_offsets_to_transaction(offsets, reader.group_metadata())
        producer.flush()
        if is_kept:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
        # The answer to a commit may come before others see it.
        until("the commit", lambda wanted=committed: reader.committed(partition) == wanted)
        say("committed", committed)
    reader.close()
    for isolation in ("read_committed", "read_uncommitted"):
        records = read_all(target, isolation_level=isolation)
        say(isolation, [(record.offset, record.value.decode()) for record in records])
    other = KafkaProducer(bootstrap_servers=SERVER, transactional_id=NAME)
    other.init_transactions()
    other.close()

    def go_on():
        producer.begin_transaction()
        producer.send(target, b"fenced").get(30)

    say_error("the first of two", go_on)
    producer.close()


if __name__ == "__main__":
    admin()
    codecs()
    idempotent()
    refusals()
    times()
    group()
    transactions()
    section("end")
