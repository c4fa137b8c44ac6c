"""Puts the traces of batches together from what the loop tells."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from kafka_processor.delivery.batch import Batch
from kafka_processor.monitoring.observer import Observer
from kafka_processor.pipeline import Message, Work
from kafka_processor.producer import BatchFailed
from kafka_processor.telemetry.batch_trace import BatchTrace


class Write(Protocol):
    """Takes a batch's trace at its end; `outcomes`: messages by what happened to them."""

    def __call__(
        self, trace: BatchTrace, outcomes: Mapping[str, int], failure: BatchFailed | None
    ) -> None: ...


class BatchTracer(Observer):
    def __init__(self, write: Write) -> None:
        self._write = write
        self._poll_began = 0.0
        self._gathered = BatchTrace()
        """Of what is worked on and not published."""
        self._published = BatchTrace()
        """Of the batch that is open, or under way to be committed."""
        self._batch: Batch | None = None

    def polling(self) -> None:
        self._poll_began = time.monotonic()

    def processed(self, polled: Mapping[int, Sequence[Message]], works: Mapping[int, Work]) -> None:
        if works:
            self._gathered.add_work(polled, works, self._poll_began)
            self._poll_began = time.monotonic()  # where the next slice is of the same poll

    def published(self, batch: Batch, seconds: float) -> None:
        if batch is not self._batch:
            self._batch = batch
            self._published = BatchTrace()
        if self._gathered.work.pieces:
            self._take_gathered()
            now = time.monotonic()
            self._published.publish.add(now - seconds, now)

    def _take_gathered(self) -> None:
        self._published.extend(self._gathered)
        self._gathered = BatchTrace()

    def committed(self, batch: Batch, seconds: float) -> None:
        now = time.monotonic()
        self._published.commit.add(now - seconds, now)
        outcomes: dict[str, int] = {}
        for work in batch.works.values():
            for outcome, count in work.outcomes.items():
                outcomes[outcome] = outcomes.get(outcome, 0) + count
        self._write(self._published, outcomes, None)
        self._forget_batch()

    def gave_up(self, failure: BatchFailed, messages: int) -> None:  # noqa: ARG002
        now = time.monotonic()
        began = self._batch.closed if self._batch else None
        if began is not None:
            self._published.commit.add(began, now)
        else:
            # Not even published: what was gathered was to be part of it.
            self._take_gathered()
            trace = self._published
            trace.publish.add(max(trace.work.ended, trace.publish.ended), now)
        if self._published.messages:
            self._write(self._published, {}, failure)
        self._forget_batch()
        self._gathered = BatchTrace()

    def _forget_batch(self) -> None:
        self._batch = None
        self._published = BatchTrace()

    def revoked(self, partitions: Collection[int]) -> None:
        self._gathered.forget(partitions)

    def lost(self, partitions: Collection[int]) -> None:
        self._gathered.forget(partitions)
