"""The W3C's trace context, as a producer of events may have put it into a header.

Headers are anybody's: what is not exactly of the form counts as none.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

_TRACE_PARENT: Final = re.compile(
    rb"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})"
    rb"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.DOTALL,
)
_NO_VERSION: Final = b"ff"
_FIRST_VERSION: Final = b"00"
_SAMPLED: Final = 1


class TraceParent(NamedTuple):
    trace_id: int
    span_id: int
    flags: int

    @property
    def is_sampled(self) -> bool:
        """Whether its span is recorded, so that somebody can look it up."""
        return bool(self.flags & _SAMPLED)


def parse_trace_parent(text: bytes) -> TraceParent | None:
    """Of any version: later ones may have more behind what is known of them."""
    match = _TRACE_PARENT.fullmatch(text)
    if not match or match["version"] == _NO_VERSION:
        return None
    if match["more"] is not None and match["version"] == _FIRST_VERSION:
        return None
    trace_id, span_id = int(match["trace"], 16), int(match["span"], 16)
    if not trace_id or not span_id:
        return None
    return TraceParent(trace_id, span_id, int(match["flags"], 16))


def parse_some(texts: Sequence[bytes], most: int) -> list[TraceParent]:
    """At most so many of those that are of the form; recorded ones first, others lead nowhere.

    No more are looked at closely than are needed: there may be one for each message.
    """
    sampled = [text for text in texts if text[54:55] in b"13579bdf"]
    others = [text for text in texts if text[54:55] not in b"13579bdf"]
    found: list[TraceParent] = []
    for text in (*sampled, *others):
        if len(found) == most:
            break
        if parent := parse_trace_parent(text):
            found.append(parent)
    return found


def choose(parents: Iterable[TraceParent], most: int) -> list[TraceParent]:
    """At most so many, recorded ones first."""
    known = list(parents)
    if len(known) <= most:
        return known
    return sorted(known, key=lambda parent: not parent.is_sampled)[:most]
