"""Reads one topic as it grows, committed records only: no consumer group, nothing committed."""

import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from kafka_processor.config import Settings
from kafka_processor.kafka_errors import describe, error_of
from verify.connection import REQUEST_TIMEOUT, Connection, is_of_unused_group

LOOK_INTERVAL: Final = 1.0
"""Seconds between two looks for the topic and its partitions."""


class TopicReader:
    """All partitions of a topic; the topic itself, or partitions of it, may appear later."""

    def __init__(
        self, settings: Settings, topic: str, from_beginning: bool, note: Callable[[str], None]
    ) -> None:
        """`note` is told what is read or waited for. Raises SettingsError for a property that the
        client does not take."""
        # Where retention was faster than us, or the topic is a new one: what there is.
        self._connection = Connection(settings, auto_offset_reset="earliest")
        self._client = self._connection.client
        self._topic = topic
        self._brokers = settings.kafka_bootstrap_servers
        self._note = note
        self._from_beginning = from_beginning
        self._partitions: set[int] = set()
        self._trouble: str | None = None
        self._next_look = 0.0

    def read(self, limit: int, timeout: float) -> list[Message]:
        """What is there, at most `limit` records; waits `timeout` seconds for the first one.

        Raises ReaderError: no broker answers at the start, or waiting does not help.
        """
        if time.monotonic() >= self._next_look:
            self._look_for_partitions()
            self._next_look = time.monotonic() + LOOK_INTERVAL
        messages = self._client.consume(limit, 0) or self._client.consume(1, timeout)
        return [message for message in messages if not self._is_error(message)]

    def close(self) -> None:
        self._connection.close()

    def _look_for_partitions(self) -> None:
        try:
            metadata = self._client.list_topics(self._topic, REQUEST_TIMEOUT).topics[self._topic]
            self._connection.establish()
            if metadata.error:
                if metadata.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    self._begin_anew()
                raise KafkaException(metadata.error)
            self._take_up(set(metadata.partitions) - self._partitions)
        except KafkaException as exception:
            self._connection.check()
            self._report(error_of(exception))
        else:
            if self._trouble:
                self._note(f"reading {self._topic} again")
            self._trouble = None

    def _begin_anew(self) -> None:
        """There is no such topic, or no longer: one that appears is new as a whole."""
        self._client.unassign()
        self._partitions.clear()
        self._from_beginning = True

    def _take_up(self, partitions: set[int]) -> None:
        """Starts to read partitions: all of them or, with a KafkaException, none."""
        if not partitions:
            return
        found = []
        for number in partitions:
            partition = TopicPartition(self._topic, number)
            low, high = self._client.get_watermark_offsets(partition, timeout=REQUEST_TIMEOUT)
            partition.offset = low if self._from_beginning else high
            found.append(partition)
        self._client.incremental_assign(found)
        more = " more" if self._partitions else ""
        start = "from the beginning" if self._from_beginning else "from now on"
        self._note(
            f"reading {self._topic} at {self._brokers}, committed records {start}, "
            f"partitions: {len(partitions)}{more}"
        )
        self._partitions |= partitions
        self._from_beginning = True  # partitions that appear later are new as a whole
        self._trouble = None

    def _is_error(self, message: Message) -> bool:
        error = message.error()
        if error and not is_of_unused_group(error):
            self._report(error)
        return error is not None

    def _report(self, error: KafkaError) -> None:
        """One line for what is waited for. Raises ReaderError where waiting does not help."""
        self._connection.check_permission(error, self._topic)
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            trouble = f"waiting for topic {self._topic}: it does not exist at {self._brokers}"
        else:
            trouble = f"waiting for {self._brokers}: {describe(error)}"
        if self._connection.is_established and trouble != self._trouble:
            self._note(trouble)
            self._trouble = trouble
