"""Failed messages: how many within the window, by error type, and the latest ones."""

from bisect import insort
from collections import Counter
from operator import itemgetter
from typing import Final

from msgspec import Struct

from kafka_processor.dashboard.formats import Failure
from kafka_processor.event.labels import OTHER
from kafka_processor.outcomes import ERROR_TYPES
from kafka_processor.terminal.printable import printable

LATEST: Final = 20
MAX_ID: Final = 280
"""Characters of a message id, of which the topic takes up to 249."""
MAX_TYPE: Final = 40
MAX_MESSAGE: Final = 500


class LatestFailure(Struct, kw_only=True):
    """Short and printable; `time` in milliseconds since the epoch."""

    time: int
    message_id: str
    error_type: str
    error_message: str


class Failures:
    """Counts the failures of the last `window` seconds."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._seconds: dict[int, Counter[str]] = {}
        self._latest: list[tuple[int, LatestFailure]] = []
        """With their times in milliseconds, the oldest first."""

    def take(self, failure: Failure, time: int, now: int) -> None:
        """`time` of the record in milliseconds, `now` in seconds."""
        second = time // 1000
        if second > now - self._window:
            kind = failure.error_type if failure.error_type in ERROR_TYPES else OTHER
            if second not in self._seconds:
                self._forget(now)
                self._seconds[second] = Counter()
            self._seconds[second][kind] += 1
        if len(self._latest) < LATEST or time >= self._latest[0][0]:
            insort(self._latest, (time, _shortened(failure, time)), key=itemgetter(0))
            del self._latest[:-LATEST]

    def _forget(self, now: int) -> None:
        for second in [each for each in self._seconds if each <= now - self._window]:
            del self._seconds[second]

    def recent(self, now: int) -> Counter[str]:
        """Returns the failures within the window by type; `now` in seconds."""
        self._forget(now)
        whole: Counter[str] = Counter()
        for types in self._seconds.values():
            whole.update(types)
        return whole

    def latest(self, now: int) -> list[LatestFailure]:
        """Returns failures within the window, the latest first; `now` in seconds."""
        return [
            failure for time, failure in reversed(self._latest) if time // 1000 > now - self._window
        ]


def _shortened(failure: Failure, time: int) -> LatestFailure:
    """A record may be large, so nothing of it is kept."""
    return LatestFailure(
        time=time,
        message_id=printable(failure.message_id, MAX_ID),
        error_type=printable(failure.error_type, MAX_TYPE),
        error_message=printable(failure.error_message, MAX_MESSAGE),
    )
