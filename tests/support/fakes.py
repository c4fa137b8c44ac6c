"""Fakes of the loop's two ends (`kafka_processor/ports.py`) around a broker in memory.

They do what the real ones do as far as `port_contract.py` says, and what a broker may do to them on
demand: partitions go, commits fail or end unknown. No thread, no clock but `FakeTime`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from unittest.mock import patch

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from kafka_processor.clients.delivery_reports import FailedRecord
from kafka_processor.errors import ConsumerEndedError
from kafka_processor.membership.start_offsets import Past, StartOffset, StartReason, decide_start
from kafka_processor.ports import RebalanceListener
from kafka_processor.producer import BatchFailed, batch_failed
from kafka_processor.record_limits import RecordLimits
from kafka_processor.records import OutputRecord, decode_snapshot

STEP = 0.001
"""Seconds between two looks at the clock."""
HANGS_FOR = 3.0
"""Seconds after which a commit without an answer is overdue."""
ANSWERS_AFTER = 0.01
"""Seconds for the answer to a commit, where it is waited for."""


class FakeTime:
    """Stands in for the module `time`; each look at it takes a moment, and sleep takes no time."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        self.now += STEP
        return self.now

    perf_counter = monotonic

    def time_ns(self) -> int:
        return round(self.now * 1e9)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replaces the clock of every module on the loop's way."""
        with ExitStack() as patches:
            for name in ("processor", "reading", "timing", "current_batch", "delivery.batch"):
                patches.enter_context(patch(f"kafka_processor.{name}.time", self))
            yield


@dataclass(frozen=True)
class FakeMessage:
    """As a consumed message has it."""

    at: int
    data: bytes

    def __len__(self) -> int:
        return len(self.data)

    def offset(self) -> int:
        return self.at

    def value(self) -> bytes:
        return self.data

    def timestamp(self) -> tuple[int, int]:
        return 0, 0

    def headers(self) -> None:
        return None


@dataclass
class FakeTopic:
    """The input topic under one topic id."""

    topic_id: str
    logs: dict[int, list[bytes]]
    committed: dict[int, tuple[int, str]] = field(default_factory=dict)
    """By partition: offset and metadata."""

    def committed_here(self, partition: int) -> tuple[int, str]:
        """The offset that was committed in this topic, and not in one of the same name before."""
        offset, metadata = self.committed.get(partition, (0, ""))
        is_here = metadata and self.topic_id.startswith(decode_snapshot(metadata).topic_id)
        return (offset, metadata) if is_here else (0, "")


class FakeBroker:
    def __init__(self, partitions: int) -> None:
        self.partitions = range(partitions)
        self.records: list[OutputRecord] = []
        """What a read_committed reader sees."""
        self.topics: list[FakeTopic] = []
        self._make_topic({})
        self.owners: dict[int, object] = {}
        """The member that the group has given each partition to."""
        self.rejects: Callable[[OutputRecord], bool] = lambda _record: False
        """Whether a record is too large for its topic."""

    @property
    def topic(self) -> FakeTopic:
        return self.topics[-1]

    def make_topic_again(self, *, keeps_offsets: bool = False) -> None:
        """`keeps_offsets`: the group's committed offsets outlive the topic."""
        self._make_topic(dict(self.topic.committed) if keeps_offsets else {})

    def _make_topic(self, committed: dict[int, tuple[int, str]]) -> None:
        logs: dict[int, list[bytes]] = {partition: [] for partition in self.partitions}
        self.topics.append(FakeTopic(f"{len(self.topics):08}topic-id", logs, committed))

    def send(self, partition: int, value: bytes) -> None:
        self.topic.logs[partition].append(value)

    def commit_offsets(self, offsets: Iterable[TopicPartition]) -> None:
        for each in offsets:
            assert each.metadata is not None
            self.topic.committed[each.partition] = each.offset, each.metadata


