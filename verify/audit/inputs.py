"""An input message → its entry. The rules of the contract are read anew here, not imported."""

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

from kafka_processor.records import MAX_TEXT
from verify.audit.entries import NOTHING, Headers, Message, fingerprint, listed

OTHER_LABEL: Final = "__other__"
_ENDS_OF_MASKED: Final = (".0", "::")
"""All masked addresses end so, which spares most values the slow look."""
_MAX_LENGTH: Final = 500
"""Of a value that is searched for in an error message, which has no more characters."""

_looks_like_time = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]{8,12}[Zz]").fullmatch
_EPOCH: Final = datetime(1970, 1, 1)
_FIRST_MILLISECONDS: Final = 100_000_000_000
_END_OF_9999: Final = 253_402_300_800_000
_is_label = re.compile(r"[A-Za-z0-9_-]{1,16}").fullmatch
_is_number = re.compile(r"[0-9]+(\.[0-9]+)?").fullmatch
_is_message_id = re.compile(rb"[a-zA-Z0-9._-]{1,249}-[0-9]{1,10}-[0-9]{1,19}").fullmatch


class _Event(Struct, gc=False):
    user_id: Any = None
    ip: Any = None
    device_id: Any = None
    app_version: Any = None
    device_type: Any = None
    timestamp: Any = None
    locale: Any = None


_decode = msgspec.json.Decoder(_Event).decode
_NO_EVENT: Final = _Event()


def input_entry(offset: int, value: bytes | None, headers: Headers) -> Message:
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
        label(event.device_type),
        label(event.locale),
        replayed_message(headers) if headers else NOTHING,
        ip_folded,
        device_id_folded,
    )


def _in_lower_case(value: Any) -> tuple[int, int]:
    """The folded fingerprint, and how long that text is."""
    if type(value) is not str:
        return fingerprint(value), 0
    text = value.lower()
    return hash(text), min(len(text), _MAX_LENGTH + 1)


def _text(value: Any) -> int:
    """Of a text field, where it is valid."""
    return hash(value) if type(value) is str and len(value) <= MAX_TEXT else NOTHING


def _time(value: Any) -> int:
    if type(value) is str:
        return hash(value) if len(value) <= MAX_TEXT and _is_number(value) else NOTHING
    if type(value) not in (int, float) or abs(value) > sys.float_info.max:
        return NOTHING  # also of a number that no double holds
    return hash(repr(value))


def label(value: Any) -> str:
    """The name under which a device type or locale is counted, if there is room for it."""
    return _label(value) if type(value) is str and len(value) <= 16 else OTHER_LABEL


@lru_cache(maxsize=4096)
def _label(value: str) -> str:
    return value if _is_label(value) else OTHER_LABEL


def _is_own_mask(device_id: Any, ip: Any) -> bool:
    """Whether the device has its own masked address as its id: then it stands in an output."""
    if type(device_id) is not str or not device_id.endswith(_ENDS_OF_MASKED):
        return False
    return type(ip) is str and masked(ip) == device_id.lower()


def _is_own_time(device_id: Any, timestamp: Any) -> bool:
    """Whether the device has the time of its own event as its id, to the second."""
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
    """Whether the mask leaves the address as it is; of what is no address nothing is left."""
    return ip.endswith(_ENDS_OF_MASKED) and masked(ip) == ip.lower()


def masked(ip: str) -> str | None:
    """The address as the contract masks it: IPv4 keeps 24 bits, IPv6 48, 6to4 40."""
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


def replayed_message(headers: Headers) -> int:
    """Fingerprint of the message that this one repeats; NOTHING if it is no replay's."""
    for name, value in listed(headers):
        if name == "replay-of" and isinstance(value, bytes) and _is_message_id(value):
            return hash(value.decode("ascii"))
    return NOTHING
