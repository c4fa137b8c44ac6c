"""Asks the brokers, once a second: which topics there are, how the group is, what waits for it.

Not by the admin client's newer calls: where a broker is away while they wait for it, the client
aborts the whole process once it is back (describe_consumer_groups, list_consumer_group_offsets), or
asks for offsets in vain from then on (list_offsets; librdkafka 2.16).
"""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from kafka_processor.clients.client_config import RECONNECTION, connection_config, reader_config
from kafka_processor.clients.kafka_errors import error_of, is_no_permission, is_refused_login
from kafka_processor.config import Settings
from kafka_processor.dashboard.board import Board
from kafka_processor.dashboard.feed import Feed, Gone, Start
from kafka_processor.dashboard.group import GONE, MAX_NAME, STATES, Group, Member, assigned
from kafka_processor.membership.committed import committed_offsets
from kafka_processor.terminal.printable import printable
from kafka_processor.timing import Every

INTERVAL: Final = 1.0
TOPICS_INTERVAL: Final = 5.0
"""Seconds between two looks for topics and partitions, once all topics are there."""
MEMBERS_INTERVAL: Final = 2.0
"""Of each look for members all brokers are asked."""
REQUEST_TIMEOUT: Final = 3.0
CLOSE_TIMEOUT: Final = 2.0
_NO_ANSWER: Final = (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN)


