"""The transformation: pseudonyms for devices, masks for addresses, times in one format.

The raw `ip` and `device_id` go no further: nothing that this module returns holds them.
"""

import hashlib
import hmac
from collections.abc import Mapping
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any, Final

from msgspec import Raw
from msgspec.structs import asdict

from kafka_processor.checks import Rejection, what_is_wrong
from kafka_processor.event.timestamps import event_time
from kafka_processor.records import Content, LoginEvent, ProcessedRecord

_SHA256_BLOCK: Final = 64
_IPV4_MAPPED: Final = bytes(10) + b"\xff\xff"
_6TO4: Final = b"\x20\x02"


class Pseudonymizer:
    """HMAC-SHA256 (RFC 2104) under one secret key, as 64 lower-case hex digits.

    The inner and the outer key are hashed once and copied for each value: three times as fast as
    `hmac.digest`, with the same result.
    """

    def __init__(self, key: bytes) -> None:
        block = hashlib.sha256(key).digest() if len(key) > _SHA256_BLOCK else key
        block = block.ljust(_SHA256_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
        self.key_id = key_id(key)

    def pseudonym(self, device_id: str) -> str:
        inner = self._inner.copy()
        inner.update(device_id.encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


def key_id(key: bytes) -> str:
    """Returns the name of a key: 8 hex digits that identify it and reveal nothing about it."""
    return hmac.digest(key, b"kafka_processor key id", "sha256").hex()[:8]


def former_key_id(key: bytes) -> str:
    """Returns the name that early snapshots had for the key: stored counts may have it."""
    return hashlib.sha256(key).hexdigest()[:8]


def mask_ip(ip: str) -> str | None:
    """Returns the address without the bits that identify a user; None if it is not an IP address.

    IPv4 keeps 24 bits, IPv6 48, 6to4 40 (it carries an IPv4 from bit 16 on). An IPv4-mapped
    address becomes its masked IPv4.
    """
    try:
        if ":" not in ip:
            inet_pton(AF_INET, ip)
            return ip.rpartition(".")[0] + ".0"
        packed = inet_pton(AF_INET6, ip)
    except (OSError, ValueError):  # ValueError: it contains a NUL
        return None
    if packed.startswith(_IPV4_MAPPED):
        return inet_ntop(AF_INET, packed[12:15] + b"\0")
    kept = 5 if packed.startswith(_6TO4) else 6
    return inet_ntop(AF_INET6, packed[:kept].ljust(16, b"\0"))


def transform_message(
    event: LoginEvent, message_id: str, pseudonymizer: Pseudonymizer
) -> ProcessedRecord | Rejection:
    """Returns the record for `processed-output`, or a `transform_error`."""
    ip = mask_ip(event.ip)
    time = event_time(event.timestamp)
    if ip is None or time is None:
        return _transform_error(event, ip, time)
    # Keywords cost 30 ns a message here, 0.4% of the core: less than a swapped ip and locale.
    return ProcessedRecord(
        message_id=message_id,
        user_id=event.user_id,
        app_version=event.app_version,
        device_type=event.device_type,
        ip=ip,
        locale=event.locale,
        device_id=pseudonymizer.pseudonym(event.device_id),
        key_id=pseudonymizer.key_id,
        timestamp=time,
    )


def _transform_error(event: LoginEvent, ip: str | None, time: str | None) -> Rejection:
    problems = []
    if ip is None:
        problems.append("ip is not an IP address")
    if time is None:
        problems.append("timestamp is not a time between 1970 and 9999")
    return Rejection("transform_error", "; ".join(problems), asdict(event))


def masked_content(fields: Mapping[str, Any], pseudonymizer: Pseudonymizer) -> Content:
    """Returns the listed fields of a message that was not processed, safe to publish.

    A value that is too long or of the wrong type becomes null, an empty string stays.
    """
    content: Content = {}
    for name, value in fields.items():
        if value == "":
            content[name] = None if name == "device_id" else ""
        elif value is None or what_is_wrong(name, value):
            content[name] = None
        elif name == "ip":
            content[name] = mask_ip(value)
        elif name == "device_id":
            content[name] = pseudonymizer.pseudonym(value)
        elif isinstance(value, int) and value.bit_length() > 63:
            content[name] = Raw(str(value).encode())  # the encoder stops at 64 bits, JSON does not
        else:
            content[name] = value
    if content.get("device_id"):
        content["key_id"] = pseudonymizer.key_id
    return content
