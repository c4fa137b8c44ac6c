"""The next offset to be read of each partition, and which ones do not move; pure.

Of some batches that it cannot take apart the client says nothing. So a partition that stands still
before the end of what the broker has is suspected, and looked at.
"""

from collections.abc import Collection, Iterator
from typing import Final

STANDSTILL: Final = 5.0
"""Seconds, in which the consumer is polled all the time, after which a partition stands still."""
LONGEST_STANDSTILL: Final = 300.0
LONGEST_TURN: Final = 1.0
"""Seconds between two polls; after longer ones no partition counts as standing still."""


class Positions:
    """Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._moved: dict[int, float] = {}
        self._cleared: dict[int, tuple[int, int]] = {}
        self._patience: dict[int, float] = {}
        """Seconds, where they are more than STANDSTILL: a look discards data that is merely slow to
        arrive, so each look at the same place takes longer to come."""
        self._polled = 0.0

    def start(self, partition: int, offset: int, now: float) -> None:
        """The partition starts again: what was found at this offset before was not committed."""
        self._cleared.pop(partition, None)
        self._patience.pop(partition, None)
        self.move(partition, offset, now)

    def move(self, partition: int, offset: int, now: float) -> None:
        """`offset`: the next one to be read."""
        if self._patience and self._next.get(partition) != offset:
            self._patience.pop(partition, None)
        self._next[partition] = offset
        self._moved[partition] = now

    def next(self, partition: int) -> int:
        return self._next[partition]

    def standing_still(self, partitions: Collection[int], now: float) -> Iterator[int]:
        """Of these, at each poll."""
        if now - self._polled > LONGEST_TURN:
            self._moved = dict.fromkeys(self._moved, now)
        self._polled = now
        for partition in partitions:
            if now - self._moved[partition] >= self._patience.get(partition, STANDSTILL):
                self._moved[partition] = now  # looked at again after as long a time
                yield partition

    def is_suspect(self, partition: int, end: int) -> bool:
        """Whether there is more to read up to `end`, as was not known the last time it was asked.

        The last offsets of a partition may be no records (ends of transactions).
        """
        place = self._next[partition], end
        is_known = self._cleared.get(partition) == place
        self._cleared[partition] = place
        if self._next[partition] >= end or is_known:
            return False
        patience = self._patience.get(partition, STANDSTILL)
        self._patience[partition] = min(2 * patience, LONGEST_STANDSTILL)
        return True
