"""The W3C's trace context, as a producer of events may have put it into a header.

Headers are anybody's: what is not exactly of the form counts as none.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_TRACE_PARENT: Final = re.compile(
    rb"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})"
    rb"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.DOTALL,
)
_NO_VERSION: Final = b"ff"
_FIRST_VERSION: Final = b"00"
_SAMPLED_DIGITS: Final = b"13579bdf"
"""Last digits of flags that say so."""
MAX_LINKS: Final = 128
"""Of a batch, which may have 40,000 messages."""


class TraceParent(NamedTuple):
    trace_id: int
    span_id: int
    flags: int


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


class TraceParents:
    """Those of many events: MAX_LINKS at most, recorded ones first, since others lead nowhere.

    They are looked at closely when they are asked for: there may be one for each message.
    """

    def __init__(self) -> None:
        self._sampled: list[bytes] = []
        self._others: list[bytes] = []

    def add(self, texts: Iterable[bytes]) -> None:
        for text in texts:
            into = self._sampled if text[54:55] in _SAMPLED_DIGITS else self._others
            if len(into) < MAX_LINKS and _TRACE_PARENT.fullmatch(text):
                into.append(text)

    def extend(self, later: "TraceParents") -> None:
        self._sampled += later._sampled[: MAX_LINKS - len(self._sampled)]
        self._others += later._others[: MAX_LINKS - len(self._others)]

    def read(self) -> list[TraceParent]:
        parsed = (parse_trace_parent(text) for text in (*self._sampled, *self._others))
        return [parent for parent in parsed if parent][:MAX_LINKS]
