"""A batch: what is produced together, and committed with one set of offsets."""

import time
from collections.abc import Mapping
from typing import Final

from kafka_processor.metrics import MAX_BYTES, MAX_LINES, MessageMetrics
from kafka_processor.pipeline import Work, merge
from kafka_processor.ports import Output
from kafka_processor.record_limits import MAX_OVERHEAD

MAX_AGE: Final = 0.2
"""Seconds after which a batch is committed, however much there is still to read."""
MAX_BATCH_BYTES: Final = 32 * 1024 * 1024
"""Bytes of message values with which a batch is full; what it produces is hardly more."""


def room(limit: int, messages: int, size: int) -> int:
    """How many messages fit beside `messages` of `size` bytes; `limit`: that a batch may have."""
    return max(limit - messages, 0) if size < MAX_BATCH_BYTES else 0


class Batch:
    """Produces records as they come, and metrics lines a thousand at a time."""

    def __init__(self, producer: Output, metrics_topic: str | None) -> None:
        """Opens the batch. Raises BatchFailed, as all that produces does."""
        self.works: dict[int, Work] = {}
        """By partition: what was produced, without its records and lines."""
        self.messages = 0
        self.size = 0
        """Bytes of the messages' values."""
        self._producer = producer
        self._metrics_topic = metrics_topic
        self._lines: list[str] = []
        self._seconds = 0.0
        self._began = time.monotonic()
        self.closed: float | None = None
        """When its commit began, by `time.monotonic()`; None: it has not begun."""
        producer.begin()

    @property
    def is_old(self) -> bool:
        return time.monotonic() - self._began >= MAX_AGE

    def publish(self, works: Mapping[int, Work]) -> None:
        """Produces the records and lines of works, by partition, and takes the works over."""
        self.messages += sum(work.messages for work in works.values())
        try:
            for work in works.values():
                self._producer.produce(work.records)
                self._lines += work.lines
                self._seconds += work.seconds
                self.size += work.size
                # Free now, so that the allocator reuses cache-warm memory.
                work.records, work.lines = [], []
        finally:  # after a failure too: `refused.py` looks for the message that is to blame
            merge(self.works, works)
        self._publish_lines(len(self._lines) // MAX_LINES * MAX_LINES)

    @property
    def seconds_since_closed(self) -> float:
        return 0.0 if self.closed is None else time.monotonic() - self.closed

    def close(self) -> None:
        """Produces the remaining metrics lines, before the commit begins."""
        self.closed = time.monotonic()
        self._publish_lines(len(self._lines))

    def _publish_lines(self, count: int) -> None:
        if not count:
            return
        share = self._seconds / len(self._lines)
        lines, self._lines = self._lines[:count], self._lines[count:]
        self._seconds -= share * count
        topic = self._metrics_topic
        if topic:
            max_bytes = min(MAX_BYTES, self._producer.limits.of(topic) - MAX_OVERHEAD)
            now = time.time_ns() // 1_000_000
            values = MessageMetrics.records(lines, share, now, max_bytes)
            self._producer.produce((topic, None, value) for value in values)
