"""A run of raw messages of one partition → their outcomes: what goes where, in order.

Pure: no client, no clock, no global. Any bytes whatever have exactly one outcome.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Any, Final, NamedTuple, Protocol

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from kafka_processor.checks import Fault, is_too_old, read_event, what_is_wrong
from kafka_processor.config import Settings
from kafka_processor.event.timestamps import rfc3339
from kafka_processor.metrics import MessageMetrics
from kafka_processor.record_limits import RecordLimits
from kafka_processor.records import (
    CleanedRecord,
    ErrorRecord,
    LoginEvent,
    Outcome,
    ProcessedRecord,
    Source,
    encode,
)
from kafka_processor.transformer import Pseudonymizer, masked_content, transform_message
from kafka_processor.unreadable.batch_search import UnreadableRecord

REPLAY_HEADER: Final = "replay-of"
TRACE_HEADER: Final = "traceparent"
"""Of the W3C's trace context."""
_is_offset = re.compile(rb"0|[1-9][0-9]{0,18}").fullmatch
_MAX_ERROR_MESSAGE: Final = 500
_NO_TIMESTAMP: Final = 0

OutputRecord = tuple[str, bytes | None, bytes]
"""Topic, key, value."""


read_headers: Final = methodcaller("headers")
"""The headers of a message; raises UNREADABLE_HEADERS where the name of one is no UTF-8.

The client's method then sets an exception and returns a list all the same, in which that name is a
null pointer: whoever touches it ends the process. `message.headers()` may let that through, since
Python specializes such a call, once it is made often, and no longer checks what it returned. This
way it always does. A message whose headers are unreadable must not be asked again.
"""
UNREADABLE_HEADERS: Final = (SystemError, UnicodeError)


class Message(Protocol):
    """What the pipeline takes of a consumed message; `confluent_kafka.Message` has it."""

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
    """What to publish: one record for each message that was not skipped."""
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
    """That the work took; whoever asks for it measures that."""
    size: int = 0
    """Bytes of the messages' values; whoever asks for the work has counted them."""
    trace_parents: list[bytes] = field(default_factory=list)
    """What these messages' trace headers hold, unchecked; `extend` does not gather them."""

    @property
    def messages(self) -> int:
        return sum(self.outcomes.values())

    def extend(self, later: "Work") -> None:
        """Takes in the messages that follow these."""
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
    """Takes the works of the messages that follow, by partition, into those before."""
    for partition, work in later.items():
        if partition in into:
            into[partition].extend(work)
        else:
            into[partition] = work


class _Origin(NamedTuple):
    message_id: str
    partition: int
    offset: int
    age: int | None
    replay_of: str | UnsetType


