"""Records that the client cannot hand out: stand-ins for them, and the search for their end; pure.

The client reports a batch that it cannot read with the offset at which the batch begins, whichever
of its offsets is fetched (librdkafka's rdkafka_msgset_reader.c), but not with the one at which it
ends. So the end is searched for: each offset that is fetched by itself either meets the same batch
or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

NO_TIMESTAMP: Final = (0, 0)
"""As a consumed message without a timestamp has it: kind and milliseconds."""
MAX_WITHOUT_REASON: Final = 100
"""Offsets that are searched one by one before the ones found are handed out."""
NO_REASON: Final = "a record of its batch is cut off"
_NOTHING: Final[Mapping[str, int]] = {}


@dataclass(frozen=True)
class UnreadableRecord:
    """Stands for a record in the pipeline, with what is known of it."""

    at: int
    reason: str

    def __len__(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at

    def value(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return NO_TIMESTAMP

    def headers(self) -> None:
        return None


class UnreadableBatch(NamedTuple):
    first: int
    """The first of its offsets that was not handed out before."""
    end: int
    """The first offset behind it."""
    reason: str

    def records(self, start: int, limit: int) -> list[UnreadableRecord]:
        """Stand-ins for at most `limit` offsets from `start` on."""
        offsets = range(max(start, self.first), self.end)[:limit]
        return [UnreadableRecord(offset, self.reason) for offset in offsets]


@dataclass(frozen=True)
class Failed:
    """The batch that begins at `base` cannot be read."""

    base: int
    reason: str


@dataclass(frozen=True)
class Readable:
    """The offset holds a record, or the next record or the end of the partition follows."""


@dataclass(frozen=True)
class Silent:
    """The client returns nothing: in a batch, which is all there, a record is cut off."""

    at: int
    """How far it has come, over what holds no records (ends of transactions)."""


Answer = Failed | Readable | Silent
"""What fetching at one offset brings."""


class BatchSearch:
    """Finds the end of one unreadable batch: fetch at `offset`, and `take` what that brings.

    The offsets to fetch move away from the start in steps that double, then halve the distance: a
    batch of n offsets takes about 2 log2(n) fetches. A batch without an error has no base by which
    it is known again: it is searched one by one, so that no readable record between two such
    batches is passed over.
    """

    def __init__(self, start: int, end: int, known_ends: Mapping[str, int] = _NOTHING) -> None:
        """start: the next offset to be read; end: that of the partition, behind all records.

        known_ends: of batches that were searched before, by the reason, which names the batch.
        """
        self._start = start
        self._known_ends = known_ends
        self._inside: int | None = None
        """The highest offset known to be in the batch; None: nothing is known yet."""
        self._outside = end
        """The lowest offset known to be behind the batch."""
        self._first = start
        self._step = 1
        self._is_galloping = True
        self._is_silent = False
        self._is_readable = start >= end
        """There is no such batch at the start."""
        self.reason = NO_REASON

    @property
    def offset(self) -> int | None:
        """Where to fetch next; None: the search has ended."""
        inside, outside = self._inside, self._outside
        if self._is_readable:
            return None
        if inside is None:
            return self._start
        if inside + 1 >= outside or (
            self._is_silent and inside - self._first >= MAX_WITHOUT_REASON
        ):
            return None
        if self._is_silent:
            return inside + 1
        if self._is_galloping and inside + self._step < outside:
            return inside + self._step
        return (inside + outside) // 2

    def take(self, offset: int, answer: Answer) -> None:
        """What fetching at `offset`, the one that was asked for, has brought."""
        if self._inside is None:
            self._begin(offset, answer)
        elif self._is_of_batch(offset, answer, self._inside):
            self._inside = offset
            self._step *= 2
        else:
            self._is_galloping = False
            self._outside = offset

    def _begin(self, offset: int, answer: Answer) -> None:
        if isinstance(answer, Failed):
            self._first = self._inside = max(offset, answer.base)
            self.reason = answer.reason
            known_end = self._known_ends.get(answer.reason, 0)
            if self._first < known_end <= self._outside:
                self._inside, self._outside = known_end - 1, known_end
        elif isinstance(answer, Silent):
            self._first = self._inside = max(offset, answer.at)
            self._is_silent = True
        # What begins behind the end cannot be read up to now.
        self._is_readable = isinstance(answer, Readable) or self._first >= self._outside

    def _is_of_batch(self, offset: int, answer: Answer, inside: int) -> bool:
        if isinstance(answer, Failed):
            return answer.base <= inside
        return self._is_silent and isinstance(answer, Silent) and answer.at <= offset

    def found(self) -> UnreadableBatch | None:
        """Once the search has ended: the batch, or None if the start is readable."""
        if self._is_readable or self._inside is None:
            return None
        end = self._inside + 1 if self._is_silent else self._outside
        return UnreadableBatch(self._first, end, self.reason)


def stand_ins(run: Sequence[object]) -> Sequence[UnreadableRecord] | None:
    """The run of a partition, if it is of stand-ins: all of it is, or nothing."""
    return cast(Sequence[UnreadableRecord], run) if isinstance(run[0], UnreadableRecord) else None
