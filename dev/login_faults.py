"""All kinds of bad input that the contract names, each as a way to spoil a good event."""

import json
from collections.abc import Callable
from typing import Final, NamedTuple

from kafka_processor.outcomes import ErrorType
from kafka_processor.records import FIELDS, MAX_TEXT

Fields = dict[str, object]


class Fault(NamedTuple):
    name: str
    expected_outcome: ErrorType
    spoil: Callable[[Fields], bytes | None]
    """A good event's fields → the bad value; None is a Kafka null value."""


def _json(fields: Fields) -> bytes:
    return json.dumps(fields).encode()


def _fixed(value: bytes | None) -> Callable[[Fields], bytes | None]:
    return lambda _: value


def _with(name: str, value: object) -> Callable[[Fields], bytes]:
    return lambda fields: _json(fields | {name: value})


def _without(*names: str) -> Callable[[Fields], bytes]:
    return lambda fields: _json({n: value for n, value in fields.items() if n not in names})


def _replaced(old: bytes, new: bytes) -> Callable[[Fields], bytes]:
    return lambda fields: _json(fields).replace(old, new, 1)


def _parse_errors() -> list[Fault]:
    # Deeper than any parser of the supported Pythons takes; few, because each is so large.
    nested = b'{"user_id": ' + b"[" * 100_000
    ways: dict[str, Callable[[Fields], bytes | None]] = {
        "null value": _fixed(None),
        "empty value": _fixed(b""),
        "not JSON": _fixed(b"user 17 logged in"),
        "escape codes": _fixed(b"\x1b[2J\x1b[31mred\x07"),
        "JSON string": _fixed(b'"login"'),
        "JSON null": _fixed(b"null"),
        "JSON array": lambda fields: b"[" + _json(fields) + b"]",
        "cut off": lambda fields: _json(fields)[:100],
        "text after it": lambda fields: _json(fields) + b" x",
        "byte-order mark": lambda fields: b"\xef\xbb\xbf" + _json(fields),
        "not UTF-8": _replaced(b'"user_id": "', b'"user_id": "\xff'),
        "lone surrogate": _replaced(b'"user_id": "', b'"user_id": "\\ud800'),
        "NaN": _with("timestamp", float("nan")),
        "nested too deeply": _fixed(nested),
    }
    return [Fault(name, "parse_error", spoil) for name, spoil in ways.items()]


def _missing_fields() -> list[Fault]:
    faults = [Fault("empty object", "missing_field", _fixed(b"{}"))]
    for name in FIELDS:
        faults += [
            Fault(f"no {name}", "missing_field", _without(name)),
            Fault(f"{name} null", "missing_field", _with(name, None)),
            Fault(f"{name} empty", "missing_field", _with(name, "")),
        ]
    faults.append(Fault("two missing", "missing_field", _without("ip", "locale")))
    return faults


def _invalid_fields() -> list[Fault]:
    values: list[tuple[str, object]] = [
        ("user_id", 17),
        ("ip", {"v4": "1.2.3.4"}),
        ("device_id", ["593-47-5928"]),
        ("app_version", 2.3),
        ("device_type", True),
        ("locale", 7),
        ("timestamp", True),
        ("timestamp", [1694479551]),
        ("timestamp", "yesterday"),
        ("timestamp", "1e9"),
        ("timestamp", "+5"),
        ("timestamp", " 5 "),
        ("timestamp", "١٢٣"),  # digits, but not ASCII
    ]
    values += [(name, "x" * (MAX_TEXT + 1)) for name in FIELDS if name != "timestamp"]
    values.append(("timestamp", "1" * (MAX_TEXT + 1)))
    return [
        Fault(f"{name} {json.dumps(value)[:20]}", "invalid_field", _with(name, value))
        for name, value in values
    ]


def _transform_errors() -> list[Fault]:
    values: list[tuple[str, object]] = [
        ("ip", "unknown"),
        ("ip", "999.1.2.3"),
        ("ip", "1.2.3"),
        ("ip", " 1.2.3.4 "),
        ("ip", "010.1.2.3"),
        ("ip", "1.2.3.4:80"),
        ("ip", "fe80::1%eth0"),
        ("ip", "2001:db8:::1"),
        ("timestamp", -1),
        ("timestamp", 253_402_300_800_000),
        ("timestamp", "99999999999999999"),
    ]
    return [
        Fault(f"{name} {value}", "transform_error", _with(name, value)) for name, value in values
    ]


FAULTS: Final = (
    # The one that real events have: as often as all others of its kind together.
    *[Fault("no device_type", "missing_field", _without("device_type"))] * 20,
    *_parse_errors(),
    *_missing_fields(),
    *_invalid_fields(),
    *_transform_errors(),
)
