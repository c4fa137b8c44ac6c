"""Single messages with the outcome that the contract gives them: how a case is written."""

import hashlib
import hmac
import ipaddress
import itertools
import json
from dataclasses import dataclass
from typing import Any, Final

from tests.support.job import KEY
from tests.support.raw_batches import RawHeaders

FIELDS: Final = (
    "user_id",
    "ip",
    "device_id",
    "app_version",
    "device_type",
    "timestamp",
    "locale",
)
TIMESTAMP: Final = 1694479551
TIMESTAMP_TEXT: Final = "2023-09-12T00:45:51Z"
ABSENT: Final = object()
ANY_ERROR: Final = "any error"

Fields = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One message, and what has to become of it.

    fields: the event as a reader of its JSON sees it; None if it is none.
    named: the fields that its error message names, in this order.
    ip, time: of the processed record; no ip: what `masked` says.
    """

    name: str
    value: bytes | None
    outcome: str
    fields: Fields | None = None
    named: tuple[str, ...] = ()
    ip: str = ""
    time: str = TIMESTAMP_TEXT
    key: bytes | None = None
    age: float | None = None
    headers: RawHeaders | None = None


_numbers = itertools.count()


def login(**changes: Any) -> Fields:
    """A good event with its own user, device and address; ABSENT leaves a field out."""
    number = next(_numbers)
    fields: Fields = {
        "user_id": f"user-{number}",
        "app_version": "2.3.0",
        "device_type": "android",
        "ip": f"93.{number // 63_500 % 250}.{number // 254 % 250 + 1}.{number % 254 + 1}",
        "locale": "RU",
        "device_id": f"593-47-{number:06}",
        "timestamp": TIMESTAMP,
    }
    fields.update(changes)
    return {name: value for name, value in fields.items() if value is not ABSENT}


def encoded(fields: Fields) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def processed(name: str, **changes: Any) -> Case:
    fields = login(**changes)
    return Case(name, encoded(fields), "processed", fields)


def filtered(name: str, **changes: Any) -> Case:
    fields = login(**changes)
    return Case(name, encoded(fields), "filtered", fields)


def failed(name: str, outcome: str, *named: str, **changes: Any) -> Case:
    fields = login(**changes)
    return Case(name, encoded(fields), outcome, fields, named)


def unparsable(name: str, value: bytes | None) -> Case:
    return Case(name, value, "parse_error")


def spelled(name: str, old: str, new: str, outcome: str = "parse_error", **expected: Any) -> Case:
    """A good event with a piece of its JSON text replaced; `expected`: how it reads then."""
    fields = login()
    text = json.dumps(fields)
    assert old in text
    value = text.replace(old, new, 1).encode("utf-8", "surrogatepass")
    if outcome != "processed":
        return Case(name, value, outcome)
    return Case(name, value, outcome, fields | expected)


def pseudonym(device_id: str) -> str:
    return hmac.new(bytes.fromhex(KEY), device_id.encode(), hashlib.sha256).hexdigest()


def masked(ip: object) -> str | None:
    """The address as the contract masks it, or None: it is no address."""
    if not isinstance(ip, str) or "%" in ip:
        return None
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if isinstance(address, ipaddress.IPv4Address):
        return str(ipaddress.IPv4Address(int(address) >> 8 << 8))
    hidden = 88 if int(address) >> 112 == 0x2002 else 80
    return str(ipaddress.IPv6Address(int(address) >> hidden << hidden))


def is_text(value: object) -> bool:
    """A string that a field may hold, empty or not."""
    return isinstance(value, str) and len(value) <= 1024


def is_numeric_text(text: str) -> bool:
    whole, dot, fraction = text.partition(".")
    digits = (whole, fraction) if dot else (whole,)
    return all(part.isascii() and part.isdigit() for part in digits)


def expected_content(fields: Fields, key_id: str) -> Fields:
    """The `message_content` of an event that was filtered out or failed."""
    content: Fields = {}
    for name in FIELDS:
        if name in fields:
            content[name] = _content_of(name, fields[name])
    if content.get("device_id") is not None:
        content["key_id"] = key_id
    return content


def _content_of(name: str, value: Any) -> Any:
    if name == "timestamp" and isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if not is_text(value):
        return None
    if name == "device_id":
        return pseudonym(value) if value else None
    if name == "ip" and value:
        return masked(value)
    if name == "timestamp" and value:
        return value if is_numeric_text(value) else None
    return value
