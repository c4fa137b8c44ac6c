"""How large the next batch may be, and which messages have records that the broker rejects.

A rejection fails the whole batch. A record that was sent by itself is known to be the cause; else
batches are halved until one message is left, and double again with each success. The message that
is the cause gets the outcome `publish_error` in the next attempt.

A batch that fails for another cause is halved too, but not as far: it may be too large to be
delivered in time, over a slow network or by a slow disk.
"""

from collections.abc import Collection, Mapping
from typing import Final

from kafka_processor.clients.kafka_errors import blames_record
from kafka_processor.config import Settings
from kafka_processor.pipeline import Work
from kafka_processor.producer import BatchFailed
from kafka_processor.records import position_of

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
        self.causes: dict[tuple[int, int], str] = {}
        """Why the broker rejects a message's record, by partition and offset of the message."""

    def narrow_down(self, failure: BatchFailed, messages: int) -> bool:
        """Learns from a failed batch of `messages`; returns whether anything new is known about
        rejected records."""
        refused = [r for r in failure.records if blames_record(r.error) and r.topic in self._topics]
        if not refused:
            if messages:  # an empty batch, of offsets or counts alone, is not too large
                self.limit = min(self.limit, max(messages // 2, SMALLEST_LATE))
            return False
        to_blame = {
            position_of(record.value): f"{record.topic} refuses the record: {record.error.str()}"
            for record in refused
            if record.was_alone or messages == 1
        }
        if not to_blame:
            self.limit = max(messages // 2, 1)
        elif to_blame.keys() <= self.causes.keys():
            return False
        self.causes |= to_blame
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
