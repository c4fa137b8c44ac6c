"""Messages that failed: how many lately, by type, and the latest ones."""

from bisect import insort
from collections import Counter
from operator import itemgetter
from typing import Final

from msgspec import Struct

from kafka_processor.dashboard.formats import Failure
from kafka_processor.event.labels import OTHER
from kafka_processor.records import ERROR_TYPES
from kafka_processor.terminal.printable import printable

LATEST: Final = 20
MAX_ID: Final = 280
"""Of a message: a topic has at most 249 characters."""
MAX_TYPE: Final = 40
MAX_MESSAGE: Final = 500


class LatestFailure(Struct):
    """Ready to be shown; `time` in milliseconds since the epoch."""

    time: int
    message_id: str
    error_type: str
    error_message: str


class Failures:
    """Times of records in milliseconds; only the last `window` seconds are counted."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._seconds: dict[int, Counter[str]] = {}
        self._latest: list[tuple[int, LatestFailure]] = []
        """With their times, the oldest first."""

    def take(self, failure: Failure, time: int, now: int) -> None:
        """`now` in seconds."""
        second = time // 1000
        if second > now - self._window:
            kind = failure.error_type if failure.error_type in ERROR_TYPES else OTHER
            if second not in self._seconds:
                self._forget(now)
                self._seconds[second] = Counter()
            self._seconds[second][kind] += 1
        if len(self._latest) < LATEST or time >= self._latest[0][0]:
            insort(self._latest, (time, _ready_to_be_shown(failure, time)), key=itemgetter(0))
            del self._latest[:-LATEST]

    def _forget(self, now: int) -> None:
        for second in [each for each in self._seconds if each <= now - self._window]:
            del self._seconds[second]

    def recent(self, now: int) -> Counter[str]:
        """Those of the window by type."""
        self._forget(now)
        whole: Counter[str] = Counter()
        for types in self._seconds.values():
            whole.update(types)
        return whole

    def latest(self, now: int) -> list[LatestFailure]:
        """Those of the window, the latest first; `now` in seconds."""
        return [
            failure for time, failure in reversed(self._latest) if time // 1000 > now - self._window
        ]


def _ready_to_be_shown(failure: Failure, time: int) -> LatestFailure:
    """A small copy: a record may be large."""
    return LatestFailure(
        time,
        printable(failure.message_id, MAX_ID),
        printable(failure.error_type, MAX_TYPE),
        printable(failure.error_message, MAX_MESSAGE),
    )
