"""How large the next batch may be, and which messages have records that the broker rejects.

A refusal fails the whole batch, so batches are halved until one message is left, and double again
with each success. That message gets the outcome `publish_error` in the next attempt.

A batch that fails for another cause is halved too, but not as far: it may be too large to be
delivered in time, over a slow network or by a slow disk.
"""

from collections.abc import Collection, Mapping
from typing import Final

from kafka_processor.clients.kafka_errors import blames_record
from kafka_processor.config import Settings
from kafka_processor.message_id import Position
from kafka_processor.pipeline import Work
from kafka_processor.producer import BatchFailed

MAX_BATCH: Final = 40_000
"""Messages; larger batches bring no more throughput, and take more memory."""
SMALLEST_LATE: Final = 500
"""Messages of a batch that are never too many to be delivered in time."""


class Refused:
    def __init__(self, settings: Settings) -> None:
        self._quick = settings.transaction_timeout / 4
        """Seconds; after a commit that took less the next batch may be twice as large."""
        self._topics = (settings.processed_topic, settings.errors_topic, settings.cleaned_topic)
        self.limit = MAX_BATCH
        """Messages that a batch may have now."""
        self.causes: dict[Position, str] = {}
        """By the message to blame."""

    def narrow_down(self, failure: BatchFailed, works: Mapping[int, Work]) -> bool:
        """Learns from a failed batch with these outcomes. Returns False if no record was to blame,
        or nothing new was learned."""
        messages = sum(work.messages for work in works.values())
        refused = [r for r in failure.records if blames_record(r.error) and r.topic in self._topics]
        if not refused:
            if messages:  # an empty batch, of offsets or counts alone, is not too large
                self.limit = min(self.limit, max(messages // 2, SMALLEST_LATE))
            return False
        if messages != 1:
            self.limit = max(messages // 2, 1)
            return True
        [to_blame] = [(number, work.next_offset - 1) for number, work in works.items()]
        if to_blame in self.causes:
            return False
        self.causes[to_blame] = f"{refused[0].topic} refuses the record: {refused[0].error.str()}"
        return True

    def after_success(self, committed: Mapping[int, Work], seconds: float) -> None:
        """`seconds`: how long the commit took."""
        if seconds < self._quick:
            self.limit = min(self.limit * 2, MAX_BATCH)
        self.causes = {
            (partition, offset): cause
            for (partition, offset), cause in self.causes.items()
            if partition not in committed or offset >= committed[partition].next_offset
        }

    def forget(self, partitions: Collection[int]) -> None:
        self.causes = {
            (partition, offset): cause
            for (partition, offset), cause in self.causes.items()
            if partition not in partitions
        }
