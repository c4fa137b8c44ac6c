"""A run of raw messages of one partition → their outcomes: what goes where, in order.

Pure: no client, no clock, no global state. Any bytes at all have exactly one outcome.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from msgspec import UNSET, UnsetType

from kafka_processor.checks import Filtered, Rejection, is_too_old, read_event
from kafka_processor.config import Settings
from kafka_processor.event.headers import (
    UNREADABLE_HEADERS,
    Header,
    original_of,
    read_headers,
    trace_parent,
)
from kafka_processor.message_id import Position, id_at, id_prefix
from kafka_processor.metrics import MessageMetrics
from kafka_processor.outcomes import ERROR_TYPES, Outcome
from kafka_processor.record_limits import RecordLimits
from kafka_processor.records import OutputRecord, ProcessedRecord
from kafka_processor.serializer import JSON, Serializer
from kafka_processor.transformer import Pseudonymizer, transform_message
from kafka_processor.unprocessed import Origin, UnprocessedRecords, publish_error
from kafka_processor.unreadable.batch_search import UnreadableRecord

_NO_TIMESTAMP: Final = 0


class Message(Protocol):
    """What the pipeline needs of a consumed message; `confluent_kafka.Message` has it."""

    def __len__(self) -> int:
        """Bytes of the value."""

    def offset(self) -> int | None: ...
    def value(self) -> Any: ...
    def timestamp(self) -> tuple[int, int]: ...
    def headers(self) -> Any: ...


@dataclass
class Work:
    """The outcomes of consecutive messages of one partition."""

    next_offset: int = 0
    """One past the last message."""
    records: list[OutputRecord] = field(default_factory=list)
    """To publish: one record for each message that was not skipped."""
    lines: list[str] = field(default_factory=list)
    """A metrics line for each message."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    device_types: Counter[str] = field(default_factory=Counter)
    """Processed messages by device type."""
    locales: Counter[str] = field(default_factory=Counter)
    """Processed messages by locale."""
    replayed: int = 0
    skipped_ages: list[int] = field(default_factory=list)
    """Milliseconds."""
    last_failed: str | None = None
    """The message_id of the last one that failed."""
    seconds: float = 0.0
    """Time spent on the messages; set by the caller."""
    size: int = 0
    """Bytes of the messages' values; set by the caller."""
    trace_parents: list[bytes] = field(default_factory=list)
    """Values of the messages' trace headers, unchecked; `extend` leaves them out."""

    @property
    def messages(self) -> int:
        return sum(self.outcomes.values())

    def extend(self, later: "Work") -> None:
        """Appends the outcomes of the messages that follow these."""
        self.next_offset = later.next_offset
        self.records += later.records
        self.lines += later.lines
        self.outcomes.update(later.outcomes)
        self.device_types.update(later.device_types)
        self.locales.update(later.locales)
        self.replayed += later.replayed
        self.skipped_ages += later.skipped_ages
        self.last_failed = later.last_failed or self.last_failed
        self.seconds += later.seconds
        self.size += later.size


def merge(into: dict[int, Work], later: Mapping[int, Work]) -> None:
    """Appends the outcomes of the messages that follow, partition by partition."""
    for partition, work in later.items():
        if partition in into:
            into[partition].extend(work)
        else:
            into[partition] = work


