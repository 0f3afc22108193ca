"""aiokafka against a server: python aiokafka_client.py HOST:PORT NAME prints a transcript.

NAME begins the names of the topics and groups that it makes.
"""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from transcript import BASE_MS, CODECS, sample_records, say, say_sorted, section, shown

SERVER, NAME = sys.argv[1:3]
WAIT_S_MAX = 60


async def until(what, probe):
    """The first answer that is true."""
    try:
        async with asyncio.timeout(WAIT_S_MAX):
            while not (answer := await probe()):
                await asyncio.sleep(0.02)
            return answer
    except TimeoutError as error:
        raise TimeoutError(what) from error


async def say_error(what, awaitable):
    try:
        await awaitable
        say(what, "no error")
    except KafkaError as error:
        say(what, type(error).__name__)


def started(kind, *args, **settings):
    """Something that has start and stop, as what `async with` takes."""

    class Started:
        async def __aenter__(self):
            self.made = kind(*args, bootstrap_servers=SERVER, **settings)
            await self.made.start()
            return self.made

        async def __aexit__(self, *_):
            stop = getattr(self.made, "stop", None) or self.made.close
            await stop()

    return Started()


def producing(**settings):
    return started(AIOKafkaProducer, **{"acks": "all", **settings})


def consuming(*topics, **settings):
    given = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **settings}
    return started(AIOKafkaConsumer, *topics, **given)


async def create(topic, partitions, **configs):
    async with started(AIOKafkaAdminClient) as admin:
        wanted = NewTopic(topic, partitions, 1, topic_configs=configs)
        answer = await admin.create_topics([wanted])
        code = answer.topic_errors[0][1]

        async def is_there():
            [facts] = await admin.describe_topics([topic])
            return len(facts["partitions"]) >= partitions

        if code == 0:
            await until(topic, is_there)
        return code


async def read(topic, count, **settings):
    records = []
    async with consuming(topic, **settings) as consumer:

        async def is_done():
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records.extend(batch)
            return len(records) >= count

        await until(f"all of {topic}", is_done)
    return records


async def admin():
    section("admin")
    topic = f"{NAME}-admin"
    say("created", await create(topic, 2, **{"retention.ms": "3600000"}))
    say("created again", await create(topic, 2))
    say("a bad setting", await create(f"{topic}-2", 1, **{"no.such": "1"}))
    say("a bad name", await create("a b", 1))
    async with started(AIOKafkaAdminClient) as client:
        await client.create_partitions({topic: NewPartitions(4)})

        async def partitions():
            [facts] = await client.describe_topics([topic])
            return len(facts["partitions"])

        async def is_four():
            return await partitions() == 4

        await until("four partitions", is_four)
        say("grown to", await partitions())

        async def setting(name):
            [answer] = await client.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic, {name: None})]
            )
            [(_, _, _, _, [facts])] = answer.resources
            return facts[1]

        say("retention.ms", await setting("retention.ms"))
        changed = {"retention.ms": "7200000"}
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, changed)])

        async def is_changed():
            return await setting("retention.ms") == "7200000"

        await until("the change", is_changed)
        say("retention.ms", await setting("retention.ms"))
        await client.delete_topics([topic])

        async def is_gone():
            return topic not in await client.list_topics()

        await until("it is gone", is_gone)
        say("deleted")


async def codecs():
    for codec in CODECS:
        section(f"codec {codec}")
        topic = f"{NAME}-{codec}"
        await create(topic, 2)
        kind = None if codec == "none" else codec
        async with producing(compression_type=kind, linger_ms=50) as producer:
            for key, value, headers, time_ms in sample_records():
                # Without a key the client draws a partition.
                partition = 0 if key is None else None
                given = {"key": key, "headers": headers, "timestamp_ms": time_ms}
                await producer.send(topic, value, partition=partition, **given)
        say_sorted(
            shown(each.partition, each.offset, each.timestamp, each.key, each.value, each.headers)
            for each in await read(topic, 12)
        )


async def idempotent():
    section("idempotent")
    topic = f"{NAME}-idempotent"
    await create(topic, 1)
    async with producing(enable_idempotence=True, max_batch_size=300) as producer:
        sent = [await producer.send(topic, str(i).encode()) for i in range(500)]
        offsets = [(await each).offset for each in sent]
    say("acknowledged", offsets == list(range(500)))
    values = [int(each.value) for each in await read(topic, 500)]
    say("in order, once each", values == list(range(500)))


async def refusals():
    section("refusals")
    topic = f"{NAME}-compacted"
    await create(topic, 1, **{"cleanup.policy": "compact", "max.message.bytes": "2000"})
    async with producing() as producer:
        await say_error("too large", producer.send_and_wait(topic, b"v" * 5_000, key=b"k"))
        say("with a key", (await producer.send_and_wait(topic, b"value", key=b"k")).offset)
    partition = TopicPartition(topic, 0)
    async with consuming(auto_offset_reset="none") as consumer:
        consumer.assign([partition])
        consumer.seek(partition, 100)
        await say_error("from behind the end", consumer.getone())


