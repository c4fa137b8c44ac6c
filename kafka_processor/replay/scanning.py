"""Reads topics up to where they ended when they were looked at: committed records, no group."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from kafka_processor.clients.client_config import connection_config, reader_config
from kafka_processor.clients.kafka_errors import (
    describe,
    error_of,
    is_no_permission,
    is_refused_login,
    is_unreadable,
)
from kafka_processor.config import Settings
from kafka_processor.errors import ReplayError, StoppedError
from kafka_processor.membership.committed import committed_offsets
from kafka_processor.replay.progress import Progress
from kafka_processor.unreadable.scan import find_batch

CONNECT_TIMEOUT: Final = 5.0
CONNECT_STEP: Final = 1.0
"""Seconds of one wait for an answer: how fast a signal is noticed."""
REQUEST_TIMEOUT: Final = 10.0
BURST: Final = 1000
"""Messages handed on at a time."""
IDLE_WAIT: Final = 0.1
QUIET: Final = 3.0
"""Seconds without a message after which it is said what is waited for."""


class Span(NamedTuple):
    """The offsets of one partition from `start` up to, not including, `end`."""

    topic: str
    partition: int
    start: int
    end: int


Place = tuple[str, int]
"""Topic and partition."""


class TopicScanner:
    def __init__(self, settings: Settings, progress: Progress, stopping: threading.Event) -> None:
        """Raises KafkaException for settings that the client does not take."""
        self._settings = settings
        self._brokers = settings.kafka_bootstrap_servers
        self._progress = progress
        self._stopping = stopping
        self._refused_login: str | None = None
        self._last_error = "nothing came back"
        own: dict[str, Any] = {"error_cb": self._on_error, "logger": silent_log()}
        self._admin = AdminClient(connection_config(settings) | own)
        self._consumer = Consumer(
            reader_config(settings)
            | own
            | {
                "enable.partition.eof": True,
                # What retention takes away while we read is missing then, no more.
                "auto.offset.reset": "earliest",
                "queued.max.messages.kbytes": 16 * 1024,
                # The end of a partition is told by an empty answer.
                "fetch.wait.max.ms": 20,
            }
        )

    def close(self) -> None:
        self._consumer.close()

    def existing_topics(self) -> Collection[str]:
        """Raises ReplayError if no broker answers in time, or one refuses us; StoppedError."""
        deadline = time.monotonic() + CONNECT_TIMEOUT
        while True:
            if self._stopping.is_set():
                raise StoppedError
            try:
                return self._admin.list_topics(timeout=CONNECT_STEP).topics
            except KafkaException as exception:
                self._admin.poll(0)  # calls _on_error
                if self._refused_login:
                    raise ReplayError(
                        f"{self._brokers} refuses us: {self._refused_login}; "
                        "look at KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_* and KAFKA_SSL_*"
                    ) from None
                if time.monotonic() > deadline:
                    error = error_of(exception)
                    if error.code() != KafkaError._TRANSPORT:
                        self._last_error = describe(error)
                    raise ReplayError(
                        f"no broker answers at {self._brokers} ({self._last_error}); is Kafka "
                        "running there? Look at KAFKA_BOOTSTRAP_SERVERS"
                    ) from None

    def spans(self, topics: Iterable[str]) -> list[Span]:
        """All that these existing topics hold now, what is not committed yet included: to read to
        its end waits until that is decided. Raises ReplayError."""
        try:
            existing = self._admin.list_topics(timeout=REQUEST_TIMEOUT).topics
            partitions = [
                TopicPartition(topic, partition)
                for topic in topics
                for partition in (existing[topic].partitions if topic in existing else ())
            ]
            starts = self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
            ends = self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        except KafkaException as exception:
            raise _unreadable(self._brokers, error_of(exception)) from None
        return [
            Span(each.topic, each.partition, start, end)
            for each, start, end in zip(partitions, starts, ends, strict=True)
        ]

    def committed(self, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        """What the group has committed, of the partitions where it has. Raises ReplayError."""
        client = Consumer(
            reader_config(self._settings)
            | {"group.id": self._settings.consumer_group, "logger": silent_log()}
        )
        deadline = time.monotonic() + REQUEST_TIMEOUT
        try:
            while True:
                if self._stopping.is_set():
                    raise StoppedError
                try:
                    found = committed_offsets(client, topic, partitions, CONNECT_STEP)
                    if error := next((each.error for each in found if each.error), None):
                        raise KafkaException(error)
                    return {each.partition: each.offset for each in found if each.offset >= 0}
                except KafkaException as exception:
                    error = error_of(exception)
                    if is_no_permission(error) or time.monotonic() > deadline:
                        raise ReplayError(
                            f"{self._brokers} does not tell what group "
                            f"{self._settings.consumer_group} has committed: {describe(error)}; "
                            "it takes the permission Describe on the group"
                        ) from None
        finally:
            client.close()

    def _offsets(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> list[int]:
        if not partitions:
            return []
        answers = self._admin.list_offsets(
            dict.fromkeys(partitions, spec), request_timeout=REQUEST_TIMEOUT
        )
        return [answers[partition].result().offset for partition in partitions]

    def read(
        self,
        spans: Iterable[Span],
        describe: Callable[[int, int], str],
        unreadable: Callable[[int, range], None] = lambda _partition, _offsets: None,
    ) -> Generator[list[Message], None, None]:
        """The messages of the spans, those of one partition in order; now and then an empty list.

        `describe` makes the line of progress out of how many offsets of how many are read.
        `unreadable` is told, by partition, of offsets that cannot be read and are passed over.
        Raises ReplayError, StoppedError.
        """
        reading = _Reading(spans)
        last, is_noted = time.monotonic(), False
        self._consumer.incremental_assign([TopicPartition(*each) for each in reading.starts()])
        with suppress(KafkaException):  # else the client looks for new topics once a second
            self._consumer.list_topics(timeout=REQUEST_TIMEOUT)
        try:
            while reading.open:
                if self._stopping.is_set():
                    raise StoppedError
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
                    self._demand(topic)
                    # Of some records that it cannot read the client says nothing.
                    if not self._pass_over((topic, partition), reading, unreadable) and not (
                        is_noted
                    ):
                        self._progress.note(
                            f"waiting for {topic}, partition {partition}: a transaction of "
                            "somebody else is open there, or the broker is away"
                        )
                        is_noted = True
        finally:
            self._consumer.incremental_unassign([TopicPartition(*each) for each in reading.open])

    def _pass_over(
        self, place: Place, reading: "_Reading", unreadable: Callable[[int, range], None]
    ) -> bool:
        """Reads on behind what cannot be read next; whether there is such a thing."""
        topic, partition = place
        self._consumer.incremental_unassign([TopicPartition(topic, partition)])
        start, stopping = reading.position(place), self._stopping.is_set
        batch = find_batch(self._settings, topic, partition, start, silent_log(), stopping)
        is_end = False
        if batch:
            offsets = range(batch.first, min(batch.end, reading.open[place]))
            unreadable(partition, offsets)
            self._progress.note(
                f"{topic}, partition {partition}: offsets {batch.first:,} to {batch.end - 1:,} "
                f"cannot be read, and are passed over: {batch.reason}"
            )
            is_end = reading.reach(place, batch.end)
        if not is_end:
            position = reading.position(place)
            self._consumer.incremental_assign([TopicPartition(topic, partition, position)])
        return batch is not None

    def _take(self, message: Message, reading: "_Reading", broken: set[Place]) -> bool:
        """Notes how far it is, and before what cannot be read; whether this is one of the messages
        to read."""
        where = message.topic() or "", message.partition() or 0
        offset = message.offset() or 0
        if where in broken:
            return False  # what the client finds behind that may be anything
        if error := message.error():
            self._check(error)
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

    def _demand(self, topic: str) -> None:
        """Raises ReplayError if the topic is gone, which the client says late or never."""
        with suppress(KafkaException):
            if topic not in self._admin.list_topics(timeout=CONNECT_STEP).topics:
                raise ReplayError(f"topic {topic} was deleted while it was being read")

    def _check(self, error: KafkaError) -> None:
        if is_no_permission(error) and error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
            raise _unreadable(self._brokers, error)

    def _on_error(self, error: KafkaError) -> None:
        if is_refused_login(error):
            self._refused_login = describe(error)
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last_error = describe(error)


class _Reading:
    """How far the reading of some spans is."""

    def __init__(self, spans: Iterable[Span]) -> None:
        filled = [span for span in spans if span.start < span.end]
        self.open = {(span.topic, span.partition): span.end for span in filled}
        """Topic and partition of what is not read to its end, and that end."""
        self._positions = {(span.topic, span.partition): span.start for span in filled}
        self.total = sum(span.end - span.start for span in filled)

    @property
    def done(self) -> int:
        left = sum(end - self._positions[where] for where, end in self.open.items())
        return self.total - left

    def starts(self) -> list[tuple[str, int, int]]:
        """Topic, partition and offset, before the first `reach`."""
        return [(*where, start) for where, start in self._positions.items()]

    def position(self, where: tuple[str, int]) -> int:
        """The next offset to read."""
        return self._positions[where]

    def is_ahead(self, where: tuple[str, int], offset: int) -> bool:
        """Whether it is within the span and was not read yet."""
        return where in self.open and self._positions[where] <= offset < self.open[where]

    def reach(self, where: tuple[str, int], offset: int) -> bool:
        """All before `offset` is read; says whether that is the end."""
        end = self.open.get(where)
        if end is None:
            return False
        self._positions[where] = max(offset, self._positions[where])
        if offset < end:
            return False
        del self.open[where]
        return True


def silent_log() -> logging.Logger:
    """For the client's own log lines: what matters of them arrives as an error too."""
    log = logging.getLogger("kafka-client")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    log.propagate = False
    return log


def _unreadable(brokers: str, error: KafkaError) -> ReplayError:
    hint = "; it takes the permissions Describe and Read" if is_no_permission(error) else ""
    return ReplayError(f"{brokers} does not let us read: {describe(error)}{hint}")
