"""An input message → its entry. The rules of the contract are read anew here, not imported."""

import ipaddress
import re
import sys
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
    return Message(
        offset,
        _text(event.user_id),
        _text(event.app_version),
        _text(event.device_type),
        _text(event.locale),
        _time(event.timestamp),
        NOTHING if type(ip) is str and stays_unmasked(ip) else fingerprint(ip),
        NOTHING if _is_own_mask(device_id, ip) else fingerprint(device_id),
        min(len(ip), _MAX_LENGTH + 1) if type(ip) is str else 0,
        min(len(device_id), _MAX_LENGTH + 1) if type(device_id) is str else 0,
        label(event.device_type),
        label(event.locale),
        replayed_message(headers) if headers else NOTHING,
    )


def unreadable_entry(offset: int) -> Message:
    """Of a record that cannot be read."""
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
    return type(ip) is str and masked(ip) == device_id


def stays_unmasked(ip: str) -> bool:
    """Whether the mask leaves the address as it is; of what is no address nothing is left."""
    return ip.endswith(_ENDS_OF_MASKED) and masked(ip) == ip


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
