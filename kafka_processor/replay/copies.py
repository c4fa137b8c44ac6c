"""How a copy names its original, how the two are compared, and how fast copies are sent."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final, Protocol

from kafka_processor.event.headers import REPLAY_HEADER, UNREADABLE_HEADERS, Header, read_headers

BURST: Final = 0.1
"""Seconds of delay that a replay may catch up on beyond its rate."""
LEAST_WAIT: Final = 0.001


class Message(Protocol):
    """What `confluent_kafka.Message` has."""

    def headers(self) -> Any: ...


class UnreadableHeaders(Exception):
    """The name of a header is not UTF-8: the Python client can neither read nor write it."""


def headers_of(message: Message) -> list[Header]:
    """Raises UnreadableHeaders; never ask that message again."""
    try:
        return read_headers(message) or []
    except UNREADABLE_HEADERS:
        raise UnreadableHeaders from None


def headers_of_copy(headers: Iterable[Header], message_id: str) -> list[Header]:
    """Returns the message's own headers, then the one that names it as the original."""
    own = [(name, value) for name, value in headers if name != REPLAY_HEADER]
    return [*own, (REPLAY_HEADER, message_id.encode())]


class Digester:
    """Key and value of a message → a digest of 64 bits, keyed so that nobody can forge one."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: at most 64 bytes, of this process alone."""
        self._hash = blake2b(digest_size=8, key=secret)

    def digest(self, key: bytes | str | None, value: bytes | None) -> int:
        own = self._hash.copy()
        for part in (key, value):
            raw = part.encode() if isinstance(part, str) else part
            # Each part's length comes first, -1 for none: so no two pairs have the same bytes.
            own.update((-1 if raw is None else len(raw)).to_bytes(8, "big", signed=True))
            own.update(raw or b"")
        return int.from_bytes(own.digest(), "big", signed=True)


class Pace:
    """When the next copy may be sent; times in seconds of a monotonic clock."""

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Returns the seconds to wait before the next copy; 0 if they are too few to wait for."""
        wait = self._next - now
        return wait if wait >= LEAST_WAIT else 0.0

    def count(self, now: float) -> None:
        """Call it for each copy that is sent."""
        self._next = max(self._next, now - BURST) + self._interval
