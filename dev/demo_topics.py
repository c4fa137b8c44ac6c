"""Reads all topics of the daemon, committed records only, into a ledger."""

import threading
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Final

import msgspec
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from dev.demo_ledger import Ledger
from dev.login_producer import silent_log
from kafka_processor.clients.client_config import connection_config, reader_config
from kafka_processor.config import Settings

Place = tuple[str, int]
"""Topic and partition."""

_MOST: Final = 1000
_ANSWER_TIMEOUT: Final = 5.0


class TopicReader:
    """Follows the topics, from their beginning, on a thread of its own.

    Hold `lock` to look at `ledger`. `problem` says why it cannot go on, empty if nothing is wrong.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises KafkaException if the broker does not answer, or does not have all topics."""
        self.ledger = Ledger(settings)
        self.lock = threading.Lock()
        self.problem = ""
        self._consumer = Consumer(
            reader_config(settings) | {"enable.partition.eof": True, "logger": silent_log}
        )
        self._admin = AdminClient(connection_config(settings) | {"logger": silent_log})
        places = _find_partitions(self._admin, (settings.input_topic, *settings.output_topics))
        self._ends: dict[Place, int] = dict.fromkeys(places, -1)
        """Where each partition was found to end, once all before it was taken in."""
        self._consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in self._ends])
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="demo-reader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._consumer.close()

    def read_to_end(self, timeout: float) -> bool:
        """Waits until all that the topics hold now is in the ledger; False if it takes longer."""
        deadline = time.monotonic() + timeout
        ends: dict[Place, int] = {}
        while not self.problem and time.monotonic() < deadline:
            # A broker may not answer for a moment, for instance for topics that are new.
            with suppress(KafkaException):
                ends = ends or self._find_ends()
            with self.lock:
                if ends and all(self._ends[place] >= end for place, end in ends.items()):
                    return True
            self._stopping.wait(0.02)
        return False

    def _find_ends(self) -> dict[Place, int]:
        # Of a client of its own: the consumer's questions wait behind its fetches.
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        offsets = self._admin.list_offsets(
            {TopicPartition(*place): latest for place in self._ends},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=_ANSWER_TIMEOUT,
        )
        return {
            (each.topic, each.partition): found.result().offset for each, found in offsets.items()
        }

    def _follow(self) -> None:
        try:
            while not self._stopping.is_set():
                # Not consume() with a timeout: that waits for as many as were asked for.
                messages = self._consumer.consume(_MOST, 0)
                if not messages:
                    message = self._consumer.poll(0.1)
                    # Not by its truth: a message without a value counts as false.
                    messages = [] if message is None else [message]
                self._take(messages)
        except msgspec.MsgspecError as error:
            self.problem = f"an output record is not as documented: {error}"

    def _take(self, messages: Iterable[Message]) -> None:
        now = time.time()
        with self.lock:
            for message in messages:
                self._take_one(message, now)

    def _take_one(self, message: Message, now: float) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        error = message.error()
        if error and error.code() != KafkaError._PARTITION_EOF:
            if not error.retriable():
                self.problem = f"cannot read {topic or 'the topics'}: {error.str()}"
            return
        assert topic is not None and partition is not None and offset is not None
        if error:
            self._ends[topic, partition] = offset
        else:
            value, (_, timestamp) = message.value(), message.timestamp()
            self.ledger.take(topic, (partition, offset), value, timestamp, now)


def _find_partitions(admin: AdminClient, topics: Collection[str]) -> Iterable[Place]:
    """All partitions; a topic that was just created takes a moment to be known."""
    deadline = time.monotonic() + _ANSWER_TIMEOUT
    while True:
        known = admin.list_topics(timeout=_ANSWER_TIMEOUT).topics
        if all(topic in known for topic in topics):
            return [(topic, partition) for topic in topics for partition in known[topic].partitions]
        if time.monotonic() > deadline:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        time.sleep(0.05)
