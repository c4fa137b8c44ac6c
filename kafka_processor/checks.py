"""The checks of a message, in the order of the contract: age, JSON, fields, app version.

Each is a pure function. A message that fails is a value (`Rejection`), never an exception.
"""

from typing import Any, Final, NamedTuple, TypeGuard, final

import msgspec

from kafka_processor.event.decoding import (
    MAX_DIGITS,
    UNREADABLE,
    TooLargeNumberError,
    decode_fields,
    decode_small_event,
    may_hold_too_large_integer,
)
from kafka_processor.event.timestamps import is_numeric_string
from kafka_processor.outcomes import ErrorType, FilterReason
from kafka_processor.records import FIELDS, MAX_TEXT, LoginEvent

_NO_LIMIT: Final = 2**63
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_MAX_SMALL: Final = 32_768
"""Bytes up to which the fast decoder is tried; hostile input costs it up to 100 ns each."""


@final
class Rejection(NamedTuple):
    """Why a message failed. `message` names fields and types, never values."""

    error_type: ErrorType
    message: str
    fields: dict[str, Any] | None
    """The listed fields that were present, as they came; None if the message is not an object."""


@final
class Filtered(NamedTuple):
    """A valid event that is filtered out, and why."""

    event: LoginEvent
    reason: FilterReason


def is_too_old(age: int | None, max_age: float) -> TypeGuard[int]:
    """Both in milliseconds. A message without an age is never too old; with `max_age` 0 none is."""
    return age is not None and age > max_age > 0


def read_event(value: bytes | None, max_bytes: int = _NO_LIMIT) -> LoginEvent | Rejection:
    """Returns the login event in a record's value, or what is wrong with it."""
    if not value:
        return Rejection("parse_error", "the message has no value", None)
    size = len(value)
    if size > max_bytes:
        problem = f"the message is larger than MAX_MESSAGE_BYTES allows ({max_bytes} bytes)"
        return Rejection("parse_error", problem, None)
    if size > MAX_DIGITS and (size > _MAX_SMALL or may_hold_too_large_integer(value)):
        return _read_unusual_event(value)
    try:
        event = decode_small_event(value)
    except UNREADABLE:
        return _read_unusual_event(value)
    timestamp = event.timestamp
    kind = type(timestamp)
    is_number = kind is int or kind is float
    if is_number or (kind is str and len(timestamp) <= MAX_TEXT and is_numeric_string(timestamp)):
        return event
    return _examine(msgspec.structs.asdict(event))


def _read_unusual_event(value: bytes) -> LoginEvent | Rejection:
    """Does the same for a message that is large, or that the fast decoder rejects."""
    try:
        fields = decode_fields(value)
    except UNREADABLE as error:
        return Rejection("parse_error", _describe(error, value), None)
    return _examine(fields)


def _examine(fields: dict[str, Any]) -> LoginEvent | Rejection:
    missing = [name for name in FIELDS if fields.get(name) in (None, "")]
    if missing:
        return Rejection("missing_field", f"missing: {', '.join(missing)}", fields)
    invalid = [
        f"{name} is {problem}" for name in FIELDS if (problem := what_is_wrong(name, fields[name]))
    ]
    if invalid:
        return Rejection("invalid_field", "; ".join(invalid), fields)
    return LoginEvent(**fields)


def what_is_wrong(name: str, value: object) -> str | None:
    """Returns what is wrong with the value of a listed field, without the value; None: nothing."""
    is_timestamp = name == "timestamp"
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            return f"longer than {MAX_TEXT} characters"
        if is_timestamp and not is_numeric_string(value):
            return "not a numeric string"
        return None
    if is_timestamp and type(value) in (int, float):
        return None
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


_DESCRIPTIONS: Final[dict[type[Exception], str]] = {
    UnicodeDecodeError: "the message is not UTF-8",
    RecursionError: "the message is nested too deeply",
    TooLargeNumberError: "the message holds a number out of range",
    msgspec.ValidationError: "the message is not a JSON object",
}
_CLEARER: Final = {
    # msgspec reports a lone surrogate near the end in the same way.
    "Input data was truncated": "the message ends within its JSON, or has a lone surrogate",
}


def _describe(error: Exception, value: bytes) -> str:
    if value.startswith(_BYTE_ORDER_MARK):
        return "the message starts with a byte-order mark"
    for kind, description in _DESCRIPTIONS.items():
        if isinstance(error, kind):
            return description
    return _CLEARER.get(str(error), str(error))
