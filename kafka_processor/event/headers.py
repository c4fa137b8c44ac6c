"""The headers of a message that count: which message it repeats, and its trace."""

from collections.abc import Iterable
from operator import methodcaller
from typing import Final

from kafka_processor.message_id import Position, position_in

REPLAY_HEADER: Final = "replay-of"
TRACE_HEADER: Final = "traceparent"
"""Of the W3C's trace context."""
MAX_TRACE_PARENT: Final = 56
"""Bytes of a trace header that can matter: one more than a valid one has."""

Header = tuple[str, bytes | str | None]
"""As the client returns them; values are bytes."""

read_headers: Final = methodcaller("headers")
"""Returns the headers of a message. Raises UNREADABLE_HEADERS if the name of one is not UTF-8.

In that case the client's method sets an exception and still returns a list, in which the name is a
null pointer: reading it crashes the process. `message.headers()` may let such a list through, since
Python specializes a call site that runs often and then no longer checks for the exception. This
call always does. Never ask a message with unreadable headers a second time.
"""
UNREADABLE_HEADERS: Final = (SystemError, UnicodeError)


def original_of(
    headers: Iterable[Header], topic: str, partition: int, offset: int
) -> Position | None:
    """Returns the position of the message that the one at these coordinates repeats, if any.

    A replay sends a copy to the partition of its original, so the original has a lower offset
    there. A header with any other value was not written by a replay and may hold anything.
    """
    for name, value in headers:
        if name == REPLAY_HEADER and isinstance(value, bytes):
            original = position_in(topic, value.decode("latin-1"))  # which decodes any bytes
            if original and original[0] == partition and original[1] < offset:
                return original
    return None


def trace_parent(headers: Iterable[Header]) -> bytes | None:
    """Returns the value of the trace header, cut to the bytes that can matter."""
    for name, value in headers:
        if name == TRACE_HEADER and isinstance(value, bytes):
            return value[:MAX_TRACE_PARENT]
    return None
