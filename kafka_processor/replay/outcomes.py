"""The records of the outputs → what they tell of the messages that they are about.

Each comes with a *mark*, by which `is_same_message` finds out whether a message is still the one
that the record is about: a topic that was made again has other messages at the same coordinates.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from kafka_processor.checks import read_event
from kafka_processor.event.timestamps import event_time, is_numeric_string, milliseconds_of, rfc3339
from kafka_processor.records import ERROR_TYPES, FIELDS, LoginEvent
from kafka_processor.replay.selection import Position, Told

NO_TIME: Final = -1
NOT_PROCESSED: Final = -1
"""No hash of Python's has this value."""
PUBLISHED_WITHIN: Final = 600_000
"""Milliseconds between the look at a skipped message and the publication of its metrics line, at
the most: a batch that takes longer loses its partitions."""

_ID: Final = re.compile(r"(?P<topic>[a-zA-Z0-9._-]{1,249})-(?P<p>[0-9]{1,10})-(?P<o>[0-9]{1,19})")
_MAX_PARTITION: Final = 2**31 - 1
_MAX_OFFSET: Final = 2**63 - 1
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


class Outcome(NamedTuple):
    """One outcome of one message of the input topic."""

    position: Position
    told: Told
    mark: int
    is_repeat: bool


class UnknownForm(Exception):
    """A record that is none of ours."""


def position_in(topic: str, message_id: str) -> Position | None:
    """Partition and offset of a message of this topic; None: it is another's, or no id."""
    match = _ID.fullmatch(message_id)
    if not match or match["topic"] != topic:
        return None
    partition, offset = int(match["p"]), int(match["o"])
    # Leading zeros would make two ids of one message.
    if str(partition) != match["p"] or str(offset) != match["o"]:
        return None
    return (partition, offset) if partition <= _MAX_PARTITION and offset <= _MAX_OFFSET else None


def failed(input_topic: str, value: bytes) -> Iterator[Outcome]:
    """Of a record in processed-errors. Raises UnknownForm."""
    record = _decoded(_decode_failed, value)
    position = position_in(input_topic, record.message_id)
    if position is None:
        return
    if record.error_type not in ERROR_TYPES:
        raise UnknownForm
    told = Told(
        record.error_type,
        _milliseconds(record.timestamp),
        None if record.source.timestamp is None else _milliseconds(record.source.timestamp),
        has_user=True,
        user_id=record.user_id,
        # A publish_error comes without the content that there is.
        has_fields=record.error_type != "publish_error",
        fields=record.message_content,
    )
    mark = NO_TIME if told.created is None else told.created
    yield Outcome(position, told, mark, record.replay_of is not None)


def filtered(input_topic: str, value: bytes) -> Iterator[Outcome]:
    """Of a record in cleaned-data. Raises UnknownForm."""
    record = _decoded(_decode_filtered, value)
    position = position_in(input_topic, record.message_id)
    if position is None:
        return
    told = Told(
        "filtered",
        _milliseconds(record.timestamp),
        has_user=True,
        user_id=record.user_id,
        has_fields=True,
        fields=record.message_content,
    )
    yield Outcome(
        position, told, _fingerprint(record.message_content), record.replay_of is not None
    )


def measured(input_topic: str, value: bytes) -> Iterator[Outcome]:
    """Of a record in metrics-output, whatever the outcomes. Raises UnknownForm."""
    for line in _decoded(_decode_lines, value).message_details:
        position = position_in(input_topic, line.message_id)
        if position is not None:
            written = _milliseconds(line.timestamp)
            mark = NO_TIME if line.latency is None else _earlier(written, line.latency)
            yield Outcome(position, Told(line.outcome, written), mark, line.replay_of is not None)


def processed(input_topic: str, value: bytes) -> tuple[Position, int] | None:
    """Of a record in processed-output: the message, and `passed_on` of it. Raises UnknownForm.

    Nothing that a key is needed for is looked at.
    """
    record = _decoded(_decode_processed, value)
    position = position_in(input_topic, record.message_id)
    if position is None:
        return None
    return position, hash((record.app_version, record.device_type, record.locale, record.timestamp))


def passed_on(fields: Mapping[str, Any] | None) -> int:
    """What a record in processed-output must have of a message; NOT_PROCESSED: there is none."""
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


def skipped(input_topic: str, value: bytes) -> Iterator[Outcome]:
    """The same, as fast as can be where nothing of it was skipped."""
    if b"skipped" in value:
        yield from (each for each in measured(input_topic, value) if each.told.outcome == "skipped")


def fields_of(value: bytes | None) -> dict[str, Any] | None:
    """The listed fields of a message, as they came; None if it is no JSON object."""
    event = read_event(value)
    return msgspec.structs.asdict(event) if isinstance(event, LoginEvent) else event.fields


def is_same_message(
    outcome: str, mark: int, fields: Mapping[str, Any] | None, created: int | None
) -> bool:
    """Whether a message at some coordinates is the one that had the outcome there.

    Failed: it has the very timestamp of the record's `source`. Filtered: it has the same fields.
    Skipped: its time is, within ten minutes, what the metrics line says.
    """
    if outcome == "filtered":
        return mark == _fingerprint(fields or {})
    if outcome == "skipped" and created is not None:
        return abs(mark - created) <= PUBLISHED_WITHIN
    # What is no time between 1970 and 9999 is null in the record.
    is_writable = created is not None and rfc3339(created) is not None
    return mark == (created if is_writable else NO_TIME)


def _fingerprint(fields: Mapping[str, Any]) -> int:
    """Equal, within this process, for a message and its `message_content`: a 64-bit hash."""
    timestamp = fields.get("timestamp")
    if isinstance(timestamp, int):
        try:
            timestamp = float(timestamp)  # as which long ones are written
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
