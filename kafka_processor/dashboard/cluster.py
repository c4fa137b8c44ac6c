"""Asks the brokers, once a second: which topics there are, how the group is, what waits for it."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from kafka_processor.client_config import connection_config
from kafka_processor.config import Settings
from kafka_processor.dashboard.board import Board
from kafka_processor.dashboard.feed import Feed, Gone, Start
from kafka_processor.dashboard.group import Group, Member
from kafka_processor.kafka_errors import error_of, is_no_permission, is_refused_login

INTERVAL: Final = 1.0
TOPICS_INTERVAL: Final = 5.0
"""Seconds between two looks for topics and partitions, once all topics are there."""
REQUEST_TIMEOUT: Final = 3.0
CLOSE_TIMEOUT: Final = 2.0
_STATES: Final = {
    "STABLE": "stable",
    "PREPARING_REBALANCING": "rebalancing",
    "COMPLETING_REBALANCING": "rebalancing",
    "ASSIGNING": "rebalancing",
    "RECONCILING": "rebalancing",
    "EMPTY": "empty",
    "DEAD": "gone",
}
GONE: Final = "gone"
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
        self._next_topics = 0.0
        self._stopping = threading.Event()
        self._admin = AdminClient(
            connection_config(settings) | {"error_cb": self._on_error, "logger": logger}
        )
        self._thread = threading.Thread(target=self._ask, name="dashboard-cluster", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(CLOSE_TIMEOUT)

    def _ask(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except KafkaException as exception:
                self._admin.poll(0)  # calls _on_error
                self._note(self._why_not(error_of(exception)))
            else:
                self._refused_login = ""
                self._note("")
            self._stopping.wait(INTERVAL)

    def _look(self) -> None:
        """Raises KafkaException."""
        if time.monotonic() >= self._next_topics:
            self._look_for_topics()
        group = self._describe_group()
        with self._board.lock:
            self._board.state.group = group

    def _look_for_topics(self) -> None:
        # All topics: to ask for one by name would create it on many a broker.
        existing = self._admin.list_topics(timeout=REQUEST_TIMEOUT).topics
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
            TopicPartition(topic, number)
            for topic in topics
            for number in self._partitions.get(topic, ())
            if (topic, number) not in self._started
        ]
        self._feed.tell(self._starts(found))
        self._started |= {(each.topic, each.partition) for each in found}
        with self._board.lock:
            self._board.state.missing = missing
        if not missing:
            self._next_topics = time.monotonic() + TOPICS_INTERVAL

    def _starts(self, partitions: Sequence[TopicPartition]) -> list[Start]:
        """The summary from its beginning, the others from some minutes ago."""
        summary = [each for each in partitions if each.topic == self._settings.summary_topic]
        others = [each for each in partitions if each.topic != self._settings.summary_topic]
        earliest, latest = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
        since = OffsetSpec.for_timestamp(round((time.time() - self._window) * 1000))
        starts = self._offsets(dict.fromkeys(summary, earliest))
        starts |= self._offsets(dict.fromkeys(others, since))
        # Nothing is that young: what comes from now on.
        old = [each for each in others if starts[each.topic, each.partition] < 0]
        starts |= self._offsets(dict.fromkeys(old, latest))
        return [Start(*place, offset) for place, offset in starts.items()]

    def _offsets(self, wanted: Mapping[TopicPartition, OffsetSpec]) -> dict[tuple[str, int], int]:
        if not wanted:
            return {}
        answers = self._admin.list_offsets(dict(wanted), request_timeout=REQUEST_TIMEOUT)
        return {
            (each.topic, each.partition): answer.result().offset for each, answer in answers.items()
        }

    def _describe_group(self) -> Group:
        name, topic = self._settings.consumer_group, self._settings.input_topic
        options = {"request_timeout": REQUEST_TIMEOUT}
        numbers = self._partitions.get(topic, ())
        [described] = self._admin.describe_consumer_groups([name], **options).values()
        [listed] = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(name)], **options
        ).values()
        ends = self._numbered(numbers, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        try:
            state, members = _members(described, topic)
            committed = _committed(listed, topic)
        except KafkaException as exception:
            if not is_no_permission(error_of(exception)):
                raise
            return Group(
                problem=f"The group {name} is not for us to see: "
                "the user needs the permission Describe for it."
            )
        new = [number for number in numbers if number not in committed]
        starts = self._numbered(new, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        return Group(state, members, committed, starts, ends)

    def _numbered(self, numbers: Iterable[int], spec: OffsetSpec) -> dict[int, int]:
        """Offsets of these partitions of the input topic."""
        topic = self._settings.input_topic
        found = self._offsets({TopicPartition(topic, number): spec for number in numbers})
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


def _members(described: "Future[Any]", topic: str) -> tuple[str, tuple[Member, ...]]:
    """State and members of a group; there may be no such group."""
    try:
        group = described.result()
    except KafkaException as exception:
        if error_of(exception).code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise
        return GONE, ()
    members = tuple(
        Member(
            each.group_instance_id or each.member_id,
            tuple(
                sorted(p.partition for p in each.assignment.topic_partitions if p.topic == topic)
            ),
        )
        for each in group.members
    )
    return _STATES.get(group.state.name, group.state.name.lower()), members


def _committed(listed: "Future[Any]", topic: str) -> dict[int, int]:
    try:
        found = listed.result().topic_partitions
    except KafkaException as exception:
        if error_of(exception).code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise
        return {}
    return {
        each.partition: each.offset for each in found if each.topic == topic and each.offset >= 0
    }