class Pipeline:
    """The checks and the transformation under one configuration and key."""

    def __init__(
        self,
        settings: Settings,
        key: bytes,
        *,
        limits: RecordLimits | None = None,
        notes_trace_parents: bool = False,
    ) -> None:
        self._settings = settings
        self._limits = limits or RecordLimits()
        self._notes_trace_parents = notes_trace_parents
        self._max_age = settings.max_message_age * 1000
        self._max_bytes = settings.max_message_bytes
        self._accepted = settings.accepted_app_versions
        self._pseudonymizer = Pseudonymizer(key)
        self._metrics = MessageMetrics(settings)

    def work(
        self,
        partition: int,
        messages: Iterable[Message],
        now: int,
        refused: Mapping[tuple[int, int], str],
    ) -> Work:
        """The outcomes of the messages, in their order; `now` in milliseconds.

        `refused` names the messages, by partition and offset, whose record the broker has refused
        for a cause in the record itself, and that cause.
        """
        work = Work()
        processed_topic = self._settings.processed_topic
        surely_fits = self._limits.surely_fits(processed_topic)
        prefix = f"{self._settings.input_topic}-{partition}-"
        # Bound once: so much is done for each message that a look-up is felt.
        examine, line = self._examine, self._metrics.line
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
            replay_of = self._heed_headers(headers, prefix, offset, work) if headers else UNSET
            if is_too_old(age, max_age):
                outcome: Outcome = "skipped"
                work.skipped_ages.append(age)
            else:
                result = examine(message.value(), message_id)
                if refused and (partition, offset) in refused:
                    result = _publish_error(result, refused[partition, offset])
                if isinstance(result, ProcessedRecord):
                    if replay_of:
                        result.replay_of = replay_of
                    value = encode(result)
                    if len(value) > surely_fits and (cause := self._refusal(result, value)):
                        origin = _Origin(message_id, partition, offset, age, replay_of)
                        outcome = self._add_aside(work, _publish_error(result, cause), origin, now)
                    else:
                        outcome = "processed"  # counted by its device type
                        device_types.append(result.device_type)
                        locales.append(result.locale)
                        add_record((processed_topic, result.user_id.encode(), value))
                else:
                    origin = _Origin(message_id, partition, offset, age, replay_of)
                    outcome = self._add_aside(work, result, origin, now)
            add_line(line(message_id, outcome, age, replay_of))
            if replay_of:
                work.replayed += 1
        work.next_offset = offset + 1
        _count(work, device_types, locales)
        return work

    def unreadable(
        self,
        partition: int,
        messages: Iterable[UnreadableRecord],
        now: int,
        refused: Mapping[tuple[int, int], str],
    ) -> Work:
        """The same as `work` for stand-ins of records that the client cannot read."""
        work = Work()
        for message in messages:
            offset, reason = message.at, message.reason
            message_id = f"{self._settings.input_topic}-{partition}-{offset}"
            result = Fault("parse_error", f"unreadable record: {reason}", None)
            if (partition, offset) in refused:
                result = _publish_error(result, refused[partition, offset])
            origin = _Origin(message_id, partition, offset, None, UNSET)
            outcome = self._add_aside(work, result, origin, now)
            work.lines.append(self._metrics.line(message_id, outcome, None, UNSET))
            work.next_offset = offset + 1
        return work

    def _heed_headers(self, headers: Any, prefix: str, offset: int, work: Work) -> str | UnsetType:
        """Of which message this one is a repetition, if of any."""
        # Noted here: whoever asks a message for its headers a second time may crash.
        if self._notes_trace_parents and (parent := trace_parent(headers)):
            work.trace_parents.append(parent)
        return replayed_message(headers, prefix, offset)

    def _examine(
        self, value: bytes | None, message_id: str
    ) -> ProcessedRecord | LoginEvent | Fault:
        """The record of a message to process, the event of one to filter out, or a fault."""
        event = read_event(value, self._max_bytes)
        # Not isinstance: of a LoginEvent, which comes as a subclass, it takes 0.1 µs longer.
        if type(event) is Fault or event.app_version not in self._accepted:
            return event
        return transform_message(event, message_id, self._pseudonymizer)

    def _refusal(self, result: ProcessedRecord, value: bytes) -> str | None:
        """Why the topic does not take a processed record; None: it does."""
        return self._limits.refusal(self._settings.processed_topic, result.user_id.encode(), value)

    def _add_aside(
        self, work: Work, result: LoginEvent | Fault, origin: _Origin, now: int
    ) -> Outcome:
        """Adds the record of a message that is not processed: small enough, as far as can be."""
        outcome, record = self._set_aside(result, origin, now)
        cause = self._limits.refusal(*record)
        if cause and outcome != "publish_error":
            outcome, record = self._set_aside(_publish_error(result, cause), origin, now)
            cause = self._limits.refusal(*record)
        if cause:
            outcome, record = self._set_aside(Fault("publish_error", cause, None), origin, now)
        work.records.append(record)
        work.outcomes[outcome] += 1
        if outcome != "filtered":
            work.last_failed = origin.message_id
        return outcome

    def _set_aside(
        self, result: LoginEvent | Fault, origin: _Origin, now: int
    ) -> tuple[Outcome, OutputRecord]:
        """The record of a message that is not processed: filtered out, or failed."""
        message_id, partition, offset, age, replay_of = origin
        written = rfc3339(now) or ""
        if isinstance(result, LoginEvent):
            cleaned = CleanedRecord(
                message_id,
                result.user_id,
                "filtered_app_version",
                masked_content(asdict(result), self._pseudonymizer),
                written,
                replay_of,
            )
            return "filtered", (
                self._settings.cleaned_topic,
                result.user_id.encode(),
                encode(cleaned),
            )
        user_id = _valid_user_id(result.fields)
        created = None if age is None else rfc3339(now - age)
        source = Source(self._settings.input_topic, partition, offset, created)
        content = None
        if result.fields is not None and result.error_type != "publish_error":
            content = masked_content(result.fields, self._pseudonymizer)
        error = ErrorRecord(
            message_id,
            user_id,
            result.error_type,
            result.message[:_MAX_ERROR_MESSAGE],
            content,
            source,
            written,
            replay_of,
        )
        key = user_id.encode() if user_id else None
        return result.error_type, (self._settings.errors_topic, key, encode(error))


def _count(work: Work, device_types: list[str], locales: list[str]) -> None:
    """Counts what was skipped and processed, which is too many to count one by one."""
    if work.skipped_ages:
        work.outcomes["skipped"] = len(work.skipped_ages)
    if device_types:
        work.outcomes["processed"] = len(device_types)
    work.device_types.update(device_types)
    work.locales.update(locales)


def _publish_error(result: ProcessedRecord | LoginEvent | Fault, cause: str) -> Fault:
    fields = result.fields if isinstance(result, Fault) else {"user_id": result.user_id}
    return Fault("publish_error", cause, fields)


def _valid_user_id(fields: dict[str, Any] | None) -> str | None:
    user_id = (fields or {}).get("user_id")
    return None if not user_id or what_is_wrong("user_id", user_id) else user_id


def replayed_message(
    headers: Iterable[tuple[str, bytes | str | None]], prefix: str, offset: int
) -> str | UnsetType:
    """The message that this one repeats: `prefix` and an offset below `offset`.

    `prefix` is `<input topic>-<partition>-`. A header that says anything else was not written by
    the replay, and might hold anything.
    """
    for name, value in headers:
        if name == REPLAY_HEADER and isinstance(value, bytes):
            before, _, number = value.rpartition(b"-")
            if before + b"-" == prefix.encode() and _is_offset(number) and int(number) < offset:
                return f"{prefix}{int(number)}"
    return UNSET


def trace_parent(headers: Iterable[tuple[str, bytes | str | None]]) -> bytes | None:
    """The text of the trace header, as far as it can matter: at most 56 bytes."""
    for name, value in headers:
        if name == TRACE_HEADER and isinstance(value, bytes):
            return value[:56]
    return None
