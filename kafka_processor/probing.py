"""What fetching at one offset brings: asked of a client without a group, beside the group's."""

import threading
import time
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, TopicPartition

from kafka_processor.client_config import probe_config
from kafka_processor.config import Settings
from kafka_processor.kafka_errors import describe, is_unreadable
from kafka_processor.unreadable import Answer, Failed, Readable, Silent

SILENCE: Final = 0.5
"""Seconds without an answer after which an offset is suspected to have none: 100 times what an
answer takes where all is well."""
MAX_SILENCE: Final = 60.0
REQUEST_TIMEOUT: Final = 1.0
"""Seconds to ask for the end of a partition; the loop stands still meanwhile."""
_ENDS: Final = frozenset(
    {KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
)
"""Also an offset that retention has deleted: whoever reads the partition deals with that."""


class Undecided(Exception):
    """An offset has brought nothing, and the end of the partition neither."""


class Probe:
    """Fetches at one offset at a time, without waiting: `look`, then `answer` until there is one.

    An offset that brings nothing counts as silent only if the end of the partition answers in time
    just afterwards. Else the broker may be away, or the client busy with a large batch: offsets get
    more time from then on.
    """

    def __init__(self, settings: Settings, client_log: Any) -> None:
        self._topic = settings.input_topic
        self._client = Consumer(probe_config(settings) | {"logger": client_log})
        self._partition = 0
        self._is_at_end = False
        self._silence = SILENCE
        self._deadline = 0.0

    def end_of(self, partition: int) -> int:
        """The end of the records that can be read now. Raises KafkaException."""
        asked = TopicPartition(self._topic, partition)
        end: int = self._client.get_watermark_offsets(asked, timeout=REQUEST_TIMEOUT)[1]
        return end

    def look(self, partition: int, offset: int) -> None:
        self._partition = partition
        self._is_at_end = False
        self._fetch(offset)

    def _fetch(self, offset: int) -> None:
        self._client.assign([TopicPartition(self._topic, self._partition, offset)])
        self._deadline = time.monotonic() + self._silence

    def answer(self) -> Answer | None:
        """None: not known yet. Raises Undecided, and KafkaException as `end_of` does."""
        found = self._poll()
        if found is not None and self._is_at_end:
            self._silence = SILENCE
            return Silent()
        if found is None and time.monotonic() >= self._deadline:
            if self._is_at_end:
                self._silence = min(2 * self._silence, MAX_SILENCE)
                raise Undecided
            self._is_at_end = True
            self._fetch(self.end_of(self._partition))
        return found

    def _poll(self) -> Answer | None:
        message = self._client.poll(0)
        if message is None:
            return None
        error = message.error()
        if error is None or error.code() in _ENDS:
            return Readable()
        if is_unreadable(error):
            return Failed(message.offset() or 0, describe(error))
        return None

    def close(self) -> None:
        # On a thread of its own: it may take its time, and has nothing more to say.
        threading.Thread(target=self._client.close, daemon=True).start()
