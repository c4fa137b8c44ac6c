"""The loop in numbers: updated batch by batch, read by each scrape.

Times that are compared with record timestamps are wall-clock milliseconds.
"""

import time
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from kafka_processor.delivery.batch import Batch
from kafka_processor.membership.start_offsets import StartOffset
from kafka_processor.monitoring.observer import Observer
from kafka_processor.ops.client_statistics import ClientStatistics, read_statistics
from kafka_processor.ops.histogram import Histogram
from kafka_processor.outcomes import Outcome
from kafka_processor.pipeline import Message, Work
from kafka_processor.producer import BatchFailed

SAMPLE: Final = 10
"""The timestamp of one message stands for this many in a row."""
MAX_SAMPLES: Final = 10_000
"""Of a partition: ten times the polls of one batch, so that a defect cannot exhaust memory."""
MAX_CAUSES: Final = 64
"""Error names that are counted apart; a broker may answer with any code."""
STALLED_AFTER: Final = 60.0
"""Seconds without progress after which a partition with waiting messages is stalled."""
_NO_TIMESTAMP: Final = 0

BATCH_SIZES: Final = (1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 40_000)
PROCESSING_TIMES: Final = (2e-6, 3e-6, 4e-6, 5e-6, 7.5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3)
"""Seconds spent on one message."""
LATENCIES: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
COMMIT_TIMES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class _Sample(NamedTuple):
    """Timestamps of some consecutive messages of a partition."""

    next_offset: int
    stands_for: float
    """Messages for each timestamp."""
    created: list[int]


@dataclass(kw_only=True)
class _Partition:
    """An assigned partition."""

    position: int
    """The committed offset, or the start offset while nothing is committed."""
    polled: int
    """One past the last message that the loop has polled."""
    moved: float
    """When it last made progress or had nothing waiting, by the monotonic clock."""
    newest: int | None = None
    """Timestamp of the last committed message."""
    caught_up: int | None = None
    """When there was last nothing left to read."""
    samples: deque[_Sample] = field(default_factory=lambda: deque(maxlen=MAX_SAMPLES))
    """Of messages that are not committed yet."""


