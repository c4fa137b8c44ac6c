"""What the loop tells those who watch it: the log, metrics, traces, lineage.

Each is a room of its own, and the loop knows none of them. All methods are called on the loop's
thread, between two steps of the work: they must not wait. What they raise does not reach the loop
(`observers.py`).
"""

from collections.abc import Collection, Mapping, Sequence

from kafka_processor.delivery.batch import Batch
from kafka_processor.membership.start_offsets import StartOffset
from kafka_processor.pipeline import Message, Work
from kafka_processor.producer import BatchFailed


class Observer:
    """Hears of everything and does nothing; a subclass takes up what it needs."""

    def turned(self) -> None:
        """The loop has come round; several times a second, also while nothing arrives."""

    def started(self, start: StartOffset) -> None:
        """A partition of ours goes on at a position, at the start or after a failure."""

    def revoked(self, partitions: Collection[int]) -> None:
        """Partitions were ours and are about to be another member's."""

    def lost(self, partitions: Collection[int]) -> None:
        """Partitions were ours and are another member's already."""

    def polling(self) -> None:
        """The loop is about to ask for messages."""

    def processed(self, polled: Mapping[int, Sequence[Message]], works: Mapping[int, Work]) -> None:
        """Messages were worked on, by partition; nothing of them is committed yet."""

    def published(self, batch: Batch, seconds: float) -> None:
        """All that was worked on before is now in the open batch; to publish it took `seconds`."""

    def committed(self, batch: Batch, seconds: float) -> None:
        """A batch is committed, `seconds` after its commit began. It has messages."""

    def gave_up(self, failure: BatchFailed, messages: int) -> None:
        """What was not committed is dropped, a batch of so many published messages with it.

        All partitions are placed anew before the loop works on.
        """

    def stopped(self) -> None:
        """The loop has ended, and left the group."""
