"""The reading half of a turn: polls messages, and processes a slice of those that were polled."""

import time
from collections.abc import Collection, Mapping
from typing import Final

from kafka_processor.membership.polled import MAX_SLICE, PolledMessages
from kafka_processor.monitoring.observers import Observers
from kafka_processor.pipeline import Pipeline, Work
from kafka_processor.ports import Input
from kafka_processor.unreadable.batch_search import stand_ins

POLL_INTERVAL: Final = 1.0
"""Seconds between two polls while polled messages wait: how soon a rebalance is noticed."""
ANSWER_WAIT: Final = 0.005
"""Seconds between two polls that only wait for the answer to a commit."""


class Reader:
    def __init__(self, input_: Input, pipeline: Pipeline, observers: Observers) -> None:
        self._input = input_
        self._pipeline = pipeline
        self._observers = observers
        self._polled = PolledMessages()
        self._next_poll = 0.0
        """When to poll even though polled messages wait."""
        self.is_closed = False
        """Whether messages are discarded, for the stop."""

    @property
    def has_polled(self) -> bool:
        """Whether messages are polled and not processed yet."""
        return bool(self._polled)

    def poll(self, capacity: int, timeout: float, *, awaits_answer: bool) -> None:
        """Polls if there is reason to.

        It asks for at most `capacity` messages, and waits up to `timeout` seconds for one. While
        polled messages wait it polls rarely, and for a single one, since membership rests on it.
        `awaits_answer`: a commit ends only while the consumer is polled.
        """
        now = time.monotonic()
        limit = 0 if self._polled else min(capacity, MAX_SLICE)
        if not limit and awaits_answer:
            if not capacity:  # nothing else to do: each poll may return a message too many
                time.sleep(ANSWER_WAIT)
            limit = 1
        elif self._polled and now > self._next_poll:
            limit = 1
        if not limit:
            return
        self._next_poll = now + POLL_INTERVAL
        self._observers.polling()
        polled = self._input.poll_messages(limit, 0 if self._polled else timeout)
        if not self.is_closed:
            self._polled.add(polled)

    def process(self, capacity: int, causes: Mapping[tuple[int, int], str]) -> dict[int, Work]:
        """Processes the next slice, of at most `capacity` messages; returns the work by partition.

        `causes`: why the broker rejects messages, by partition and offset.
        """
        began = time.monotonic()
        slices = self._polled.take(capacity)
        works = {}
        for partition, (messages, size) in slices.items():
            started = time.perf_counter()
            now = time.time_ns() // 1_000_000
            # A run is of stand-ins for what cannot be read, or of messages; never of both.
            if unreadable := stand_ins(messages):
                work = self._pipeline.unreadable(partition, unreadable, now, causes)
            else:
                work = self._pipeline.work(partition, messages, now, causes)
            work.seconds = time.perf_counter() - started
            work.size = size
            works[partition] = work
        polled = {partition: piece.messages for partition, piece in slices.items()}
        self._observers.processed(polled, works)
        if works:
            self._polled.after_slice(time.monotonic() - began)
        return works

    def clear(self) -> None:
        self._polled.clear()

    def close(self) -> None:
        """Discards what is polled, now and from now on."""
        self.is_closed = True
        self.clear()

    def forget(self, partitions: Collection[int]) -> None:
        self._polled.forget(partitions)
