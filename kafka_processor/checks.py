"""The checks of a message, in the order of the contract: age, JSON, fields, app version.

Each is a pure function. A message that fails is a value (`Fault`), never an exception.
"""

import re
from collections.abc import Collection
from typing import Any, Final, NamedTuple, TypeGuard

import msgspec

from kafka_processor.records import FIELDS, MAX_TEXT, ErrorType, LoginEvent, decode_event
from kafka_processor.timestamps import is_numeric_string

_decode_json = msgspec.json.Decoder().decode
_LONG_NUMBER = re.compile(rb"[0-9]{309}")
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Fault(NamedTuple):
    """Why a message failed. `message` names fields and types, never values."""

    error_type: ErrorType
    message: str
    fields: dict[str, Any] | None
    """The listed fields that were present, as they came; None if the message is no object."""


def is_too_old(age: int | None, max_age: float) -> TypeGuard[int]:
    """Both in milliseconds. A message without an age is never too old; `max_age` 0: none is."""
    return age is not None and age > max_age > 0


def read_event(value: bytes | None) -> LoginEvent | Fault:
    """The login event in a record's value, or what is wrong with it."""
    try:
        event = decode_event(value)  # type: ignore[arg-type]  # None is a TypeError below
    except (*_UNREADABLE, TypeError):
        return _read_unusual_event(value)
    if type(event.timestamp) is str and not is_numeric_string(event.timestamp):
        return _examine(msgspec.structs.asdict(event))
    return event


def _read_unusual_event(value: bytes | None) -> LoginEvent | Fault:
    """The same for a message that is not just the listed fields, each of its type.

    It is taken apart without a schema: only so are unlisted fields checked for valid UTF-8 too,
    and only so does the last of a name given twice count.
    """
    if not value:
        return Fault("parse_error", "the message has no value", None)
    try:
        document = _decode_json(value)
    except _UNREADABLE as error:
        return Fault("parse_error", _describe(error), None)
    if _LONG_NUMBER.search(value) and _holds_too_large_number(document):
        return Fault("parse_error", "the message holds a number out of range", None)
    if not isinstance(document, dict):
        return Fault("parse_error", "the message is JSON but not an object", None)
    return _examine({name: document[name] for name in FIELDS if name in document})


def _examine(fields: dict[str, Any]) -> LoginEvent | Fault:
    missing = [name for name in FIELDS if fields.get(name) in (None, "")]
    if missing:
        return Fault("missing_field", f"missing: {', '.join(missing)}", fields)
    invalid = [
        f"{name} is {problem}" for name in FIELDS if (problem := what_is_wrong(name, fields[name]))
    ]
    if invalid:
        return Fault("invalid_field", "; ".join(invalid), fields)
    return LoginEvent(**fields)


def what_is_wrong(name: str, value: object) -> str | None:
    """What is wrong with the value of a listed field, without the value; None: nothing."""
    is_timestamp = name == "timestamp"
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            return f"longer than {MAX_TEXT} characters"
        if is_timestamp and not is_numeric_string(value):
            return "no numeric string"
        return None
    if is_timestamp and isinstance(value, int | float) and not isinstance(value, bool):
        return None if _fits_a_double(value) else "too large a number"
    expected = "number or numeric string" if is_timestamp else "string"
    return f"{_JSON_TYPES[type(value)]}, not {expected}"


_JSON_TYPES: Final[dict[type, str]] = {
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


def _fits_a_double(number: int | float) -> bool:
    try:
        float(number)
    except OverflowError:
        return False
    return True


def _holds_too_large_number(part: object) -> bool:
    """Integers alone: the parser itself refuses too large a floating-point number."""
    waiting = [part]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, int) and not _fits_a_double(part):
            return True
    return False


def _describe(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "the message is not UTF-8"
    if isinstance(error, RecursionError):
        return "the message is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        return "the message holds a number out of range"
    return str(error)


def is_accepted_version(app_version: str, accepted: Collection[str]) -> bool:
    return app_version in accepted
