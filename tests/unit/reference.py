"""The contract once more, slow and straightforward, from the standard library alone.

Shares no code with the program, so that a mistake would have to be made twice to go unseen.
"""

import hmac
import json
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple

FIELDS = ("user_id", "ip", "device_id", "app_version", "device_type", "timestamp", "locale")
ASCII_DIGITS = frozenset("0123456789")


class NotAnEvent(Exception):
    pass


class NoDouble(Exception):
    pass


class Expected(NamedTuple):
    outcome: str
    user_id: str | None = None
    fields: tuple[str, ...] = ()
    """What the error message names, in order."""
    content: dict[str, Any] | None = None
    processed: dict[str, Any] | None = None


def expect(value: bytes | None, key: bytes, accepted: frozenset[str]) -> list[Expected | None]:
    """The outcomes that the contract allows. None: an error, whichever (a number out of range).

    It is one, but where only an unlisted field holds bad UTF-8, lone surrogates or numbers out of
    range: whether that matters is left open.
    """
    allowed: list[Expected | None] = []
    for is_strict in (True, False):
        try:
            event = parse(value, is_strict)
        except NotAnEvent:
            allowed.append(Expected("parse_error"))
        except NoDouble:
            allowed.append(None)
        else:
            allowed.append(_judge(event, key, accepted))
    return allowed


def _judge(event: dict[str, Any], key: bytes, accepted: frozenset[str]) -> Expected:
    content = message_content(event, key)
    user_id = event.get("user_id")
    if not isinstance(user_id, str) or not 1 <= len(user_id) <= 1024:
        user_id = None

    missing = tuple(name for name in FIELDS if event.get(name) is None or event[name] == "")
    if missing:
        return Expected("missing_field", user_id, missing, content)
    invalid = tuple(name for name in FIELDS if is_invalid(name, event[name]))
    if invalid:
        return Expected("invalid_field", user_id, invalid, content)
    if event["app_version"] not in accepted:
        return Expected("filtered", user_id, (), content)
    ip, time = mask(event["ip"]), event_time(event["timestamp"])
    wrong = (("ip",) if ip is None else ()) + (("timestamp",) if time is None else ())
    if wrong:
        return Expected("transform_error", user_id, wrong, content)
    processed = {name: event[name] for name in ("user_id", "app_version", "device_type", "locale")}
    processed |= {"ip": ip, "timestamp": time, "key_id": key_id(key)}
    processed["device_id"] = pseudonym(event["device_id"], key)
    return Expected("processed", user_id, (), None, processed)


class _Number(str):
    """As it is written."""


class _Object(list[tuple[str, Any]]):
    """Names and values, also of a name that is given again."""


def parse(value: bytes | None, is_strict: bool) -> dict[str, Any]:
    if not value:
        raise NotAnEvent
    try:
        document = json.loads(
            value.decode("utf-8", "surrogateescape"),  # bytes that are no UTF-8: lone surrogates
            object_pairs_hook=_Object,
            parse_constant=_refuse,
            parse_float=_Number,
            parse_int=_Number,
        )
    except (json.JSONDecodeError, RecursionError):
        raise NotAnEvent from None
    if not isinstance(document, _Object):
        raise NotAnEvent
    return {_read(name): _read(part) for name, part in document if is_strict or name in FIELDS}


def _refuse(_constant: str) -> None:
    raise NotAnEvent


def _read(value: Any) -> Any:
    if isinstance(value, _Number):
        number = float(value)
        if number in (float("inf"), float("-inf")):
            raise NoDouble
        return number if set(value) & set(".eE") else int(value)
    if isinstance(value, str) and any(0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise NotAnEvent
    if isinstance(value, _Object):
        return {_read(name): _read(part) for name, part in value}
    return [_read(part) for part in value] if isinstance(value, list) else value


def is_invalid(name: str, value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > 1024 or (name == "timestamp" and not is_numeric(value))
    return not (name == "timestamp" and type(value) in (int, float))


def is_numeric(text: str) -> bool:
    whole, point, fraction = text.partition(".")
    if not whole or (point and not fraction):
        return False
    return set(whole + fraction) <= ASCII_DIGITS


def message_content(event: dict[str, Any], key: bytes) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name in FIELDS:
        if name not in event:
            continue
        value = event[name]
        if value == "" and name != "device_id":
            content[name] = ""
        elif value is None or value == "" or is_invalid(name, value):
            content[name] = None
        elif name == "ip":
            content[name] = mask(value)
        elif name == "device_id":
            content[name] = pseudonym(value, key)
            content["key_id"] = key_id(key)
        else:
            content[name] = value
    return content


def pseudonym(device_id: str, key: bytes) -> str:
    return hmac.digest(key, device_id.encode("utf-8"), "sha256").hex()


def key_id(key: bytes) -> str:
    return hmac.digest(key, b"kafka_processor key id", "sha256").hex()[:8]


def mask(text: str) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        if address.ipv4_mapped is None:
            kept = 40 if address in ip_network("2002::/16") else 48
            return str(ip_network((int(address), kept), strict=False).network_address)
        address = address.ipv4_mapped
    assert isinstance(address, IPv4Address)
    return str(ip_network((int(address), 24), strict=False).network_address)


def event_time(timestamp: int | float | str) -> str | None:
    with localcontext() as context:
        context.prec = 2000
        number = Decimal(repr(timestamp) if isinstance(timestamp, float) else timestamp)
        if number < 0:
            return None
        milliseconds = number if number >= Decimal("1e11") else number * 1000
        if milliseconds >= Decimal("253402300800000"):
            return None
        return rfc3339(int(milliseconds), with_zero=False)


def rfc3339(milliseconds: int, with_zero: bool = True) -> str:
    time = datetime(1970, 1, 1) + timedelta(milliseconds=milliseconds)
    fraction = f".{milliseconds % 1000:03d}" if with_zero or milliseconds % 1000 else ""
    return f"{time:%Y-%m-%dT%H:%M:%S}{fraction}Z"
