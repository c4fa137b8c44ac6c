"""Reads the topics as they grow, committed records only: no group, nothing committed.

`board.py` has what the threads share; where to start is found by `cluster.py`.
"""

import queue
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from kafka_processor.clients.client_config import RECONNECTION, reader_config
from kafka_processor.clients.kafka_errors import is_unreadable
from kafka_processor.config import Settings
from kafka_processor.dashboard.board import Board
from kafka_processor.unreadable.scan import find_batch

BURST: Final = 500
"""Records polled at a time."""
WAIT: Final = 0.1
"""Seconds of one wait for the next record: how soon a new partition is taken up."""
CLOSE_TIMEOUT: Final = 2.0


class Start(NamedTuple):
    """Where a partition that was found is to be read from."""

    topic: str
    partition: int
    offset: int


class Gone(NamedTuple):
    """A topic that was deleted."""

    topic: str


class Feed:
    def __init__(self, settings: Settings, board: Board, logger: Any) -> None:
        """Raises KafkaException for settings that the client does not take."""
        self._settings = settings
        self._logger = logger
        self._board = board
        self._news: queue.SimpleQueue[Start | Gone] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._assigned: set[tuple[str, int]] = set()
        self._consumer = Consumer(
            RECONNECTION
            | reader_config(settings)
            | {
                "enable.partition.eof": True,
                # What retention takes away while we read is missing then, no more.
                "auto.offset.reset": "earliest",
                "queued.max.messages.kbytes": 16 * 1024,
                "fetch.wait.max.ms": 100,
                "logger": logger,
            }
        )
        self._thread = threading.Thread(target=self._follow, name="dashboard-feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tell(self, news: Iterable[Start | Gone]) -> None:
        """From any thread."""
        for each in news:
            self._news.put(each)

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(CLOSE_TIMEOUT)

    def _follow(self) -> None:
        with self._board.watched():
            while not self._stopping.is_set():
                self._hear()
                for message in self._poll():
                    self._take(message)
        self._consumer.close()

    def _poll(self) -> list[Message]:
        try:
            # Not consume() with a timeout alone: that waits for as many as were asked for.
            return self._consumer.consume(BURST, 0) or self._consumer.consume(1, WAIT)
        except KafkaException:
            self._stopping.wait(WAIT)  # cluster.py says what is wrong with the brokers
            return []

    def _hear(self) -> None:
        failed = []
        with suppress(queue.Empty):
            while True:
                news = self._news.get_nowait()
                if isinstance(news, Gone):
                    self._let_go(news.topic)
                elif not self._take_up(news):
                    failed.append(news)
        self.tell(failed)

    def _take_up(self, start: Start) -> bool:
        """Whether it is read from now on."""
        place = start.topic, start.partition
        if place in self._assigned:
            return True
        try:
            self._consumer.incremental_assign([TopicPartition(*start)])
        except KafkaException:
            return False
        self._assigned.add(place)
        with self._board.lock:
            self._board.state.progress.start(place)
        return True

    def _let_go(self, topic: str) -> None:
        gone = {place for place in self._assigned if place[0] == topic}
        with suppress(KafkaException):
            self._consumer.incremental_unassign([TopicPartition(*place) for place in gone])
        self._assigned -= gone
        with self._board.lock:
            self._board.state.forget(topic)

    def _pass_over(self, place: tuple[str, int], offset: int) -> None:
        """Reads on behind a batch that cannot be read, once that is taken up again."""
        topic, partition = place
        self._assigned.discard(place)
        with suppress(KafkaException):
            self._consumer.incremental_unassign([TopicPartition(topic, partition)])
        batch = find_batch(
            self._settings, topic, partition, offset, self._logger, self._stopping.is_set
        )
        self.tell([Start(topic, partition, batch.end if batch else offset)])

    def _take(self, message: Message) -> None:
        topic, partition = message.topic(), message.partition()
        if topic is None or partition is None:
            return
        place = topic, partition
        if place not in self._assigned:
            return
        if error := message.error():
            with self._board.lock:
                if error.code() == KafkaError._PARTITION_EOF:
                    self._board.state.progress.reached_end(place)
                else:
                    self._board.state.progress.cannot_read(place, error.name())
            if is_unreadable(error):
                self._pass_over(place, message.offset() or 0)
            return
        now = time.time_ns() // 1_000_000
        kind, timestamp = message.timestamp()
        key, value = message.key(), message.value()
        with self._board.lock:
            self._board.state.take(
                place,
                key if isinstance(key, bytes) else None,
                value if isinstance(value, bytes) else None,
                timestamp if kind else now,
                now,
            )
