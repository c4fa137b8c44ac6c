"""What the tests of `kafka-processor replay` need: the command, and what it left in the input."""

import json
from collections import Counter
from typing import Any, NamedTuple

from confluent_kafka import Consumer, IsolationLevel, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from tests.support.job import Job
from tests.support.program import Daemon
from tests.support.waiting import TIMEOUT, wait_until

REPLAY = ("-m", "kafka_processor", "replay")


class InputMessage(NamedTuple):
    """A committed message of the input; `time` in milliseconds."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    time: int

    @property
    def replay_of(self) -> str | None:
        named = [value for name, value in self.headers if name == "replay-of" and value]
        assert len(named) <= 1
        return named[0].decode() if named else None


def launch(job: Job, *arguments: str, **settings: str) -> Daemon:
    """Starts the command, without a key, which it does not need."""
    environment = job.settings(**settings)
    del environment["DEVICE_ID_KEY"]
    return job.launch(environment, (*REPLAY, *arguments))


def replay(job: Job, *arguments: str, code: int = 0, **settings: str) -> Daemon:
    """Runs the command to its end, which must have this exit code."""
    command = launch(job, *arguments, **settings)
    assert command.wait() == code, command.log
    return command


def report_of(job: Job, *arguments: str, code: int = 0, **settings: str) -> dict[str, Any]:
    """The same with --json: what it reports."""
    report: dict[str, Any] = json.loads(
        replay(job, *arguments, "--json", code=code, **settings).stdout
    )
    assert report["complete"] is (code == 0)
    return report


def input_messages(job: Job) -> list[InputMessage]:
    """All that is committed in the input, by partition and offset; waits for open transactions."""
    found = []
    for message in read(job, {(job.input, partition): 0 for partition in input_ends(job)}):
        headers: Any = message.headers()
        value: Any = message.value()
        key: Any = message.key()
        position = message.partition() or 0, message.offset() or 0
        found.append(InputMessage(*position, key, value, headers or [], message.timestamp()[1]))
    return sorted(found, key=lambda each: each[:2])


def read(job: Job, starts: dict[tuple[str, int], int]) -> list[Message]:
    """All that is committed from these offsets on, by topic and partition, to the ends of now."""
    ends = ends_of(job, sorted({topic for topic, _ in starts}))
    messages: list[Message] = []
    consumer = Consumer(
        {
            "bootstrap.servers": job.site.broker,
            "group.id": "unused",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20,
            "fetch.queue.backoff.ms": 2,
            "log_level": 0,
        }
    )

    def read_on() -> bool:
        for message in consumer.consume(1000, 0.05):
            where, reached = (
                (message.topic() or "", message.partition() or 0),
                message.offset() or 0,
            )
            if not message.error():
                messages.append(message)
                reached += 1
            if reached >= ends.get(where, 0):
                ends.pop(where, None)
        return not ends

    consumer.assign([TopicPartition(*where, starts[where]) for where in ends])
    try:
        wait_until(read_on, "the end of the topics")
    finally:
        consumer.close()
    return messages


def copies(job: Job) -> Counter[str]:
    """How often each message is committed as a repeat."""
    return Counter(each.replay_of for each in input_messages(job) if each.replay_of)


def input_ends(job: Job, *, committed: bool = False) -> dict[int, int]:
    return {
        partition: end
        for (_, partition), end in ends_of(job, [job.input], committed=committed).items()
    }


def ends_of(job: Job, topics: list[str], *, committed: bool = False) -> dict[tuple[str, int], int]:
    """Where partitions end, or how far a `read_committed` reader gets."""
    existing = job.admin.list_topics(timeout=TIMEOUT).topics
    wanted = {
        TopicPartition(topic, partition): OffsetSpec.latest()  # type: ignore[no-untyped-call]
        for topic in topics
        for partition in existing[topic].partitions
    }
    level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    answers = job.admin.list_offsets(wanted, isolation_level=level)
    return {(p.topic, p.partition): f.result(TIMEOUT).offset for p, f in answers.items()}
