"""Reads topics to the ends that they have at the start: committed records, without a group."""

import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import closing, suppress
from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from kafka_processor.clients.kafka_errors import is_unreadable
from kafka_processor.clients.reader_connection import (
    REQUEST_TIMEOUT,
    SILENT,
    ReaderConnection,
    is_of_unused_group,
)
from kafka_processor.config import Settings
from kafka_processor.errors import CannotReadError, StoppedError
from kafka_processor.membership.committed import committed_offsets
from kafka_processor.terminal.progress import Progress
from kafka_processor.unreadable.scan import find_batch

LIST_TIMEOUT: Final = 10.0
"""Seconds for the offsets of all partitions."""
BURST: Final = 1000
"""Messages returned at a time."""
IDLE_WAIT: Final = 0.1
QUIET: Final = 3.0
"""Seconds without a message after which the cause is looked for."""
STOPPED: Final = "stopped by a signal; the same command continues from here"


class Span(NamedTuple):
    """The offsets of one partition from `start` up to, not including, `end`."""

    topic: str
    partition: int
    start: int
    end: int


Place = tuple[str, int]
"""Topic and partition."""


class TopicScanner:
    """Every method raises CannotReadError, and StoppedError once `stopping` is set."""

    def __init__(self, settings: Settings, progress: Progress, stopping: threading.Event) -> None:
        """Raises KafkaException for properties that the client refuses."""
        self._settings = settings
        self._progress = progress
        self._stopping = stopping
        self._connection = ReaderConnection(
            settings,
            self._check_stop,
            enable_partition_eof=True,
            # What retention deletes meanwhile is only missing.
            auto_offset_reset="earliest",
            queued_max_messages_kbytes=16 * 1024,
            # The end of a partition is reported with an empty fetch.
            fetch_wait_max_ms=20,
        )
        self._consumer = self._connection.client
        self._admin = self._connection.admin()

    def close(self) -> None:
        self._connection.close()

    def existing_topics(self) -> Collection[str]:
        return self._connection.ask(
            "the topics", lambda: self._consumer.list_topics(timeout=REQUEST_TIMEOUT).topics
        )

    def spans(self, topics: Collection[str]) -> list[Span]:
        """Returns all offsets of the existing topics, uncommitted ones included: reading to the end
        waits until their transactions have ended."""

        def request() -> list[Span]:
            existing = self._admin.list_topics(timeout=REQUEST_TIMEOUT).topics
            partitions = [
                TopicPartition(topic, partition)
                for topic in topics
                for partition in (existing[topic].partitions if topic in existing else ())
            ]
            starts = self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
            ends = self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
            return [
                Span(each.topic, each.partition, start, end)
                for each, start, end in zip(partitions, starts, ends, strict=True)
            ]

        return self._connection.ask(f"the offsets of {', '.join(topics)}", request)

    def committed(self, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        """Returns the offsets that the group has committed, by partition."""
        group = self._settings.consumer_group
        with closing(
            ReaderConnection(self._settings, self._check_stop, group_id=group)
        ) as connection:

            def request() -> dict[int, int]:
                found = committed_offsets(connection.client, topic, partitions, REQUEST_TIMEOUT)
                if error := next((each.error for each in found if each.error), None):
                    raise KafkaException(error)
                return {each.partition: each.offset for each in found if each.offset >= 0}

            return connection.ask(f"the offsets of group {group}", request)

    def _check_stop(self) -> None:
        if self._stopping.is_set():
            raise StoppedError(STOPPED)

    def _offsets(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> list[int]:
        if not partitions:
            return []
        answers = self._admin.list_offsets(
            dict.fromkeys(partitions, spec), request_timeout=LIST_TIMEOUT
        )
        return [answers[partition].result().offset for partition in partitions]

    def read(
        self,
        spans: Iterable[Span],
        describe: Callable[[int, int], str],
        unreadable: Callable[[int, range], None] = lambda _partition, _offsets: None,
    ) -> Generator[list[Message], None, None]:
        """Yields the messages of the spans, in order within a partition; sometimes an empty list.

        `describe` returns the line of progress for the numbers of offsets read and of all offsets.
        `unreadable` is called with offsets of a partition that cannot be read and are skipped.
        """
        reading = _Reading(spans)
        last, has_noted = time.monotonic(), False
        self._consumer.incremental_assign([TopicPartition(*each) for each in reading.starts()])
        with suppress(KafkaException):  # otherwise the client takes a second to find the leaders
            self._consumer.list_topics(timeout=REQUEST_TIMEOUT)
        try:
            while reading.open:
                self._check_stop()
                polled = self._consumer.consume(BURST, 0) or self._consumer.consume(1, IDLE_WAIT)
                broken: set[Place] = set()
                yield [message for message in polled if self._take(message, reading, broken)]
                for place in broken & reading.open.keys():
                    self._pass_over(place, reading, unreadable)
                if self._progress.is_due:
                    self._progress.show(describe(reading.done, reading.total))
                if polled:
                    last = time.monotonic()  # after the yield, which may have taken long
                elif time.monotonic() - last > QUIET:
                    last = time.monotonic()
                    topic, partition = min(reading.open)
                    self._require_topic(topic)
                    # The client does not report all records that it cannot read.
                    is_passed = self._pass_over((topic, partition), reading, unreadable)
                    if not is_passed and not has_noted:
                        self._progress.note(
                            f"waiting for {topic}-{partition}: another producer has an open "
                            "transaction there, or the broker is away"
                        )
                        has_noted = True
        finally:
            self._consumer.incremental_unassign([TopicPartition(*each) for each in reading.open])

    def _pass_over(
        self, place: Place, reading: "_Reading", unreadable: Callable[[int, range], None]
    ) -> bool:
        """Continues after records that cannot be read; returns whether there are any."""
        topic, partition = place
        self._consumer.incremental_unassign([TopicPartition(topic, partition)])
        start, stopping = reading.position(place), self._stopping.is_set
        batch = find_batch(self._settings, topic, partition, start, SILENT, stopping)
        is_end = False
        if batch:
            offsets = range(batch.first, min(batch.end, reading.open[place]))
            unreadable(partition, offsets)
            self._progress.note(
                f"{topic}-{partition}: offsets {batch.first:,} to {batch.end - 1:,} cannot be "
                f"read and are skipped: {batch.reason}"
            )
            is_end = reading.reach(place, batch.end)
        if not is_end:
            position = reading.position(place)
            self._consumer.incremental_assign([TopicPartition(topic, partition, position)])
        return batch is not None

    def _take(self, message: Message, reading: "_Reading", broken: set[Place]) -> bool:
        """Updates the position; returns whether this is a message to yield. `broken` gets the
        partition if it cannot be read here."""
        where = message.topic() or "", message.partition() or 0
        offset = message.offset() or 0
        if where in broken:
            return False  # the client continues at an arbitrary offset
        if error := message.error():
            if not is_of_unused_group(error):
                self._connection.check_permission(error, where[0])
            if is_unreadable(error):
                broken.add(where)
                return False
            is_wanted = False
            is_end = error.code() == KafkaError._PARTITION_EOF and reading.reach(where, offset)
        else:
            is_wanted = reading.is_ahead(where, offset)
            is_end = reading.reach(where, offset + 1)
        if is_end:
            self._consumer.incremental_unassign([TopicPartition(*where)])
        return is_wanted

    def _require_topic(self, topic: str) -> None:
        """Raises CannotReadError if the topic is gone, which the client reports late or never."""
        with suppress(KafkaException):
            if topic not in self._admin.list_topics(timeout=REQUEST_TIMEOUT).topics:
                raise CannotReadError(f"topic {topic} was deleted while it was being read")


class _Reading:
    """Positions within some spans."""

    def __init__(self, spans: Iterable[Span]) -> None:
        filled = [span for span in spans if span.start < span.end]
        self.open = {(span.topic, span.partition): span.end for span in filled}
        """Ends of the spans that are not read completely, by topic and partition."""
        self._positions = {(span.topic, span.partition): span.start for span in filled}
        self.total = sum(span.end - span.start for span in filled)

    @property
    def done(self) -> int:
        left = sum(end - self._positions[where] for where, end in self.open.items())
        return self.total - left

    def starts(self) -> list[tuple[str, int, int]]:
        """Returns topic, partition and offset of each, before the first `reach`."""
        return [(*where, start) for where, start in self._positions.items()]

    def position(self, where: tuple[str, int]) -> int:
        """Returns the next offset to read."""
        return self._positions[where]

    def is_ahead(self, where: tuple[str, int], offset: int) -> bool:
        """Whether the offset is in the span and has not been read."""
        return where in self.open and self._positions[where] <= offset < self.open[where]

    def reach(self, where: tuple[str, int], offset: int) -> bool:
        """Records that all before `offset` is read; returns whether that completes the span."""
        end = self.open.get(where)
        if end is None:
            return False
        self._positions[where] = max(offset, self._positions[where])
        if offset < end:
            return False
        del self.open[where]
        return True
