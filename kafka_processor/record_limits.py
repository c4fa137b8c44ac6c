"""How large a record each output topic takes.

A broker compares the *compressed* batch with the topic's `max.message.bytes`. Here the
*uncompressed* size of a batch that holds only the record is compared, as Kafka's own clients do for
`max.request.size`. So a record has the same outcome whatever it is batched with, and what the
broker would refuse is known before it is sent.
"""

from collections.abc import Mapping
from typing import Final

DEFAULT_LIMIT: Final = 1_048_588
"""Kafka's default of `max.message.bytes`."""
BATCH_OVERHEAD: Final = 61
"""Bytes of a batch without records, in message format v2."""
MAX_OVERHEAD: Final = BATCH_OVERHEAD + 18
"""The most overhead of a batch and its only record, without headers: the lengths of the record, its
key and its value take up to five bytes each; attributes, time, offset and headers one each."""


class RecordLimits:
    """The bytes that a batch may have, by topic. Shared by everything that builds records."""

    def __init__(self, limits: Mapping[str, int] | None = None) -> None:
        self._limits = dict(limits or {})
        self.has_refused = False
        """Whether a record was refused since this was last set to False."""

    def update(self, limits: Mapping[str, int]) -> None:
        self._limits |= limits

    @property
    def smallest(self) -> int:
        return min(self._limits.values(), default=DEFAULT_LIMIT)

    def of(self, topic: str) -> int:
        return self._limits.get(topic, DEFAULT_LIMIT)

    def surely_fits(self, topic: str) -> int:
        """Returns the bytes of a value that fits with any key that is not longer than the value."""
        return (self.of(topic) - MAX_OVERHEAD) // 2

    def refusal(self, topic: str, key: bytes | None, value: bytes) -> str | None:
        """Returns why the topic does not take the record; None: it does."""
        limit = self.of(topic)
        if len(value) + len(key or b"") + MAX_OVERHEAD <= limit:
            return None
        size = size_alone(key, value)
        if size <= limit:
            return None
        self.has_refused = True
        return f"{topic} takes records of at most {limit} bytes, this one has {size}"


def size_alone(key: bytes | None, value: bytes) -> int:
    """Returns the bytes of an uncompressed batch of only this record, in message format v2."""
    body = 4 + _part(key) + _part(value)
    return BATCH_OVERHEAD + _varint(body) + body


def _part(data: bytes | None) -> int:
    return _varint(len(data)) + len(data) if data is not None else 1


def _varint(number: int) -> int:
    """Returns the bytes of a positive number as a varint: zig-zag encoded, seven bits a byte."""
    return max((2 * number).bit_length() + 6, 7) // 7
