"""The records of the outputs → what they say about the messages of the input.

Each has a *mark*, by which `is_same_message` finds out whether the message at a position is still
the one that the record is about: a topic that was recreated has other messages there.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from kafka_processor.checks import read_event
from kafka_processor.event.timestamps import event_time, is_numeric_string, milliseconds_of, rfc3339
from kafka_processor.message_id import Position, position_in
from kafka_processor.outcomes import ERROR_TYPES
from kafka_processor.records import FIELDS, LoginEvent
from kafka_processor.replay.selection import OutcomeRecord

NO_TIME: Final = -1
NOT_PROCESSED: Final = -1
"""Python's `hash` never returns it."""
PUBLISHED_WITHIN: Final = 600_000
"""Milliseconds, at most, from the check of a skipped message to the publication of its metrics
line: a batch that takes longer loses its partitions."""

_MAX_TIME: Final = 2**50


class _Source(Struct):
    timestamp: str | None


class _Failed(Struct):
    message_id: str
    error_type: str
    source: _Source
    timestamp: str
    user_id: str | None = None
    message_content: dict[str, Any] | None = None
    replay_of: str | None = None


class _Filtered(Struct):
    message_id: str
    user_id: str
    message_content: dict[str, Any]
    timestamp: str
    replay_of: str | None = None


class _Processed(Struct):
    message_id: str
    app_version: str
    device_type: str
    locale: str
    timestamp: str


class _Line(Struct):
    message_id: str
    outcome: str
    latency: float | None
    timestamp: str
    replay_of: str | None = None


class _Lines(Struct):
    message_details: list[_Line]


class FoundOutcome(NamedTuple):
    """One outcome of one message of the input topic, as a record reports it."""

    position: Position
    record: OutcomeRecord
    mark: int
    is_repeat: bool


class UnknownForm(Exception):
    """A record that no daemon writes."""


def failed(input_topic: str, value: bytes) -> Iterator[FoundOutcome]:
    """Reads a record of processed-errors. Raises UnknownForm."""
    record = _decoded(_decode_failed, value)
    position = position_in(input_topic, record.message_id)
    if position is None:
        return
    if record.error_type not in ERROR_TYPES:
        raise UnknownForm
    created = None if record.source.timestamp is None else _milliseconds(record.source.timestamp)
    found = OutcomeRecord(
        outcome=record.error_type,
        written=_milliseconds(record.timestamp),
        created=created,
        has_user=True,
        user_id=record.user_id,
        # A publish_error leaves out the content that the message has.
        has_fields=record.error_type != "publish_error",
        fields=record.message_content,
    )
    mark = NO_TIME if created is None else created
    yield FoundOutcome(position, found, mark, record.replay_of is not None)


def filtered(input_topic: str, value: bytes) -> Iterator[FoundOutcome]:
    """Reads a record of cleaned-data. Raises UnknownForm."""
    record = _decoded(_decode_filtered, value)
    position = position_in(input_topic, record.message_id)
    if position is None:
        return
    found = OutcomeRecord(
        outcome="filtered",
        written=_milliseconds(record.timestamp),
        has_user=True,
        user_id=record.user_id,
        has_fields=True,
        fields=record.message_content,
    )
    mark = _fingerprint(record.message_content)
    yield FoundOutcome(position, found, mark, record.replay_of is not None)


def measured(input_topic: str, value: bytes) -> Iterator[FoundOutcome]:
    """Reads a record of metrics-output, whatever the outcomes. Raises UnknownForm."""
    for line in _decoded(_decode_lines, value).message_details:
        position = position_in(input_topic, line.message_id)
        if position is not None:
            found = OutcomeRecord(outcome=line.outcome, written=_milliseconds(line.timestamp))
            mark = NO_TIME if line.latency is None else _earlier(found.written, line.latency)
            yield FoundOutcome(position, found, mark, line.replay_of is not None)


def skipped(input_topic: str, value: bytes) -> Iterator[FoundOutcome]:
    """Reads the skipped messages of a metrics record, quickly where there are none."""
    if b"skipped" in value:
        for found in measured(input_topic, value):
            if found.record.outcome == "skipped":
                yield found


def processed(input_topic: str, value: bytes) -> tuple[Position, int] | None:
    """Reads a record of processed-output: its message, and `passed_on` of it. Raises UnknownForm.

    Compares only fields that need no key.
    """
    record = _decoded(_decode_processed, value)
    position = position_in(input_topic, record.message_id)
    if position is None:
        return None
    return position, hash((record.app_version, record.device_type, record.locale, record.timestamp))


def passed_on(fields: Mapping[str, Any] | None) -> int:
    """Returns a hash of what processed-output must have of a message; NOT_PROCESSED if nothing."""
    get = (fields or {}).get
    texts = get("app_version"), get("device_type"), get("locale")
    timestamp = get("timestamp")
    is_number = type(timestamp) in (int, float)
    is_numeric = type(timestamp) is str and is_numeric_string(timestamp)
    if timestamp is None or not (is_number or is_numeric):
        return NOT_PROCESSED
    if not all(type(text) is str for text in texts):
        return NOT_PROCESSED
    return hash((*texts, event_time(timestamp)))


def fields_of(value: bytes | None) -> dict[str, Any] | None:
    """Returns the listed fields of a message, as they came; None if it is not a JSON object."""
    event = read_event(value)
    return msgspec.structs.asdict(event) if isinstance(event, LoginEvent) else event.fields


def is_same_message(
    outcome: str, mark: int, fields: Mapping[str, Any] | None, created: int | None
) -> bool:
    """Whether the message at a position is the one that had the outcome there.

    A failed message has exactly the timestamp of the record's `source`, a filtered one the same
    fields, a skipped one a timestamp within ten minutes of what the metrics line says.
    """
    if outcome == "filtered":
        return mark == _fingerprint(fields or {})
    if outcome == "skipped" and created is not None:
        return abs(mark - created) <= PUBLISHED_WITHIN
    # A timestamp outside 1970 to 9999 is null in the record.
    is_writable = created is not None and rfc3339(created) is not None
    return mark == (created if is_writable else NO_TIME)


def _fingerprint(fields: Mapping[str, Any]) -> int:
    """Returns a 64-bit hash, equal within this process for a message and its `message_content`."""
    timestamp = fields.get("timestamp")
    if isinstance(timestamp, int):
        try:
            timestamp = float(timestamp)  # msgspec reads large ones from a record as floats
        except OverflowError:  # null in the record
            timestamp = None
    values = (timestamp, *(fields.get(name) for name in _UNMASKED))
    return hash(tuple(None if isinstance(value, list | dict) else value for value in values))


_UNMASKED: Final = [name for name in FIELDS if name not in ("ip", "device_id", "timestamp")]


def _earlier(written: int, latency: float) -> int:
    return int(min(max(written - latency * 1000, 0), _MAX_TIME))


def _decoded(decode: Any, value: bytes) -> Any:
    try:
        return decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UnknownForm from None


def _milliseconds(text: str) -> int:
    try:
        return milliseconds_of(text)
    except ValueError:
        raise UnknownForm from None


_decode_failed = msgspec.json.Decoder(_Failed).decode
_decode_filtered = msgspec.json.Decoder(_Filtered).decode
_decode_processed = msgspec.json.Decoder(_Processed).decode
_decode_lines = msgspec.json.Decoder(_Lines).decode
