"""Finds the `ip` or `device_id` of a message in its own outputs; pure."""

import re
from collections.abc import Iterator
from typing import Final

from kafka_processor.audit.entries import NAME, NOTHING, PROCESSED, Line, Message, Record
from kafka_processor.audit.records import SHORTEST_IN_TEXT

_has_digit = re.compile("[0-9]").search
_is_name = re.compile(r"[a-z_]{1,32}([.][a-z_]{1,32})*").fullmatch
_PASSED_ON: Final = ("user_id", "app_version", "device_type", "locale", "timestamp")
"""Fields that pass through: if their input equals the ip, it was not copied from the ip."""


def raw_values(message: Message, record: Record) -> Iterator[str]:
    """Yields a line for each copied value, such as `device_id in the field locale`."""
    prefix = "" if record.outcome == PROCESSED else "message_content."
    for name, value, folded in _own_values(message):
        for field in ("ip", "device_id", "key_id"):
            if folded == getattr(record, field):
                yield f"{name} in the field {prefix}{field}"
        if folded == record.written:
            yield f"{name} in the field timestamp"
        for field in _PASSED_ON:
            if value == getattr(record, field) != getattr(message, field):
                yield f"{name} in the field {prefix}{field}"
        if value == record.key_user_id not in (message.user_id, record.user_id):
            yield f"{name} in the field user_id"
        if value == record.replay_of != message.replay_of:
            yield f"{name} in the field replay_of"
        yield from (
            f"{name} in {_shown(field)}"
            for field, found in record.others
            if found == folded and field != prefix + name
        )
    if record.text:
        yield from _in_text(message, record.text)


def raw_values_of_line(message: Message, line: Line) -> Iterator[str]:
    for name, value, folded in _own_values(message):
        if folded == line.written:
            yield f"{name} in the field timestamp"
        if value == line.replay_of != message.replay_of:
            yield f"{name} in the field replay_of"
        yield from (f"{name} in {_shown(field)}" for field, found in line.others if found == folded)


def _own_values(message: Message) -> Iterator[tuple[str, int, int]]:
    """Yields name, fingerprint and folded fingerprint of the values that must not be copied."""
    if message.ip != NOTHING:
        yield "ip", message.ip, message.ip_folded
    if message.device_id != NOTHING:
        yield "device_id", message.device_id, message.device_id_folded


def _in_text(message: Message, text: str) -> Iterator[str]:
    values = (
        ("ip", message.ip_folded, message.ip_length),
        ("device_id", message.device_id_folded, message.device_id_length),
    )
    for name, value, length in values:
        if value != NOTHING and length >= SHORTEST_IN_TEXT and _holds(text, value, length):
            yield f"{name} in the field error_message"


def _holds(text: str, value: int, length: int) -> bool:
    """Whether a part of the text has the fingerprint and contains a digit."""
    parts = (text[start : start + length] for start in range(len(text) - length + 1))
    return any(hash(part) == value and bool(_has_digit(part)) for part in parts)


def _shown(field: str) -> str:
    """Returns the name of a field if it looks like one: it could be any text."""
    if field == NAME:
        return "the name of a field"
    return f"the field {field}" if _is_name(field) else "a field that the contract does not list"
