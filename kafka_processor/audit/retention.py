"""Which missing records retention may have deleted; pure.

In each output partition, the records of an input partition are in the order of the input. So if its
beginning was deleted, deleted records belong to messages before the first remaining one or, if none
remains, to any message.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

EVERYTHING: Final = 2**63
"""A horizon beyond all offsets."""


@dataclass(frozen=True)
class Lane:
    """A partition of an output topic."""

    topic: str
    partition: int


class Retention:
    """Collects the first remaining record of each input partition, for the horizons."""

    def __init__(self) -> None:
        self._first: dict[int, dict[int, int]] = {}
        """Offsets of the messages by lane and input partition."""
        self._topic_of: dict[int, str] = {}
        self.lanes: set[int] = set()
        """Lanes whose beginning was deleted."""

    def begin(self, lane: int, topic: str) -> None:
        """Records that the beginning of a lane was deleted; discards what was seen of it before."""
        self._first[lane] = {}
        self._topic_of[lane] = topic
        self.lanes.add(lane)

    def see(self, lane: int, partition: int, offset: int) -> None:
        """Records an output record about a message of the input.

        The lowest offset counts, not the first record: otherwise one forged record at the beginning
        could excuse all losses before the message that it names.
        """
        first = self._first[lane]
        first[partition] = min(offset, first.get(partition, offset))

    def horizon(self, topics: Iterable[str], partition: int) -> int:
        """Returns the offset below which a missing record may have been deleted; 0: none was."""
        wanted = set(topics)
        return max(
            (
                first.get(partition, EVERYTHING)
                for lane, first in self._first.items()
                if self._topic_of[lane] in wanted
            ),
            default=0,
        )
