"""The account after a fault: each input message against every output, by a reader of its own.

It shares no code with what it checks. Each message of the load carries a number of its own as its
`timestamp`, so a record that holds another message's content is seen too.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from tests.support.job import Job

Inputs = dict[int, dict[int, int]]
"""The `timestamp` of each input message, by partition and offset."""
READ_TIMEOUT = 60.0


class _Line(msgspec.Struct):
    message_id: str
    outcome: str


class _Metrics(msgspec.Struct):
    message_details: list[_Line]


class _Event(msgspec.Struct):
    timestamp: int


class _Outcome(msgspec.Struct):
    message_id: str
    user_id: str
    timestamp: str
    message_content: _Event | None = None


class _Summary(msgspec.Struct):
    source_partition: int
    next_offset: int
    counted_since_offset: int
    total_received_count: int
    processed_count: int
    filtered_count: int
    skipped_count: int
    error_count: int


@dataclass
class Account:
    """What is wrong, a few examples each; and how much was looked at."""

    messages: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Content, order, counts or offsets that do not fit."""

    def __str__(self) -> str:
        return (
            f"{self.messages} messages, {len(self.lost)} lost {self.lost[:3]}, "
            f"{len(self.doubled)} doubled {self.doubled[:3]}, wrong: {self.wrong[:5]}"
        )


class _Outputs:
    """What the output topics say about each input message."""

    def __init__(self, job: Job, inputs: Inputs) -> None:
        self._inputs = inputs
        self.lines: Counter[str] = Counter()
        self.records: Counter[str] = Counter()
        self.outcome_of: dict[str, str] = {}
        self.wrong: list[str] = []
        self.summaries: dict[int, _Summary] = {}
        self._latest: dict[tuple[str, str, str], int] = defaultdict(lambda: -1)
        take: dict[str, Callable[[Message], None]] = {
            "processed": self._take_processed,
            "cleaned": self._take_cleaned,
            "metrics": self._take_metrics,
            "summary": self._take_summary,
        }
        by_topic = {topic: name for name, topic in job.topics.items()}
        for message in read_committed(job, list(by_topic)):
            name = by_topic[message.topic() or ""]
            if name == "errors":
                self.wrong.append(f"an error record: {message.value()!r:.200}")
            else:
                take[name](message)

    def _take_processed(self, message: Message) -> None:
        record = _decode_outcome(message.value() or b"")
        expected = self._take_record(message, record)
        if record.timestamp != time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expected)):
            self.wrong.append(f"content of another message: {record.message_id}")

    def _take_cleaned(self, message: Message) -> None:
        record = _decode_outcome(message.value() or b"")
        expected = self._take_record(message, record)
        content = record.message_content
        if content is None or content.timestamp != expected:
            self.wrong.append(f"content of another message: {record.message_id}")

    def _take_record(self, message: Message, record: _Outcome) -> int:
        """Returns the `timestamp` of the message that the record says it is about."""
        self.records[record.message_id] += 1
        source, text = record.message_id.rsplit("-", 1)
        offset = int(text)
        run = (message.topic() or "", record.user_id, source)
        if self.records[record.message_id] == 1 and offset < self._latest[run]:
            self.wrong.append(f"out of order: {record.message_id}")
        self._latest[run] = max(self._latest[run], offset)
        return self._inputs.get(int(source.rsplit("-", 1)[1]), {}).get(offset, -1)

    def _take_metrics(self, message: Message) -> None:
        for line in _decode_metrics(message.value() or b"").message_details:
            self.lines[line.message_id] += 1
            self.outcome_of[line.message_id] = line.outcome

    def _take_summary(self, message: Message) -> None:
        summary = _decode_summary(message.value() or b"")
        self.summaries[summary.source_partition] = summary


def account_for(job: Job, deleted: Mapping[str, int]) -> Account:
    """Reads everything there is; the daemons have stopped, and nothing is open.

    deleted: by message id, records that were there and went with their topic.
    """
    inputs = _read_inputs(job)
    outputs = _Outputs(job, inputs)
    records = outputs.records + Counter(deleted)
    account = Account(messages=sum(map(len, inputs.values())), wrong=outputs.wrong)
    expected = {f"{job.input}-{p}-{offset}" for p, offsets in inputs.items() for offset in offsets}
    account.lost = sorted(expected - records.keys() | expected - outputs.lines.keys())
    account.doubled = sorted(
        {i for counts in (records, outputs.lines) for i, number in counts.items() if number > 1}
    )
    account.wrong += [f"of no input: {i}" for i in (records | outputs.lines).keys() - expected]
    account.wrong += list(_wrong_counts(job, inputs, outputs))
    return account


def records_by_message(job: Job, topic: str) -> Counter[str]:
    """The records of a topic with one record for each message, by message id."""
    return Counter(
        _decode_outcome(message.value() or b"").message_id
        for message in read_committed(job, [topic])
    )


def _wrong_counts(job: Job, inputs: Inputs, outputs: _Outputs) -> Iterator[str]:
    committed = job.committed()
    outcomes: dict[int, Counter[str]] = defaultdict(Counter)
    for message_id, outcome in outputs.outcome_of.items():
        outcomes[int(message_id.rsplit("-", 2)[1])][outcome] += 1
    for partition, offsets in inputs.items():
        if not offsets:
            continue
        end = max(offsets) + 1
        if committed.get(partition, 0) < end:
            yield f"partition {partition}: committed {committed.get(partition)}, input {end}"
        summary = outputs.summaries.get(partition)
        if summary is None:
            yield f"partition {partition}: no summary"
            continue
        counted = Counter(
            processed=summary.processed_count,
            filtered=summary.filtered_count,
            skipped=summary.skipped_count,
        )
        if +counted != outcomes[partition] or summary.total_received_count != len(offsets):
            yield f"partition {partition}: {summary}, but {len(offsets)}: {outcomes[partition]}"
        if summary.next_offset != committed.get(partition) or summary.counted_since_offset:
            yield f"partition {partition}: {summary}, but committed {committed.get(partition)}"


def _read_inputs(job: Job) -> Inputs:
    inputs: Inputs = defaultdict(dict)
    for message in read_committed(job, [job.input]):
        event = _decode_event(message.value() or b"")
        inputs[message.partition() or 0][message.offset() or 0] = event.timestamp
    return inputs


def read_committed(job: Job, topics: list[str]) -> Iterator[Message]:
    """All committed records of the topics, up to their ends."""
    consumer = Consumer(
        {
            "bootstrap.servers": job.site.broker,
            "group.id": "unused",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 2,
            "log_level": 0,
        }
    )
    try:
        metadata = consumer.list_topics(timeout=READ_TIMEOUT).topics
        left = {(t, p) for t in topics if t in metadata for p in metadata[t].partitions}
        consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in left])
        deadline = time.monotonic() + READ_TIMEOUT
        while left:
            assert time.monotonic() < deadline, f"cannot read to the end: {left}"
            for message in consumer.consume(5000, 0.1):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard((message.topic() or "", message.partition() or 0))
    finally:
        consumer.close()


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_outcome = msgspec.json.Decoder(_Outcome).decode
_decode_metrics = msgspec.json.Decoder(_Metrics).decode
_decode_summary = msgspec.json.Decoder(_Summary).decode
