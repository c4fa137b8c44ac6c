"""Reads ranges of offsets, committed records only, each record once."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from kafka_processor.audit.plan import Span
from kafka_processor.audit.unreadable import STANDSTILL, Unreadable, find_unreadable
from kafka_processor.clients.kafka_errors import describe, is_unreadable
from kafka_processor.clients.reader_connection import (
    REQUEST_TIMEOUT,
    ReaderConnection,
    is_of_unused_group,
)
from kafka_processor.config import Settings
from kafka_processor.errors import CannotReadError

CHUNK: Final = 5_000
"""Records requested from the client at once."""
PAUSE: Final = 0.2
"""Seconds to wait for a record before signals and timeouts are checked."""
_GONE: Final = frozenset((KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE))


Take = Callable[[int, list[Message]], None]
"""Takes a partition and its next records."""
Skip = Callable[[int], int]
"""Called if retention has overtaken the reader in a partition; returns where it resumes."""
TakeUnreadable = Callable[[int, Unreadable], None]
"""Takes a partition and its next offsets, which cannot be read."""


class SpanReader:
    """One client for all topics, one after the other."""

    def __init__(self, settings: Settings, timeout: float, progress: Callable[[int], None]) -> None:
        """`timeout`: seconds without progress after which reading fails. `progress` is called with
        the number of offsets read, and may raise. Raises KafkaException."""
        self._connection = ReaderConnection(
            settings,
            enable_partition_eof=True,
            queued_max_messages_kbytes=16 * 1024,
            fetch_max_bytes=4 * 1024 * 1024,
            # The end of each topic is reported with an empty fetch.
            fetch_wait_max_ms=20,
        )
        self._client = self._connection.client
        self._timeout = timeout
        self._progress = progress
        self._settings = settings
        self._last_error = "no error was reported"

    def close(self) -> None:
        self._connection.close()

    def read(
        self,
        topic: str,
        spans: Mapping[int, Span],
        take: Take,
        skip: Skip,
        take_unreadable: TakeUnreadable,
        chunk: int = CHUNK,
    ) -> None:
        """Returns once all spans are read. Raises CannotReadError if that cannot be completed."""
        at = {partition: span.start for partition, span in spans.items() if span.start < span.end}
        self._assign(topic, at)
        blocked: dict[int, int] = {}
        moved, next_look, looks = time.monotonic(), STANDSTILL, 0
        while at:
            found = self._client.consume(chunk, 0) or self._client.consume(1, PAUSE)
            before = dict(at)
            unreadable: set[int] = set()
            runs = self._sorted(topic, found, at, blocked, unreadable, skip)
            for partition, messages in runs.items():
                if partition not in at:
                    continue
                end = spans[partition].end
                at[partition] = (messages[-1].offset() or 0) + 1
                if at[partition] > end:
                    take(partition, [each for each in messages if (each.offset() or 0) < end])
                else:
                    take(partition, messages)
                if partition in blocked and blocked[partition] < at[partition]:
                    del blocked[partition]
            if not runs and time.monotonic() - moved > next_look:
                waiting = sorted(at.keys() - blocked.keys())
                unreadable.update(waiting[looks % len(waiting) :][:1] if waiting else ())
                next_look, looks = next_look + STANDSTILL, looks + 1
            for partition in unreadable:
                found_there = self._pass(topic, partition, at[partition], spans[partition].end)
                if found_there:
                    take_unreadable(partition, found_there)
                    at[partition] = found_there.end
            for partition, offset in blocked.items():
                at[partition] = max(at.get(partition, 0), offset)
            if at != before:
                moved, next_look = time.monotonic(), STANDSTILL
            self._progress(sum(min(at[p], spans[p].end) - before[p] for p in before))
            done = [partition for partition, offset in at.items() if offset >= spans[partition].end]
            self._finish(topic, done, at, blocked)
            if time.monotonic() - moved > self._timeout:
                raise CannotReadError(self._why_nothing_moves(topic, blocked))

    def _pass(self, topic: str, partition: int, start: int, end: int) -> Unreadable | None:
        """Continues after records that cannot be read from `start` on; returns them."""
        self._client.incremental_unassign([TopicPartition(topic, partition)])
        found = None
        if start < end:
            found = find_unreadable(self._settings, topic, partition, start, end)
        self._assign(topic, {partition: found.end if found else start})
        return found

    def _assign(self, topic: str, at: Mapping[int, int]) -> None:
        if at:
            # Otherwise the client takes a second to find the leaders of the partitions.
            with suppress(KafkaException):
                self._client.list_topics(topic, REQUEST_TIMEOUT)
            self._client.incremental_assign([TopicPartition(topic, p, o) for p, o in at.items()])

    def _finish(
        self, topic: str, partitions: list[int], at: dict[int, int], blocked: dict[int, int]
    ) -> None:
        if partitions:
            self._client.incremental_unassign([TopicPartition(topic, p) for p in partitions])
        for partition in partitions:
            del at[partition]
            blocked.pop(partition, None)

    def _sorted(
        self,
        topic: str,
        found: list[Message],
        at: dict[int, int],
        blocked: dict[int, int],
        unreadable: set[int],
        skip: Skip,
    ) -> dict[int, list[Message]]:
        """Returns the records by partition, and handles events.

        `blocked` gets partitions that have no further committed record yet, with the offset;
        `unreadable` gets partitions whose next record cannot be read.
        """
        runs: dict[int, list[Message]] = {}
        for message in found:
            error = message.error()
            partition = message.partition()
            if partition in unreadable and message.topic() == topic:
                continue  # the client continues at an arbitrary offset
            if error is None:
                run = runs.get(partition)  # type: ignore[arg-type]
                if run is None:
                    run = runs[partition] = []  # type: ignore[index]
                run.append(message)
            elif message.topic() != topic or partition not in at:
                self._on_error(error, topic)
            elif error.code() == KafkaError._PARTITION_EOF:
                blocked[partition] = message.offset() or 0
            elif is_unreadable(error):
                unreadable.add(partition)
            elif error.code() in _GONE:
                self._client.incremental_unassign([TopicPartition(topic, partition)])
                at[partition] = skip(partition)
                self._assign(topic, {partition: at[partition]})
            else:
                self._on_error(error, topic)
        return runs

    def _on_error(self, error: KafkaError, topic: str) -> None:
        """Raises CannotReadError if waiting does not help."""
        if is_of_unused_group(error) or error.code() == KafkaError._PARTITION_EOF:
            return
        self._connection.check_permission(error, topic)
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION):
            raise CannotReadError(f"topic {topic} was deleted while it was being read")
        self._last_error = describe(error)

    def _why_nothing_moves(self, topic: str, blocked: Mapping[int, int]) -> str:
        for partition, offset in blocked.items():
            return (
                f"{topic}-{partition} cannot be read beyond offset {offset:,}: a transaction has "
                f"been open there for {self._timeout:.0f} s; try again when it has ended, "
                "or with a longer --timeout"
            )
        return (
            f"no records of {topic} for {self._timeout:.0f} s ({self._last_error}); "
            f"is {self._connection.brokers} reachable?"
        )