class FakeInput:
    """An `Input`. Rebalances wait until they are heard of in a poll."""

    def __init__(self, broker: FakeBroker, time: FakeTime) -> None:
        self.broker = broker
        self._time = time
        self.has_joined = False
        self.fenced_for = 0.0
        self.events: list[Callable[[], None]] = []
        """What the next poll is to hear of, in order."""
        self._listener: RebalanceListener | None = None
        self._waiting: set[int] = set()
        self._positions: dict[int, int] = {}
        """The next offset of each partition that is owned."""
        self._started: dict[int, tuple[str, int]] = {}
        """The topic id and offset where each partition was started last."""
        self._topic_id = ""
        self.undecided: Collection[int] = ()
        """Partitions whose committed offset cannot be looked up now."""

    @property
    def owned(self) -> frozenset[int]:
        return frozenset(self._positions)

    @property
    def assigned(self) -> frozenset[int]:
        return self.owned | self._waiting

    @property
    def is_looking_up(self) -> bool:
        return bool(self._waiting)

    @property
    def rewind_reason(self) -> str | None:
        has_changed = self._topic_id != self.broker.topic.topic_id
        return "the topic is another one" if has_changed and self._positions else None

    def join(self, listener: RebalanceListener) -> None:
        self._listener = listener

    def assign(self, partitions: Collection[int]) -> None:
        def on_assign() -> None:
            self.has_joined = True
            for partition in partitions:
                if partition not in self.broker.owners:
                    self.broker.owners[partition] = self
                    self._waiting.add(partition)

        self.events.append(on_assign)

    def revoke(self, partitions: Collection[int]) -> None:
        def on_revoke() -> None:
            assert self._listener
            ours = self.assigned.intersection(partitions)
            self._listener.on_revoke(ours)
            self._let_go(ours)

        self.events.append(on_revoke)

    def lose(self, partitions: Collection[int]) -> None:
        """The group takes them at once, the member hears of it later."""
        self._take_away(partitions)

        def on_lost() -> None:
            assert self._listener
            ours = self.assigned.intersection(partitions)
            self._listener.on_lost(ours)
            self._let_go(ours)

        self.events.append(on_lost)

    def _take_away(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            if self.broker.owners.get(partition) is self:
                del self.broker.owners[partition]

    def _let_go(self, partitions: Iterable[int]) -> None:
        self._take_away(partitions)
        for partition in partitions:
            self._waiting.discard(partition)
            self._positions.pop(partition, None)

    def poll_messages(self, limit: int, timeout: float) -> Mapping[int, Sequence[FakeMessage]]:
        events, self.events = self.events, []
        for event in events:
            event()
        found: dict[int, list[FakeMessage]] = {}
        if self.fenced_for:
            return found
        for partition, position in self._positions.items():
            log = self.broker.topic.logs[partition]
            taken = log[position : position + limit]
            if taken:
                found[partition] = [FakeMessage(position + i, v) for i, v in enumerate(taken)]
                self._positions[partition] += len(taken)
                limit -= len(taken)
        if not found:
            self._time.sleep(timeout)
        return found

    def start_waiting(self) -> list[StartOffset]:
        topic = self.broker.topic
        if self._positions and self._topic_id != topic.topic_id:
            return []
        self._topic_id = topic.topic_id
        found = []
        for partition in sorted(self._waiting.difference(self.undecided)):
            start = self._start(partition)
            found.append(start)
            self._positions[partition] = start.offset
            self._started[partition] = topic.topic_id, start.offset
            self._waiting.remove(partition)
        return found

    def _start(self, partition: int) -> StartOffset:
        topic = self.broker.topic
        offset, metadata = topic.committed.get(partition, (None, None))
        read_as, started_at = self._started.get(partition, ("", None))
        past = Past(partition, offset, metadata, started_at, read_as, is_of_begun_topic=True)
        high = len(topic.logs[partition])
        start = decide_start(past, topic.topic_id, 0, high, starts_at_end=False)
        assert start.reason is not StartReason.GAP
        return start

    def rewind(self) -> None:
        self._waiting |= self._positions.keys()
        self._positions.clear()

    def handle_error(self, error: KafkaError) -> None:
        raise ConsumerEndedError(error.str())

    def raise_if_fenced(self) -> None:
        if self.fenced_for:
            raise ConsumerEndedError("fenced")

    def close(self, timeout: float) -> None:  # noqa: ARG002
        if self._listener and self.assigned:
            ours = self.assigned
            self._listener.on_revoke(ours)
            self._let_go(ours)
        self.events.clear()

    def ask_for_topic(self) -> Callable[[], bool]:
        topic_id = self._topic_id
        return lambda: self.broker.topic.topic_id != topic_id


class Fate(Enum):
    """What becomes of a commit."""

    COMMITTED = "committed"
    ABORTED = "aborted, and the client says so"
    UNKNOWN_DONE = "committed, but reported as failed"
    UNKNOWN_NOT_DONE = "reported as failed, and not committed"
    LATE = "no answer until it is overdue; committed afterwards"
    HANGS = "no answer until it is overdue; never committed"
    FENCED = "the producer is fenced"


_CODES = {
    Fate.ABORTED: KafkaError.INVALID_TXN_STATE,
    Fate.UNKNOWN_DONE: KafkaError._TIMED_OUT,
    Fate.UNKNOWN_NOT_DONE: KafkaError._TIMED_OUT,
    Fate.FENCED: KafkaError._FENCED,
}


@dataclass
class FakeCommit:
    records: list[OutputRecord]
    offsets: list[TopicPartition]
    has_changed: Callable[[], bool]
    fate: Fate
    began: float
    is_answered: bool = False
    is_settled: bool = False
    """The broker has committed it, or never will."""
    failure: BatchFailed | None = None


class FakeOutput:
    """An `Output`. `fate` is that of the commits that begin from now on."""

    def __init__(self, input_: FakeInput, time: FakeTime, *, is_exactly_once: bool) -> None:
        self.limits = RecordLimits()
        self.fate = Fate.COMMITTED
        self.answers_at_once = True
        """Else a commit that begins is answered by `answer`."""
        self.can_start = True
        self._input = input_
        self._broker = input_.broker
        self._time = time
        self._is_exactly_once = is_exactly_once
        self._is_ready = False
        self.records: list[OutputRecord] | None = None
        """Of the open batch; None: there is none."""
        self.commit_in_flight: FakeCommit | None = None
        self.is_closed = False

    def start(self) -> None:
        if not self.can_start:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        self._is_ready = True

    def serve(self) -> None: ...

    def begin(self) -> None:
        if not self._is_ready:
            raise BatchFailed("the producer is not ready")
        assert self.records is None, "one transaction at a time"
        assert self.commit_in_flight is None, "the next one begins behind a commit"
        self.records = []

    def produce(self, records: Iterable[OutputRecord]) -> None:
        assert self.records is not None, "produced without a transaction"
        for record in records:
            self.records.append(record)
            if not self._is_exactly_once and not self._broker.rejects(record):
                self._broker.records.append(record)

    def commit(self, offsets: list[TopicPartition]) -> None:
        assert self.records is not None
        assert offsets
        numbers = {each.partition for each in offsets}
        assert numbers <= self._input.owned, "a commit of partitions that are not ours"
        has_changed = self._input.ask_for_topic()
        commit = FakeCommit(self.records, offsets, has_changed, self.fate, self._time.now)
        self.records, self.commit_in_flight = None, commit
        if self.answers_at_once:
            self.answer()

    def answer(self) -> None:
        """The answer of the brokers arrives."""
        commit = self.commit_in_flight
        if commit is None or commit.is_answered:
            return
        rejected = [record for record in commit.records if self._broker.rejects(record)]
        if rejected:
            commit.failure = _rejection(rejected)
            commit.is_settled = True
        elif commit.has_changed():
            commit.failure = BatchFailed("the input topic was deleted and created again")
            commit.is_settled = True
        elif not self._is_ours(commit):
            commit.failure = batch_failed(KafkaError(KafkaError.ILLEGAL_GENERATION))
            commit.is_settled = True
        else:
            if commit.fate in (Fate.COMMITTED, Fate.UNKNOWN_DONE):
                self._apply(commit)
            if code := _CODES.get(commit.fate):
                commit.failure = batch_failed(KafkaError(code))
            if commit.fate in (Fate.LATE, Fate.HANGS):
                commit.failure = BatchFailed("the commit was not answered in time")
        commit.is_answered = True

    def _is_ours(self, commit: FakeCommit) -> bool:
        """Whether the group has left the partitions with this member: the generation is current."""
        owners = (self._broker.owners.get(each.partition) for each in commit.offsets)
        return all(owner is self._input for owner in owners)

    def holds_up(self, partition: int) -> bool:
        """Whether a transaction is open in which this partition's offset is undecided (KIP-447)."""
        commit = self.commit_in_flight
        if not self._is_exactly_once or commit is None or commit.is_settled:
            return False
        return any(each.partition == partition for each in commit.offsets)

    def _apply(self, commit: FakeCommit) -> None:
        commit.is_settled = True
        if self._is_exactly_once:
            self._broker.records += commit.records
        self._broker.commit_offsets(commit.offsets)

    @property
    def is_committing(self) -> bool:
        commit = self.commit_in_flight
        return commit is not None and not commit.is_answered and not self._is_overdue(commit)

    def _is_overdue(self, commit: FakeCommit) -> bool:
        return self._time.now - commit.began >= HANGS_FOR

    @property
    def needs_polling(self) -> bool:
        return not self._is_exactly_once and self.is_committing

    def advance_commit(self) -> None:
        if self.needs_polling:
            self.answer()

    def wait(self, timeout: float) -> bool:
        commit = self.commit_in_flight
        if commit and self.is_committing:
            if commit.fate in (Fate.LATE, Fate.HANGS):
                self._time.sleep(timeout)
            else:
                self._time.sleep(min(timeout, ANSWERS_AFTER))
                self.answer()
        return not self.is_committing

    def finish(self, timeout: float = 0.0, *, is_in_rebalance: bool = False) -> None:  # noqa: ARG002
        if timeout:
            self.wait(timeout)
        commit = self.commit_in_flight
        if commit is None:
            return
        if not commit.is_answered:
            raise BatchFailed("the commit was not answered in time")
        if commit.failure:
            raise commit.failure
        self.commit_in_flight = None

    def recover(self) -> None:
        """The broker ends what is open: a commit that it has begun is done, all else is not."""
        self._is_ready = False
        if not self.can_start:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        self.end()
        self._is_ready = True

    def end(self) -> None:
        """What a broker does with an open transaction whose producer has a successor."""
        commit, self.commit_in_flight = self.commit_in_flight, None
        self.records = None
        if commit is None or commit.is_settled or commit.fate is not Fate.LATE:
            return
        if any(self._broker.rejects(record) for record in commit.records):
            return
        # In a transaction the broker has checked the generation when it took the offsets.
        if (self._is_exactly_once or self._is_ours(commit)) and not commit.has_changed():
            self._apply(commit)

    def probe_fence(self) -> bool:
        return False

    def close(self) -> None:
        self.records = None
        self.is_closed = True


def _rejection(records: Sequence[OutputRecord]) -> BatchFailed:
    error = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    failed = [FailedRecord(error, topic) for topic, _, _ in records]
    return BatchFailed("rejected", error, failed)


def unused(*_: Any) -> None:
    """A callback that does nothing."""
