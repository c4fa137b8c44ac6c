"""What a downstream consumer sees: committed records only."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.support.waiting import TIMEOUT

Json = dict[str, Any]


@dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    raw: bytes
    value: Json
    time: float
    """The record's timestamp, seconds since the epoch."""
    has_headers: bool


@dataclass
class Results:
    """All committed records of a job's output topics, in the order of each partition."""

    processed: list[Record] = field(default_factory=list)
    errors: list[Record] = field(default_factory=list)
    cleaned: list[Record] = field(default_factory=list)
    summary: list[Record] = field(default_factory=list)
    metrics: list[Record] = field(default_factory=list)

    @property
    def outcomes(self) -> list[Record]:
        """The records that belong to one message each."""
        return [*self.processed, *self.errors, *self.cleaned]

    @property
    def all(self) -> list[Record]:
        return [*self.outcomes, *self.summary, *self.metrics]

    @property
    def lines(self) -> list[Json]:
        """The lines of all metrics records."""
        return [line for record in self.metrics for line in record.value["message_details"]]

    def outcome_of(self) -> dict[str, str]:
        return {line["message_id"]: line["outcome"] for line in self.lines}

    def latest_summaries(self) -> dict[int, Json]:
        """The last summary of each input partition."""
        return {record.value["source_partition"]: record.value for record in self.summary}

    def total(self, name: str) -> int:
        """A count of the summary, over all input partitions."""
        return sum(summary[name] for summary in self.latest_summaries().values())


class CommittedReader:
    """Reads topics from their beginning on, as a consumer with `read_committed` and no group."""

    def __init__(self, broker: str, topics: Iterable[str]) -> None:
        self.records: dict[str, list[Record]] = {topic: [] for topic in topics}
        self._at_end: set[tuple[str, int]] = set()
        self._consumer = _consumer(broker, "read_committed")
        metadata = self._consumer.list_topics(timeout=TIMEOUT).topics
        self.partitions = [
            TopicPartition(topic, partition, 0)
            for topic in self.records
            if topic in metadata
            for partition in metadata[topic].partitions
        ]
        self._consumer.assign(self.partitions)

    def read(self, timeout: float = 0.1) -> None:
        """Take what has come since the last call, waiting up to `timeout` seconds for more."""
        for message in self._consumer.consume(5000, timeout):
            error = message.error()
            if error is None:
                record = _record(message)
                self.records[record.topic].append(record)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._at_end.add((message.topic() or "", message.partition() or 0))

    def read_to_end(self) -> None:
        """For a reader that has read nothing yet: take all that is committed now."""
        deadline = time.monotonic() + TIMEOUT
        while len(self._at_end) < len(self.partitions):
            assert time.monotonic() < deadline, "cannot read the output topics to their end"
            self.read()

    def close(self) -> None:
        self._consumer.close()


def record_times(broker: str, topic: str) -> dict[tuple[int, int], float]:
    """The timestamp of each record, seconds since the epoch, by partition and offset."""
    consumer = _consumer(broker, "read_committed")
    partitions = consumer.list_topics(topic, timeout=TIMEOUT).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    times, ends = {}, 0
    while ends < len(partitions):
        for message in consumer.consume(1000, 0.1):
            if message.error():
                ends += 1
            else:
                times[message.partition() or 0, message.offset() or 0] = message.timestamp()[1]
    consumer.close()
    return {place: milliseconds / 1000 for place, milliseconds in times.items()}


class OpenTransactions:
    """Tells whether a transaction is open in some partitions: readers do not get beyond it."""

    def __init__(self, broker: str, partitions: list[TopicPartition]) -> None:
        self._partitions = partitions
        self._stable = _consumer(broker, "read_committed")
        self._all = _consumer(broker, "read_uncommitted")

    def any(self) -> bool:
        return any(
            self._end(self._stable, partition) < self._end(self._all, partition)
            for partition in self._partitions
        )

    def close(self) -> None:
        self._stable.close()
        self._all.close()

    def _end(self, consumer: Consumer, partition: TopicPartition) -> int:
        return consumer.get_watermark_offsets(partition, timeout=TIMEOUT)[1]


def describe_group(admin: AdminClient, group: str) -> dict[str, list[int]]:
    """Client id of each member with the partitions that it has; several may share a client id."""
    description = admin.describe_consumer_groups([group])[group].result(TIMEOUT)
    return {
        f"{member.client_id} {member.member_id}": sorted(
            partition.partition for partition in member.assignment.topic_partitions
        )
        for member in description.members
    }


def _consumer(broker: str, isolation: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": "unused",
            "enable.auto.commit": False,
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
            "fetch.queue.backoff.ms": 5,
            "log_level": 0,
        }
    )


def _record(message: Message) -> Record:
    key, raw, topic = message.key(), message.value(), message.topic()
    partition, offset = message.partition(), message.offset()
    assert topic and partition is not None and offset is not None
    assert key is None or isinstance(key, bytes)
    assert isinstance(raw, bytes), f"a record without a value in {topic}"
    return Record(
        topic,
        partition,
        offset,
        key,
        raw,
        json.loads(raw),
        message.timestamp()[1] / 1000,
        bool(message.headers()),
    )
