"""What retention has deleted of the outputs, and for which messages that is an excuse; pure.

Records of one input partition lie in each output partition in the order of the input. So where
the beginning of an output partition is deleted, what is gone belongs to messages before the
first one that is left; where none is left, to any.
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
    """Gathers the first record that is left of each input partition; then says the horizons."""

    def __init__(self) -> None:
        self._first: dict[int, dict[int, int]] = {}
        """By lane: by input partition, the offset of the message."""
        self._topic_of: dict[int, str] = {}
        self.lanes: set[int] = set()
        """Those that have lost their beginning."""

    def begin(self, lane: int, topic: str) -> None:
        """The lane has lost its beginning; what was seen of it before counts no more."""
        self._first[lane] = {}
        self._topic_of[lane] = topic
        self.lanes.add(lane)

    def see(self, lane: int, partition: int, offset: int) -> None:
        """A record about a message of the input.

        The lowest offset counts, not the first record: one forged record at the beginning could
        otherwise excuse whatever is lost before the message that it names.
        """
        first = self._first[lane]
        first[partition] = min(offset, first.get(partition, offset))

    def horizon(self, topics: Iterable[str], partition: int) -> int:
        """Below it, a missing record of a message may have been in one of the topics, and deleted.

        0 if nothing of them is deleted.
        """
        wanted = set(topics)
        return max(
            (
                first.get(partition, EVERYTHING)
                for lane, first in self._first.items()
                if self._topic_of[lane] in wanted
            ),
            default=0,
        )
