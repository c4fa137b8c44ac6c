"""The batch in hand, what is buffered for the next one, and the counts that are committed with it.

There is one batch at a time: open, or its commit is in flight. The state says which.
"""

import time
from collections.abc import Collection, Mapping
from typing import Final

from confluent_kafka import TopicPartition

from kafka_processor.config import Settings
from kafka_processor.delivery.batch import Batch, room
from kafka_processor.loop_state import Event, LoopState, State
from kafka_processor.monitoring.observers import Observers
from kafka_processor.pipeline import Work, merge
from kafka_processor.ports import Output
from kafka_processor.summary_printer import SummaryPrinter

MAX_BUFFERED: Final = 10_000
"""Messages processed while a commit is in flight; then the loop waits for it."""


class CurrentBatch:
    """All that produces raises BatchFailed."""

    def __init__(
        self,
        settings: Settings,
        producer: Output,
        summary: SummaryPrinter,
        observers: Observers,
        state: LoopState,
    ) -> None:
        self._settings = settings
        self._producer = producer
        self._summary = summary
        self._observers = observers
        self._state = state
        self._batch: Batch | None = None
        self._buffered: dict[int, Work] = {}
        """Processed, not yet produced."""
        self._new_positions: set[int] = set()
        """Partitions whose position is not the committed one; the next batch commits it."""

    @property
    def messages(self) -> int:
        """Of the batch in hand."""
        return self._batch.messages if self._batch else 0

    @property
    def works(self) -> Mapping[int, Work]:
        """What of the batch in hand was produced, or was to be, by partition."""
        return self._batch.works if self._batch else {}

    @property
    def is_old(self) -> bool:
        return self._batch is not None and self._batch.is_old

    @property
    def has_buffered(self) -> bool:
        return bool(self._buffered)

    @property
    def has_reason_to_open(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._buffered or self._new_positions or self._summary.is_due(time.monotonic()))

    def capacity(self, limit: int) -> int:
        """How many more messages may be processed now; `limit`: that a batch may have."""
        if self._batch and self._state.is_in(State.BATCH_OPEN):
            return room(limit, self._batch.messages, self._batch.size)
        buffered = self._buffered.values()
        messages = sum(work.messages for work in buffered)
        return room(min(limit, MAX_BUFFERED), messages, sum(work.size for work in buffered))

    def commit_position_of(self, partitions: Collection[int]) -> None:
        """Commits where these partitions are with the next batch, even without new messages."""
        self._new_positions.update(partitions)

    def add(self, works: Mapping[int, Work]) -> None:
        """Produces works, by partition, in the open batch; buffers them if there is none."""
        if self._batch and self._state.is_in(State.BATCH_OPEN):
            self._produce(self._batch, works)
        else:
            merge(self._buffered, works)

    def open(self) -> None:
        """Opens a batch, and produces what is buffered."""
        batch = self._open()
        buffered, self._buffered = self._buffered, {}
        self._produce(batch, buffered)

    def _open(self) -> Batch:
        self._batch = batch = Batch(self._producer, self._settings.metrics_topic)
        self._state.handle(Event.OPENED)
        return batch

    def _produce(self, batch: Batch, works: Mapping[int, Work]) -> None:
        began = time.monotonic()
        for partition, work in works.items():
            self._summary.add(partition, work, began)
        batch.publish(works)
        self._observers.published(batch, time.monotonic() - began)

    def begin_commit(self, owned: Collection[int]) -> None:
        """Begins to commit the open batch; with it the changed counts of `owned`, if due."""
        is_due = self._summary.is_due(time.monotonic())
        self._begin_commit(counts_of=owned if is_due else ())

    def commit_counts(self, partitions: Collection[int]) -> bool:
        """Begins to commit the changed counts of partitions; returns False if none has changed."""
        if not self._summary.unpublished(partitions):
            return False
        self._open()
        self._begin_commit(counts_of=partitions)
        return True

    def _begin_commit(self, counts_of: Collection[int]) -> None:
        partitions = set(self._new_positions)
        if self._batch:
            self._batch.close()
            partitions |= self._batch.works.keys()
        if changed := self._summary.unpublished(counts_of):
            self._producer.produce(self._summary.publish(changed, time.time_ns() // 1_000_000))
            partitions.update(changed)
        self._producer.commit([self._offset_of(partition) for partition in sorted(partitions)])
        self._new_positions.clear()
        self._state.handle(Event.COMMIT_BEGUN)

    def _offset_of(self, partition: int) -> TopicPartition:
        offset, metadata = self._summary.snapshot(partition)
        return TopicPartition(self._settings.input_topic, partition, offset, metadata=metadata)

    def end(self) -> Batch | None:
        """Ends the batch after a successful commit; returns it if it has messages."""
        self._state.handle(Event.COMMITTED)
        batch, self._batch = self._batch, None
        return batch if batch and batch.works else None

    def drop(self) -> None:
        """Drops the batch in hand, what is buffered, and the counts of both."""
        self._batch = None
        self._buffered.clear()
        self._new_positions.clear()
        # Counts already include the dropped batch; committing them later would skip its messages.
        self._summary.forget_all()
        self._state.handle(Event.FAILED)

    def discard_buffered(self) -> None:
        """Leaves what is not produced yet to the next owner."""
        self._buffered.clear()

    def forget(self, partitions: Collection[int]) -> None:
        """Nothing of these partitions may be produced or committed from here on."""
        for partition in partitions:
            self._buffered.pop(partition, None)
        self._new_positions.difference_update(partitions)
        self._summary.forget(partitions)
