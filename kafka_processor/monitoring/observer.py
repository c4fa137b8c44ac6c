"""What the loop reports to its observers: the log, metrics, traces, lineage.

The loop knows none of them. All methods are called on the loop's thread, between two steps of a
turn: they must not wait. What they raise does not reach the loop (`observers.py`).
"""

from collections.abc import Collection, Mapping, Sequence

from kafka_processor.delivery.batch import Batch
from kafka_processor.membership.start_offsets import StartOffset
from kafka_processor.pipeline import Message, Work
from kafka_processor.producer import BatchFailed


class Observer:
    """Does nothing; a subclass overrides what it needs."""

    def turned(self) -> None:
        """A turn of the loop has ended: several times a second, even while nothing arrives."""

    def started(self, start: StartOffset) -> None:
        """A partition is read from an offset: after its assignment, or after a failure."""

    def revoked(self, partitions: Collection[int]) -> None:
        """Partitions were ours, and are about to go to another member."""

    def lost(self, partitions: Collection[int]) -> None:
        """Partitions were ours, and are another member's already."""

    def polling(self) -> None:
        """The loop is about to ask for messages."""

    def processed(self, polled: Mapping[int, Sequence[Message]], works: Mapping[int, Work]) -> None:
        """Messages were processed, by partition; nothing of them is committed yet."""

    def published(self, batch: Batch, seconds: float) -> None:
        """All that was processed is now produced in the open batch, which took `seconds`."""

    def committed(self, batch: Batch, seconds: float) -> None:
        """A batch is committed, `seconds` after its commit began. It has messages."""

    def gave_up(self, failure: BatchFailed, messages: int) -> None:
        """What is not committed is dropped; the batch in hand had so many produced messages.

        All partitions start again at their committed offsets.
        """

    def stopped(self) -> None:
        """The loop has ended and left the group."""