async def times():
    section("times")
    topic = f"{NAME}-times"
    await create(topic, 1)
    partition = TopicPartition(topic, 0)
    async with producing() as producer:
        for i in range(10):
            time_ms = BASE_MS + 1_000 * i
            await producer.send_and_wait(topic, str(i).encode(), timestamp_ms=time_ms)
    async with consuming() as consumer:
        consumer.assign([partition])
        for after_ms in (-5_000, 0, 2_500, 9_000, 9_001):
            found = (await consumer.offsets_for_times({partition: BASE_MS + after_ms}))[partition]
            say(f"t+{after_ms}", found and (found.offset, found.timestamp - BASE_MS))
        found = (await consumer.offsets_for_times({partition: BASE_MS + 6_500}))[partition]
        consumer.seek(partition, found.offset)
        say("from there", [int((await consumer.getone()).value) for _ in range(3)])
        say("earliest", (await consumer.beginning_offsets([partition]))[partition])
        say("latest", (await consumer.end_offsets([partition]))[partition])


class Member:
    """A member of a group, in a task, until it is told to stop."""

    def __init__(self, topic, group):
        self.seen, self.partitions, self.is_stopped = set(), set(), False
        self.task = asyncio.create_task(self.run(topic, group))

    async def run(self, topic, group):
        async with consuming(topic, group_id=group, heartbeat_interval_ms=200) as consumer:
            while not self.is_stopped:
                for batch in (await consumer.getmany(timeout_ms=50)).values():
                    self.seen.update(int(each.value) for each in batch)
                self.partitions = {each.partition for each in consumer.assignment()}
                try:
                    await consumer.commit()
                except KafkaError:
                    pass  # The group is about to share anew: then what was read may come again.

    async def stop(self):
        self.is_stopped = True
        await self.task


async def group():
    section("group")
    topic = name = f"{NAME}-group"
    await create(topic, 4)

    async def send(numbers):
        async with producing() as producer:
            for i in numbers:
                await producer.send_and_wait(topic, str(i).encode(), partition=i % 4)

    await send(range(40))
    first = Member(topic, name)

    async def has_all():
        return len(first.partitions) == 4 and len(first.seen) == 40

    await until("all", has_all)
    say("one member reads", first.seen == set(range(40)))
    second = Member(topic, name)

    async def has_half():
        return len(first.partitions) == len(second.partitions) == 2

    await until("halves", has_half)
    say("two members share", sorted(first.partitions | second.partitions))
    await second.stop()

    async def has_all_again():
        return len(first.partitions) == 4

    await until("all again", has_all_again)
    await send(range(40, 48))

    async def has_rest():
        return len(first.seen) == 48

    await until("the rest", has_rest)
    await first.stop()
    say("the first reads on", first.seen == set(range(48)))
    async with started(AIOKafkaAdminClient) as client:
        offsets = await client.list_consumer_group_offsets(name)
        say("committed", sorted((each.partition, facts.offset) for each, facts in offsets.items()))
        groups = await client.list_consumer_groups()
        say("listed", [each for each in groups if each[0] == name] == [(name, "consumer")])


async def transactions():
    section("transactions")
    source, target, name = f"{NAME}-source", f"{NAME}-target", f"{NAME}-copiers"
    await create(source, 1)
    await create(target, 1)
    async with producing() as plain:
        for i in range(6):
            await plain.send_and_wait(source, str(i).encode())
    partition = TopicPartition(source, 0)
    async with producing(transactional_id=NAME) as producer:
        async with consuming(source, group_id=name, max_poll_records=2) as consumer:
            for is_kept, committed in ((True, 2), (False, 2), (True, 6)):
                batch = [await consumer.getone(), await consumer.getone()]
                await producer.begin_transaction()
                for record in batch:
                    end = b" kept" if is_kept else b" undone"
                    await producer.send_and_wait(target, record.value + end)
                offsets = {partition: OffsetAndMetadata(batch[1].offset + 1, "")}
                await producer.send_offsets_to_transaction(offsets, name)
                if is_kept:
                    await producer.commit_transaction()
                else:
                    await producer.abort_transaction()

                async def is_committed(wanted=committed):
                    return await consumer.committed(partition) == wanted

                # The answer to a commit may come before others see it.
                await until("the commit", is_committed)
                say("committed", committed)
        for isolation, count in (("read_committed", 4), ("read_uncommitted", 6)):
            records = await read(target, count, isolation_level=isolation)
            say(isolation, [(each.offset, each.value.decode()) for each in records])
        async with producing(transactional_id=NAME):
            pass
        await producer.begin_transaction()
        await say_error("the first of two", producer.send_and_wait(target, b"fenced"))


async def main():
    await admin()
    await codecs()
    await idempotent()
    await refusals()
    await times()
    await group()
    await transactions()
    section("end")


asyncio.run(main())