class Cluster:
    """Tells the feed what to read, and the board how things are."""

    def __init__(
        self, settings: Settings, board: Board, feed: Feed, window: int, logger: Any
    ) -> None:
        """`window`: seconds to go back in topics that are no summary. Raises KafkaException for
        settings that the client does not take."""
        self._settings = settings
        self._board = board
        self._feed = feed
        self._window = window
        self._refused_login = ""
        self._partitions: Mapping[str, Sequence[int]] = {}
        self._started: set[tuple[str, int]] = set()
        self._state, self._members = "", tuple[Member, ...]()
        self._topics_lookup = Every(TOPICS_INTERVAL, is_due_now=True)
        self._members_lookup = Every(MEMBERS_INTERVAL, is_due_now=True)
        self._stopping = threading.Event()
        own: dict[str, Any] = {"error_cb": self._on_error, "logger": logger}
        self._admin = AdminClient(RECONNECTION | connection_config(settings) | own)
        # It asks for the group's offsets, and never joins it.
        self._client = Consumer(
            RECONNECTION
            | reader_config(settings)
            | {"group.id": settings.consumer_group, "isolation.level": "read_uncommitted"}
            | own
        )
        self._thread = threading.Thread(target=self._ask, name="dashboard-cluster", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(CLOSE_TIMEOUT)

    def _ask(self) -> None:
        with self._board.watched():
            while not self._stopping.is_set():
                try:
                    self._look()
                except KafkaException as exception:
                    self._client.poll(0)  # calls _on_error
                    self._note(self._why_not(error_of(exception)))
                else:
                    self._refused_login = ""
                    self._note("")
                self._stopping.wait(INTERVAL)

    def _look(self) -> None:
        """Raises KafkaException."""
        if self._topics_lookup.is_due:
            self._look_for_topics()
        if self._members_lookup.is_due:
            self._look_for_members()
        group = self._describe_group()
        with self._board.lock:
            self._board.state.group = group

    def _look_for_topics(self) -> None:
        # All topics: to ask for one by name would create it on many a broker.
        existing = self._client.list_topics(timeout=REQUEST_TIMEOUT).topics
        topics = self._board.state.topics
        self._partitions = {
            topic: sorted(existing[topic].partitions)
            for topic in (*topics, self._settings.input_topic)
            if topic in existing
        }
        missing = [topic for topic in topics if topic not in self._partitions]
        self._feed.tell(map(Gone, {topic for topic, _ in self._started}.intersection(missing)))
        self._started = {place for place in self._started if place[0] not in missing}
        found = [
            (topic, number)
            for topic in topics
            for number in self._partitions.get(topic, ())
            if (topic, number) not in self._started
        ]
        starts = self._starts(found)
        self._feed.tell(starts)
        self._started.update((start.topic, start.partition) for start in starts)
        if not self._partitions.get(self._settings.input_topic):
            missing.append(self._settings.input_topic)
        with self._board.lock:
            self._board.state.missing = missing
        if not missing:
            self._topics_lookup.restart()

    def _starts(self, places: Sequence[tuple[str, int]]) -> list[Start]:
        """The summary from its beginning, the others from some minutes ago."""
        since = round((time.time() - self._window) * 1000)
        summary = self._settings.summary_topic
        starts = {place: OFFSET_BEGINNING for place in places if place[0] == summary}
        # The ends are asked for first: what comes meanwhile is found by its time then.
        ends = self._offsets((place for place in places if place[0] != summary), OFFSET_END)
        for place, offset in self._offsets(ends, since).items():
            # Nothing there is that young: what comes from now on.
            starts[place] = ends[place] if offset == OFFSET_END else offset
        return [Start(*place, offset) for place, offset in starts.items()]

    def _offsets(self, places: Iterable[tuple[str, int]], at: int) -> dict[tuple[str, int], int]:
        """The first offset of each partition from a time on, in milliseconds; OFFSET_END where
        there is none. For OFFSET_BEGINNING or OFFSET_END as the time: where that is.

        Without partitions that cannot tell, as one without a leader. Raises KafkaException if
        none can.
        """
        asked = [TopicPartition(*place, at) for place in places]
        if not asked:
            return {}
        found = self._client.offsets_for_times(asked, timeout=REQUEST_TIMEOUT)
        told = {(each.topic, each.partition): each.offset for each in found if not each.error}
        if not told:
            raise KafkaException(found[0].error)
        return told

    def _look_for_members(self) -> None:
        """Where one broker of several is away there is no answer: then they are as they were."""
        name, topic = self._settings.consumer_group, self._settings.input_topic
        self._members_lookup.restart()
        with suppress(KafkaException):
            groups = self._admin.list_groups(name, timeout=REQUEST_TIMEOUT)
            self._state, self._members = GONE, ()
            for group in groups:
                state = str(group.state)
                self._state = STATES.get(state) or printable(state.lower(), MAX_NAME)
                self._members = tuple(
                    Member(str(each.id), assigned(each.assignment or b"", topic))
                    for each in group.members
                )

    def _describe_group(self) -> Group:
        topic = self._settings.input_topic
        numbers = self._partitions.get(topic, ())
        ends = self._numbered(numbers, OFFSET_END)
        try:
            committed = self._committed(numbers)
        except KafkaException as exception:
            if not is_no_permission(error_of(exception)):
                raise
            return Group(
                problem=f"The group {self._settings.consumer_group} is not for us to see: "
                "the user needs the permission Describe for it."
            )
        starts = self._numbered((n for n in numbers if n not in committed), OFFSET_BEGINNING)
        return Group(self._state, self._members, committed, starts, ends)

    def _committed(self, numbers: Sequence[int]) -> dict[int, int]:
        if not numbers:
            return {}
        topic = self._settings.input_topic
        found = committed_offsets(self._client, topic, numbers, REQUEST_TIMEOUT)
        for each in found:
            if each.error:
                raise KafkaException(each.error)
        return {each.partition: each.offset for each in found if each.offset >= 0}

    def _numbered(self, numbers: Iterable[int], at: int) -> dict[int, int]:
        """Offsets of these partitions of the input topic."""
        found = self._offsets(((self._settings.input_topic, number) for number in numbers), at)
        return {number: offset for (_, number), offset in found.items()}

    def _why_not(self, error: KafkaError) -> str:
        brokers = self._settings.kafka_bootstrap_servers
        if self._refused_login:
            return (
                f"{brokers} refuses us ({self._refused_login}); look at KAFKA_SECURITY_PROTOCOL, "
                "KAFKA_SASL_* and KAFKA_SSL_*."
            )
        if error.code() in _NO_ANSWER:
            return f"No broker answers at {brokers}; trying again."
        return f"The brokers at {brokers} cannot tell yet ({error.name()}); trying again."

    def _note(self, trouble: str) -> None:
        with self._board.lock:
            self._board.state.trouble = trouble

    def _on_error(self, error: KafkaError) -> None:
        if is_refused_login(error):
            self._refused_login = error.name()
