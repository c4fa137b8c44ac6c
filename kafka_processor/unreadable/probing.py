"""What fetching at one offset brings: asked of a client without a group, beside the group's."""

import threading
from contextlib import suppress
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from msgspec import Struct

from kafka_processor.clients.client_config import probe_config
from kafka_processor.clients.kafka_errors import describe, is_unreadable
from kafka_processor.config import Settings
from kafka_processor.timing import Deadline
from kafka_processor.unreadable.batch_search import Answer, Failed, Readable, Silent

PATIENCE: Final = 10.0
"""Seconds for one offset: far more than a large batch takes."""
STATISTICS_INTERVAL: Final = 5
"""Milliseconds; the client exists only while something is searched for."""
ENOUGH_PARTIAL: Final = 2
"""Batches cut off, that were fetched since an offset was asked for: the first may be an answer to
what was asked before, the second is not."""
REQUEST_TIMEOUT: Final = 0.5
"""Seconds to ask for the end of a partition; the loop stands still meanwhile."""
_ENDS: Final = frozenset(
    {KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
)
"""Also an offset that retention has deleted: whoever reads the partition deals with that."""


class _Broker(Struct):
    rxpartial: int = 0


class _Partition(Struct):
    next_offset: int = -1


class _Topic(Struct):
    partitions: dict[str, _Partition] = {}


class _Statistics(Struct):
    """What is needed of librdkafka's STATISTICS.md."""

    brokers: dict[str, _Broker] = {}
    topics: dict[str, _Topic] = {}


_decode_statistics: Final = msgspec.json.Decoder(_Statistics).decode


class Undecided(Exception):
    """An offset has brought nothing in time; a broker is away, or the client busy."""


class Probe:
    """Fetches at one offset at a time, without waiting: `look`, then `answer` until there is one.

    A complete batch in which a record is cut off is taken for an answer that is not complete, and
    fetched again and again without a word. Only the client's statistics tell of it.
    """

    def __init__(
        self, settings: Settings, topic: str, client_log: Any, room: int | None = None
    ) -> None:
        """`room`: bytes of an answer that are taken; None: as configured."""
        self._topic = topic
        own: dict[str, Any] = {
            "logger": client_log,
            "stats_cb": self._take_statistics,
            "statistics.interval.ms": STATISTICS_INTERVAL,
        }
        if room is not None:
            own["receive.message.max.bytes"] = room
        self._client = Consumer(probe_config(settings) | own)
        self._partition = 0
        self._deadline = Deadline(0)
        self._first: Message | None = None
        self._partial: int | None = None
        """Batches cut off, up to when this offset began to be fetched; None: not known yet."""
        self._silent: Silent | None = None

    def end_of(self, partition: int) -> int:
        """The end of the records that can be read now. Raises KafkaException."""
        asked = TopicPartition(self._topic, partition)
        end: int = self._client.get_watermark_offsets(asked, timeout=REQUEST_TIMEOUT)[1]
        return end

    def look(self, partition: int, offset: int) -> None:
        self._client.assign([TopicPartition(self._topic, partition, offset)])
        self._deadline = Deadline(PATIENCE)
        # Statistics that wait to be taken are of what was fetched before.
        self._first = self._client.poll(0)
        self._partition, self._partial, self._silent = partition, None, None

    def answer(self) -> Answer | None:
        """None: not known yet. Raises Undecided. With an answer the fetching ends: to take a batch
        apart again and again would keep the client from everything else."""
        found = self._look_for_answer()
        if found:
            self._client.unassign()
        return found

    def _look_for_answer(self) -> Answer | None:
        message, self._first = self._first or self._client.poll(0), None
        if message is None:
            if not self._silent and self._deadline.has_passed:
                raise Undecided
            return self._silent
        error = message.error()
        if error is None or error.code() in _ENDS:
            return Readable()
        if is_unreadable(error):
            return Failed(message.offset() or 0, describe(error))
        return None

    def _take_statistics(self, text: str) -> None:
        statistics = _decode_statistics(text)
        partial = sum(each.rxpartial for each in statistics.brokers.values())
        if self._partial is None:
            self._partial = partial
        if partial - self._partial >= ENOUGH_PARTIAL:
            told = statistics.topics.get(self._topic, _Topic()).partitions
            if asked := told.get(str(self._partition)):
                self._silent = Silent(asked.next_offset)

    def close(self) -> None:
        # On a thread of its own: it may take its time, and has nothing more to say.
        with suppress(RuntimeError):  # the system has no thread to give: it ends with its object
            threading.Thread(target=self._client.close, daemon=True).start()
