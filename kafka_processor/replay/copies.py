"""How a copy names the message that it repeats."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final, Protocol

from kafka_processor.pipeline import (
    REPLAY_HEADER,
    UNREADABLE_HEADERS,
    read_headers,
    replayed_message,
)
from kafka_processor.replay.outcomes import position_in
from kafka_processor.replay.selection import Position

Header = tuple[str, str | bytes | None]
"""As the client has them; values are bytes."""

BURST: Final = 0.1
"""Seconds of delay that a replay may catch up on beyond its rate."""
LEAST_WAIT: Final = 0.001


class Message(Protocol):
    """What `confluent_kafka.Message` has."""

    def headers(self) -> Any: ...


class UnreadableHeaders(Exception):
    """The name of a header is no UTF-8: the Python client can neither read nor write it."""


def headers_of(message: Message) -> list[Header]:
    """Raises UnreadableHeaders; then the message must not be asked again."""
    try:
        return read_headers(message) or []
    except UNREADABLE_HEADERS:
        raise UnreadableHeaders from None


def headers_of_copy(headers: Iterable[Header], message_id: str) -> list[Header]:
    """Those of the message, and last the one that says which message this is a copy of."""
    own = [(name, value) for name, value in headers if name != REPLAY_HEADER]
    return [*own, (REPLAY_HEADER, message_id.encode())]


def original_of(
    headers: Iterable[Header], topic: str, partition: int, offset: int
) -> Position | None:
    """Where the message is that the one with these headers and coordinates is a copy of.

    A copy goes to the partition of its original, so it comes after it there. Whatever else names
    a message of this topic is no copy made here.
    """
    named = replayed_message(headers, f"{topic}-{partition}-", offset)
    position = position_in(topic, named) if named else None
    if position is None or position[0] != partition or position[1] >= offset:
        return None
    return position


class Digester:
    """Key and value of a message → a number of 64 bits, equal for equal ones.

    Keyed, so that nobody can make another message with the same one.
    """

    def __init__(self, secret: bytes) -> None:
        """`secret`: at most 64 bytes, of this process alone."""
        self._hash = blake2b(digest_size=8, key=secret)

    def digest(self, key: bytes | str | None, value: bytes | None) -> int:
        own = self._hash.copy()
        for part in (key, value):
            raw = part.encode() if isinstance(part, str) else part
            # The length in front, and -1 for none: so the two parts cannot be mistaken.
            own.update((-1 if raw is None else len(raw)).to_bytes(8, "big", signed=True))
            own.update(raw or b"")
        return int.from_bytes(own.digest(), "big", signed=True)


class Pace:
    """When the next copy may be sent; times in seconds of a monotonic clock."""

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Seconds to wait before the next copy; 0: none, or too few to wait for each copy."""
        wait = self._next - now
        return wait if wait >= LEAST_WAIT else 0.0

    def count(self, now: float) -> None:
        """A copy is sent."""
        self._next = max(self._next, now - BURST) + self._interval
