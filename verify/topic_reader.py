"""Reads one topic as it grows, committed records only: no consumer group, nothing committed."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from kafka_processor.client_config import reader_config
from kafka_processor.config import Settings, SettingsError
from kafka_processor.kafka_errors import describe, error_of, is_no_permission, is_refused_login

CONNECT_TIMEOUT: Final = 5.0
"""Seconds in which a broker must answer at first; one that goes away later is waited for."""
REQUEST_TIMEOUT: Final = 1.0
LOOK_INTERVAL: Final = 1.0
"""Seconds between two looks for the topic and its partitions."""


class ReaderError(Exception):
    """The topic cannot be read; the message says why and what to do."""


class TopicReader:
    """All partitions of a topic; the topic itself, or partitions of it, may appear later."""

    def __init__(
        self, settings: Settings, topic: str, from_beginning: bool, note: Callable[[str], None]
    ) -> None:
        """`note` is told what is read or waited for. Raises SettingsError for a property that the
        client does not take."""
        self._topic = topic
        self._brokers = settings.kafka_bootstrap_servers
        self._note = note
        self._from_beginning = from_beginning
        self._partitions: set[int] = set()
        self._connect_deadline: float | None = time.monotonic() + CONNECT_TIMEOUT
        self._refused_login: str | None = None
        self._last_error = "nothing came back"
        self._trouble: str | None = None
        self._next_look = 0.0
        silent = logging.getLogger("kafka-client")
        silent.addHandler(logging.NullHandler())
        silent.propagate = False
        own: dict[str, Any] = {
            # Where retention was faster than us, or the topic is a new one: what there is.
            "auto.offset.reset": "earliest",
            "error_cb": self._on_error,
            "logger": silent,
        }
        try:
            self._client = Consumer(reader_config(settings) | own)
        except KafkaException as exception:
            reason = error_of(exception).str()
            raise SettingsError(
                [f"the client does not take the KAFKA_* settings: {reason}"]
            ) from None

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
        self._client.close()

    def _look_for_partitions(self) -> None:
        try:
            metadata = self._client.list_topics(self._topic, REQUEST_TIMEOUT).topics[self._topic]
            self._connect_deadline = None
            if metadata.error:
                if metadata.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    self._begin_anew()
                raise KafkaException(metadata.error)
            self._take_up(set(metadata.partitions) - self._partitions)
        except KafkaException as exception:
            self._check_connection()
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

    def _check_connection(self) -> None:
        """Raises ReaderError if no broker has answered in time, or one refuses us."""
        if self._connect_deadline is None:
            return
        self._client.poll(0)  # calls _on_error
        if self._refused_login:
            raise ReaderError(
                f"{self._brokers} refuses us: {self._refused_login}; "
                "look at KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_* and KAFKA_SSL_*"
            )
        if time.monotonic() > self._connect_deadline:
            raise ReaderError(
                f"no broker answers at {self._brokers} ({self._last_error}); is Kafka running "
                "there? Look at KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL"
            )

    def _is_error(self, message: Message) -> bool:
        error = message.error()
        # The client asks for the group that it must name; we do not use it, nor need permission.
        if error and error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
            self._report(error)
        return error is not None

    def _report(self, error: KafkaError) -> None:
        """One line for what is waited for. Raises ReaderError where waiting does not help."""
        if is_no_permission(error):
            raise ReaderError(
                f"{self._brokers} does not let us read {self._topic}: {describe(error)}; "
                "the user needs the permissions Describe and Read for the topic"
            )
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            trouble = f"waiting for topic {self._topic}: it does not exist at {self._brokers}"
        else:
            trouble = f"waiting for {self._brokers}: {describe(error)}"
        if self._connect_deadline is None and trouble != self._trouble:
            self._note(trouble)
            self._trouble = trouble

    def _on_error(self, error: KafkaError) -> None:
        if is_refused_login(error):
            self._refused_login = describe(error)
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last_error = describe(error)
