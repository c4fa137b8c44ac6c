"""Parsers of single settings: text in, typed value out; ValueError if it is not allowed."""

import math
import re
from collections.abc import Callable
from pathlib import Path

TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
"""Kafka's rule for topic names; `group.instance.id` follows the same."""

_BROKER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s,:/@\[\]]+)(:(?P<port>[0-9]+))?")


def text(value: str) -> str:
    if not value.isprintable() or len(value) > 249:
        raise ValueError
    return value


def group_name(value: str) -> str:
    """Printable ASCII: the name is part of the `transactional.id` and of log lines."""
    if not value.isascii():
        raise ValueError
    return text(value)


def secret(value: str) -> str:
    return value


def topic_name(value: str) -> str:
    if not TOPIC_NAME.fullmatch(value) or value in (".", ".."):
        raise ValueError
    return value


def topic_name_or_nothing(value: str) -> str:
    return topic_name(value) if value else ""


def broker_list(value: str) -> str:
    """One or more `host:port`, comma-separated. IPv6 in brackets; the port defaults to 9092."""
    for broker in value.split(","):
        match = _BROKER.fullmatch(broker.strip())
        if not match or not 0 < int(match["port"] or 9092) < 65536:
            raise ValueError
    return value


def without_login(text: str) -> str:
    """Hides `user:password@` in a text that may contain URLs."""
    return re.sub(r"\S*@", "(login)@", text)


def comma_separated(value: str) -> frozenset[str]:
    items = frozenset(item.strip() for item in value.split(",")) - {""}
    if not items:
        raise ValueError
    return items


def labels(is_label: Callable[[str], object], limit: int) -> Callable[[str], frozenset[str]]:
    def parse(value: str) -> frozenset[str]:
        items = comma_separated(value)
        if len(items) > limit or not all(map(is_label, items)):
            raise ValueError
        return items

    return parse


def boolean(value: str) -> bool:
    return {"true": True, "false": False}[value.lower()]


def existing_file(value: str) -> Path:
    path = Path(value).expanduser()
    if not path.is_file():
        raise ValueError
    return path


def integer(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,19}", value) or not low <= int(value) <= high:
            raise ValueError
        return int(value)

    return parse


def seconds(low: float, high: float = math.inf) -> Callable[[str], float]:
    def parse(value: str) -> float:
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
            raise ValueError
        if not low <= float(value) <= high:
            raise ValueError
        return float(value)

    return parse


def one_of(*choices: str) -> Callable[[str], str]:
    """Parses case-insensitively, and returns the choice as it is spelled here."""
    by_lower_case = {choice.lower(): choice for choice in choices}

    def parse(value: str) -> str:
        return by_lower_case[value.lower()]

    return parse