class Figures(Observer):
    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.by_partition: Counter[int] = Counter()
        """Messages committed."""
        self.replayed = 0
        self.gone_unread = 0
        self.batch_sizes = Histogram(BATCH_SIZES)
        self.processing_times = Histogram(PROCESSING_TIMES)
        self.latencies = Histogram(LATENCIES)
        self.commit_times = Histogram(COMMIT_TIMES)
        self.aborts: Counter[str] = Counter()
        """Failed batches by the name of the error."""
        self.moves: Counter[str] = Counter()
        """Partitions assigned, revoked and lost."""
        self.last_commit: float | None = None
        """Seconds since 1970."""
        self.clients: dict[str, ClientStatistics] = {}
        """The latest statistics of the consumer and the producer."""
        self._partitions: dict[int, _Partition] = {}
        self._placed: dict[int, tuple[int | None, int]] = {}
        """Committed offset and start offset when a partition was last placed."""

    def started(self, start: StartOffset) -> None:
        place = start.committed, start.offset
        if self._placed.get(start.partition) != place:  # else only a batch has failed
            self.gone_unread += start.gap
            self._placed[start.partition] = place
        self.by_partition[start.partition] += 0
        if known := self._partitions.get(start.partition):
            known.position = known.polled = start.offset
        else:
            self.moves["assigned"] += 1
            self._partitions[start.partition] = _Partition(
                position=start.offset, polled=start.offset, moved=time.monotonic()
            )

    def revoked(self, partitions: Collection[int]) -> None:
        self._forget("revoked", partitions)

    def lost(self, partitions: Collection[int]) -> None:
        self._forget("lost", partitions)

    def _forget(self, how: str, partitions: Collection[int]) -> None:
        for partition in partitions:
            if self._partitions.pop(partition, None):
                self.moves[how] += 1

    def processed(self, polled: Mapping[int, Sequence[Message]], works: Mapping[int, Work]) -> None:
        for number, messages in polled.items():
            work = works[number]
            self.processing_times.add(work.seconds / len(messages), len(messages))
            times = [message.timestamp() for message in messages[::SAMPLE]]
            created = [milliseconds for kind, milliseconds in times if kind != _NO_TIMESTAMP]
            partition = self._partitions.get(number)
            if partition:
                partition.polled = work.next_offset
            if created and partition:
                stands_for = len(messages) / len(times)
                partition.samples.append(
                    _Sample(next_offset=work.next_offset, stands_for=stands_for, created=created)
                )

    def committed(self, batch: Batch, seconds: float) -> None:
        now = time.time_ns() // 1_000_000
        self.last_commit = now / 1000
        self.batch_sizes.add(batch.messages)
        self.commit_times.add(seconds)
        for number, work in batch.works.items():
            self.outcomes.update(work.outcomes)
            self.by_partition[number] += work.messages
            self.replayed += work.replayed
            if partition := self._partitions.get(number):
                self._move_on(partition, work.next_offset, now)

    def _move_on(self, partition: _Partition, position: int, now: int) -> None:
        partition.position, partition.moved = position, time.monotonic()
        while partition.samples and partition.samples[0].next_offset <= position:
            sample = partition.samples.popleft()
            for created in sample.created:
                self.latencies.add(max(now - created, 0) / 1000, sample.stands_for)
            partition.newest = sample.created[-1]

    def gave_up(self, failure: BatchFailed, messages: int) -> None:  # noqa: ARG002
        cause = failure.error.name() if failure.error else "other"
        is_listed = cause in self.aborts or len(self.aborts) < MAX_CAUSES
        self.aborts[cause if is_listed else "other"] += 1
        for partition in self._partitions.values():
            partition.samples.clear()

    def take_statistics(self, text: str) -> None:
        """Takes what a client reports once a second (librdkafka's STATISTICS.md)."""
        statistics = read_statistics(text)
        self.clients[statistics.type] = statistics
        now = time.time_ns() // 1_000_000
        for number, lag in self.lags().items():
            partition = self._partitions.get(number)
            if partition and not lag:
                partition.caught_up, partition.moved = now, time.monotonic()

    @property
    def assigned(self) -> int:
        return len(self._partitions)

    def positions(self) -> dict[int, int]:
        return {number: each.position for number, each in list(self._partitions.items())}

    def lags(self) -> dict[int, int]:
        """Returns the messages that are not committed yet, by partition, where known.

        Messages of open transactions count, so that a hanging one shows. Transaction markers and
        aborted records behind the last message do not.
        """
        consumer = self.clients.get("consumer")
        known = consumer.partitions() if consumer else {}
        lags = {
            number: known[number].lag(each.position, is_all_committed=each.polled <= each.position)
            for number, each in list(self._partitions.items())
            if number in known
        }
        return {number: lag for number, lag in lags.items() if lag is not None}

    def stalled(self, now: float) -> list[int]:
        """Returns partitions with waiting messages and no progress for STALLED_AFTER seconds.

        Leaves out those whose end the broker has not reported. `now` by the monotonic clock.
        """
        waiting = {number for number, lag in self.lags().items() if lag}
        partitions = list(self._partitions.items())
        return sorted(
            number
            for number, each in partitions
            if number in waiting and now - each.moved >= STALLED_AFTER
        )

    def ages(self, now: int) -> dict[int, float]:
        """Returns an upper bound on the age in seconds of the oldest message not committed yet.

        0 where there is none. That message arrived after the last committed one, and after the
        time when there was last nothing to read; more is not known.
        """
        ages = {}
        for number, lag in self.lags().items():
            partition = self._partitions.get(number)
            known = [t for t in (partition.newest, partition.caught_up) if t] if partition else []
            if not lag:
                ages[number] = 0.0
            elif known:
                ages[number] = max(now - max(known), 0) / 1000
        return ages