class Pipeline:
    """The checks and the transformation under one configuration and key."""

    def __init__(
        self,
        settings: Settings,
        key: bytes,
        *,
        limits: RecordLimits | None = None,
        serializer: Serializer = JSON,
        notes_trace_parents: bool = False,
    ) -> None:
        self._input_topic = settings.input_topic
        self._processed_topic = settings.processed_topic
        self._max_age = settings.max_message_age * 1000
        self._max_bytes = settings.max_message_bytes
        self._accepted = settings.accepted_app_versions
        self._limits = limits or RecordLimits()
        self._notes_trace_parents = notes_trace_parents
        self._pseudonymizer = Pseudonymizer(key)
        self._metrics = MessageMetrics(settings)
        self._encode_processed = serializer.encoder(settings.processed_topic, ProcessedRecord)
        self._unprocessed = UnprocessedRecords(
            settings, self._pseudonymizer, self._limits, serializer
        )

    def work(
        self,
        partition: int,
        messages: Iterable[Message],
        now: int,
        refused: Mapping[Position, str],
    ) -> Work:
        """Returns the outcomes of the messages, in their order; `now` in milliseconds.

        `refused`: messages whose record the broker has refused for a cause in the record itself,
        and that cause.
        """
        work = Work()
        processed_topic = self._processed_topic
        surely_fits = self._limits.surely_fits(processed_topic)
        prefix = id_prefix(self._input_topic, partition)
        # Looked up once, not once a message: these look-ups can be measured.
        examine, encode, line = self._examine, self._encode_processed, self._metrics.line
        add_record, add_line = work.records.append, work.lines.append
        max_age = self._max_age
        device_types: list[str] = []
        locales: list[str] = []
        offset = -1
        for message in messages:
            offset = message.offset() or 0
            message_id = f"{prefix}{offset}"
            kind, timestamp = message.timestamp()
            age = None if kind == _NO_TIMESTAMP else now - timestamp
            try:
                headers = read_headers(message)
            except UNREADABLE_HEADERS:
                headers = None
            replay_of = self._note_headers(headers, partition, offset, work) if headers else UNSET
            if is_too_old(age, max_age):
                outcome: Outcome = "skipped"
                work.skipped_ages.append(age)
            else:
                result = examine(message.value(), message_id)
                if refused and (partition, offset) in refused:
                    result = publish_error(result, refused[partition, offset])
                if isinstance(result, ProcessedRecord):
                    if replay_of:
                        result.replay_of = replay_of
                    value = encode(result)
                    if len(value) > surely_fits and (cause := self._refusal(result, value)):
                        result = publish_error(result, cause)
                    else:
                        device_types.append(result.device_type)
                        locales.append(result.locale)
                        add_record((processed_topic, result.user_id.encode(), value))
                        add_line(line(message_id, "processed", age, replay_of))
                        continue
                origin = Origin(
                    message_id=message_id,
                    partition=partition,
                    offset=offset,
                    age=age,
                    replay_of=replay_of,
                )
                outcome = self._add_unprocessed(work, result, origin, now)
            add_line(line(message_id, outcome, age, replay_of))
        work.next_offset = offset + 1
        _count(work, device_types, locales)
        return work

    def unreadable(
        self,
        partition: int,
        messages: Iterable[UnreadableRecord],
        now: int,
        refused: Mapping[Position, str],
    ) -> Work:
        """Does the same as `work` for stand-ins of records that the client cannot read."""
        work = Work()
        for message in messages:
            offset = message.at
            message_id = id_at(self._input_topic, partition, offset)
            result = Rejection("parse_error", f"unreadable record: {message.reason}", None)
            if (partition, offset) in refused:
                result = publish_error(result, refused[partition, offset])
            origin = Origin(
                message_id=message_id, partition=partition, offset=offset, age=None, replay_of=UNSET
            )
            outcome = self._add_unprocessed(work, result, origin, now)
            work.lines.append(self._metrics.line(message_id, outcome, None, UNSET))
            work.next_offset = offset + 1
        return work

    def _note_headers(
        self, headers: Iterable[Header], partition: int, offset: int, work: Work
    ) -> str | UnsetType:
        """Returns the id of the message that this one repeats, if any."""
        # The trace is read here because a message must not be asked for its headers twice.
        if self._notes_trace_parents and (parent := trace_parent(headers)):
            work.trace_parents.append(parent)
        original = original_of(headers, self._input_topic, partition, offset)
        if original is None:
            return UNSET
        work.replayed += 1
        return id_at(self._input_topic, *original)

    def _examine(
        self, value: bytes | None, message_id: str
    ) -> ProcessedRecord | Filtered | Rejection:
        event = read_event(value, self._max_bytes)
        # Not isinstance: for a LoginEvent, which arrives as a subclass, that takes 0.1 µs longer.
        if type(event) is Rejection:
            return event
        if event.app_version not in self._accepted:
            return Filtered(event, "filtered_app_version")
        return transform_message(event, message_id, self._pseudonymizer)

    def _refusal(self, result: ProcessedRecord, value: bytes) -> str | None:
        """Returns why the topic does not take a processed record; None: it does."""
        return self._limits.refusal(self._processed_topic, result.user_id.encode(), value)

    def _add_unprocessed(
        self, work: Work, result: Filtered | Rejection, origin: Origin, now: int
    ) -> Outcome:
        outcome, record = self._unprocessed.build(result, origin, now)
        work.records.append(record)
        work.outcomes[outcome] += 1
        if outcome in ERROR_TYPES:
            work.last_failed = origin.message_id
        return outcome


def _count(work: Work, device_types: list[str], locales: list[str]) -> None:
    """Counts skipped and processed messages, which are too many to count one by one."""
    if work.skipped_ages:
        work.outcomes["skipped"] = len(work.skipped_ages)
    if device_types:
        work.outcomes["processed"] = len(device_types)
    work.device_types.update(device_types)
    work.locales.update(locales)
