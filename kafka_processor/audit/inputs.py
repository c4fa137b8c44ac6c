"""Parses input messages into entries. Implements the rules of the contract independently."""

import ipaddress
import re
import sys
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal, DecimalException
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from kafka_processor.audit.entries import NOTHING, Headers, Message, fingerprint, listed
from kafka_processor.config import Settings
from kafka_processor.records import MAX_TEXT

OTHER_LABEL: Final = "__other__"
_ENDS_OF_MASKED: Final = (".0", "::")
"""Ends of all masked addresses: a cheap test before the slow one."""
_MAX_DIGITS_OF_OFFSET: Final = 19
_MAX_LENGTH: Final = 500
"""Characters of a value that is searched for in an error message, which is not longer."""

_looks_like_time = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]{8,12}[Zz]").fullmatch
_EPOCH: Final = datetime(1970, 1, 1)
_FIRST_MILLISECONDS: Final = 100_000_000_000
_END_OF_9999: Final = 253_402_300_800_000
_LONGEST_LABEL: Final = 16
_is_language = re.compile(r"[A-Za-z]{2,3}").fullmatch
_is_script = re.compile(r"[A-Za-z]{4}").fullmatch
_is_region = re.compile(r"[A-Za-z]{2}|[0-9]{3}").fullmatch
_is_device_type = re.compile(r"[A-Za-z][A-Za-z0-9 ._-]*").fullmatch
_is_number = re.compile(r"[0-9]+(\.[0-9]+)?").fullmatch


class _Event(Struct, gc=False):
    user_id: Any = None
    ip: Any = None
    device_id: Any = None
    app_version: Any = None
    device_type: Any = None
    timestamp: Any = None
    locale: Any = None


_decode = msgspec.json.Decoder(_Event, float_hook=float).decode
"""With Python's parser of floats: the decoder's own takes 10 µs for `1e308`."""
_NO_EVENT: Final = _Event()


class InputReader:
    def __init__(self, settings: Settings) -> None:
        self._topic = settings.input_topic
        self._device_types = settings.device_type_labels
        self._locales = settings.locale_labels
        self._label = lru_cache(maxsize=4096)(self._find_label)

    def entry(self, partition: int, offset: int, value: bytes | None, headers: Headers) -> Message:
        try:
            event = _decode(value) if value else _NO_EVENT
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            event = _NO_EVENT
        ip, device_id = event.ip, event.device_id
        if type(ip) is str and stays_unmasked(ip):
            ip = None
        if _is_own_mask(device_id, event.ip) or _is_own_time(device_id, event.timestamp):
            device_id = None
        ip_folded, ip_length = _in_lower_case(ip)
        device_id_folded, device_id_length = _in_lower_case(device_id)
        return Message(
            offset,
            _text(event.user_id),
            _text(event.app_version),
            _text(event.device_type),
            _text(event.locale),
            _time(event.timestamp),
            fingerprint(ip),
            fingerprint(device_id),
            ip_length,
            device_id_length,
            self.label(event.device_type, is_locale=False),
            self.label(event.locale, is_locale=True),
            replayed_message(headers, self._topic, partition, offset) if headers else NOTHING,
            ip_folded,
            device_id_folded,
        )

    def label(self, value: Any, is_locale: bool) -> str:
        """Returns the label that a device type or locale counts under, if the list has room."""
        if type(value) is not str or len(value) > _LONGEST_LABEL:
            return OTHER_LABEL
        return self._label(value, is_locale)

    def _find_label(self, value: str, is_locale: bool) -> str:
        listed = self._locales if is_locale else self._device_types
        if listed is not None:
            is_label = value in listed
        else:
            is_label = _is_locale(value) if is_locale else bool(_is_device_type(value))
        return value if is_label else OTHER_LABEL


def _is_locale(value: str) -> bool:
    """Language or country, then perhaps a script, then perhaps a region."""
    first, *others = re.split("[_-]", value)
    if others and _is_script(others[0]):
        others.pop(0)
    if others and _is_region(others[0]):
        others.pop(0)
    return bool(_is_language(first)) and not others


def _in_lower_case(value: Any) -> tuple[int, int]:
    """Returns the folded fingerprint and the length of the folded text."""
    if type(value) is not str:
        return fingerprint(value), 0
    text = value.lower()
    return hash(text), min(len(text), _MAX_LENGTH + 1)


def unreadable_entry(offset: int) -> Message:
    """Returns the entry of a record that cannot be read."""
    return Message(
        offset,
        user_id=NOTHING,
        app_version=NOTHING,
        device_type=NOTHING,
        locale=NOTHING,
        timestamp=NOTHING,
        ip=NOTHING,
        device_id=NOTHING,
        ip_length=-1,
        device_id_length=0,
        device_label=OTHER_LABEL,
        locale_label=OTHER_LABEL,
        replay_of=NOTHING,
    )


def _text(value: Any) -> int:
    """Returns the fingerprint of a text field if it is valid."""
    return hash(value) if type(value) is str and len(value) <= MAX_TEXT else NOTHING


def _time(value: Any) -> int:
    if type(value) is str:
        return hash(value) if len(value) <= MAX_TEXT and _is_number(value) else NOTHING
    if type(value) not in (int, float) or abs(value) > sys.float_info.max:
        return NOTHING  # also for a number that exceeds a double
    return hash(repr(value))


def _is_own_mask(device_id: Any, ip: Any) -> bool:
    """Whether the device id equals the masked ip, which is in the output anyway."""
    if type(device_id) is not str or not device_id.endswith(_ENDS_OF_MASKED):
        return False
    return type(ip) is str and masked(ip) == device_id.lower()


def _is_own_time(device_id: Any, timestamp: Any) -> bool:
    """Whether the device id equals the time of the event, to the second."""
    if type(device_id) is not str or device_id[4:5] != "-" or not _looks_like_time(device_id):
        return False
    if type(timestamp) is str and len(timestamp) > MAX_TEXT:
        return False
    with suppress(DecimalException, ValueError, OverflowError):
        number = Decimal(str(timestamp))
        if 0 <= number < _END_OF_9999:
            seconds = int(number / 1000 if number >= _FIRST_MILLISECONDS else number)
            return device_id[:19].upper() == (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
    return False


def stays_unmasked(ip: str) -> bool:
    """Whether the mask leaves the address unchanged."""
    return ip.endswith(_ENDS_OF_MASKED) and masked(ip) == ip.lower()


def masked(ip: str) -> str | None:
    """Returns the masked address: IPv4 keeps 24 bits, IPv6 48, 6to4 40. None if it is none."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    if "%" in ip:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    kept = 24 if address.version == 4 else 40 if address.sixtofour else 48
    network = ipaddress.ip_network((address, kept), strict=False)
    return str(network.network_address)


def replayed_message(headers: Headers, topic: str, partition: int, offset: int) -> int:
    """Returns the fingerprint of the id of the message that this one repeats, or NOTHING.

    The replay names an earlier message of the same partition; other headers are not the replay's.
    """
    for name, value in listed(headers):
        if name == "replay-of" and isinstance(value, bytes):
            number = value.rpartition(b"-")[2]
            if not number.isdigit() or len(number) > _MAX_DIGITS_OF_OFFSET:
                continue
            earlier = int(number)
            message_id = f"{topic}-{partition}-{earlier}"
            if earlier < offset and value == message_id.encode():
                return hash(message_id)
    return NOTHING
