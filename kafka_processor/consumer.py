"""The consuming end: membership in the group, which partitions are ours, where each goes on.

A partition given to us is first only *waiting*: its committed offset and counts are looked up
(`place_waiting`) before anything of it is fetched. Going back to what is committed, after a
failure of any kind, is the same path: all partitions wait again (`rewind`). So there is one way
to a position, whether at the start, in a rebalance, after an abort, or behind a gap.
"""

import threading
import time
from collections.abc import Collection, Iterable
from typing import Any, Final, Protocol

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from structlog.typing import FilteringBoundLogger

from kafka_processor.client_config import ClientConfig, consumer_config
from kafka_processor.config import Settings
from kafka_processor.fence import Fence, Verdict
from kafka_processor.kafka_errors import (
    describe,
    error_of,
    is_end_of_consumer,
    is_fenced_member,
    is_no_permission,
    is_refused_login,
    size_of_refused_response,
)
from kafka_processor.placing import OffsetLookup, Placement

FIRST_LOOK: Final = 0.001
LAST_LOOK: Final = 0.005
"""Seconds between two looks for a message while there is none: the longer, the longer it lasts."""
WAKE_INTERVAL: Final = 1.0
"""Seconds after which the client's main thread is woken, far less than a session may be silent."""
MAX_INT32: Final = 2**31 - 1


class ConsumerEnded(Exception):
    """The consumer cannot go on; the message says why."""


class RebalanceListener(Protocol):
    """Called from within `poll_messages` and `close`, on the thread that calls them."""

    def on_revoke(self, partitions: Collection[int]) -> None:
        """The partitions are about to go to another member: finish what is under way."""

    def on_lost(self, partitions: Collection[int]) -> None:
        """The partitions are another member's already: nothing of theirs may be committed."""


class InputConsumer:
    """The member of the consumer group."""

    def __init__(
        self,
        settings: Settings,
        log: FilteringBoundLogger,
        client_log: Any,
        client_options: ClientConfig | None = None,
    ) -> None:
        self._settings = settings
        self._client_options = client_options or {}
        self._topic = settings.input_topic
        self._log = log
        self._client_log = client_log
        self._client = self._new_client()
        self._listener: RebalanceListener | None = None
        self._fence: Fence | None = None
        """The group has given our INSTANCE_ID away: to whom, is to be found out."""
        self.has_joined = False
        self.refused_login: str | None = None
        self.found_no_broker = False
        self._owned: set[int] = set()
        self._waiting: set[int] = set()
        self._out_of_range: set[int] = set()
        self._last_logged: dict[int, float] = {}
        self._lookup = OffsetLookup(settings, self._log_at_times)
        self._awaited: set[tuple[int, int]] | None = None
        self._answered: set[tuple[int, int]] | None = None
        """Partitions and offsets of the commit without a transaction that was asked for last, and
        of the one that was answered last."""
        self._commit_error: KafkaError | None = None
        self._is_in_rebalance = False
        self._next_wake = 0.0
        self._too_large = 0
        """Bytes of an answer that the client did not take; 0: it has taken all."""

    @property
    def owned(self) -> frozenset[int]:
        """The partitions whose messages `poll_messages` returns."""
        return frozenset(self._owned)

    def input_partitions(self, timeout: float) -> int:
        """How many partitions the input topic has; 0: there is no such topic. KafkaException."""
        topic = self._client.list_topics(self._topic, timeout).topics[self._topic]
        if topic.error and topic.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise KafkaException(topic.error)
        return len(topic.partitions)

    def serve(self) -> None:
        """Lets the client report errors before the group is joined."""
        self._client.poll(0)

    def join(self, listener: RebalanceListener) -> None:
        self._listener = listener
        self._subscribe(self._client, listener)

    def _new_client(self) -> Consumer:
        own = {"error_cb": self._on_error, "on_commit": self._on_commit, "logger": self._client_log}
        return Consumer(consumer_config(self._settings) | own | self._client_options)

    def _subscribe(self, client: Consumer, listener: RebalanceListener) -> None:
        def on_assign(client: Consumer, partitions: list[TopicPartition]) -> None:
            client.incremental_assign([])
            self.has_joined = True
            self._waiting.update(p.partition for p in partitions)
            self._log.info("partitions assigned", partitions=_numbers(partitions))

        def on_revoke(client: Consumer, partitions: list[TopicPartition]) -> None:
            self._is_in_rebalance = True
            try:
                listener.on_revoke(_numbers(partitions))
            finally:
                self._is_in_rebalance = False
            self._give_up(client, partitions)
            self._log.info("partitions revoked", partitions=_numbers(partitions))

        def on_lost(client: Consumer, partitions: list[TopicPartition]) -> None:
            listener.on_lost(_numbers(partitions))
            self._give_up(client, partitions)
            self._log.warning("partitions lost", partitions=_numbers(partitions))

        client.subscribe([self._topic], on_assign=on_assign, on_revoke=on_revoke, on_lost=on_lost)

    def poll_messages(self, limit: int, timeout: float) -> dict[int, list[Message]]:
        """What is there, at most `limit` messages by partition; waits for the first one only.

        `timeout` in seconds. Rebalances and errors are handled in here; raises ConsumerEnded.
        """
        if self._fence:
            self._settle(self._fence, timeout)
            return {}
        if self._too_large:
            self._make_room()
        began = time.monotonic()
        self._wake_client(began)
        messages = self._client.consume(limit, 0)
        # The client itself waits by the wall clock: stepped back by a minute, that clock would hold
        # us for a minute.
        while not messages and (waited := time.monotonic() - began) < timeout:
            time.sleep(min(max(waited / 4, FIRST_LOOK), LAST_LOOK, timeout - waited))
            messages = self._client.consume(limit, 0)
        by_partition: dict[int, list[Message]] = {}
        for message in messages:
            if error := message.error():
                self.handle_error(error, message.partition())
                continue
            partition = message.partition()
            run = by_partition.get(partition)  # type: ignore[arg-type]
            if run is None:
                run = by_partition[partition] = []  # type: ignore[index]
            run.append(message)
        # Some may have been revoked, or gone back, while the list was being filled.
        return {p: run for p, run in by_partition.items() if p in self._owned}

    def _wake_client(self, now: float) -> None:
        """The thread that sends the heartbeats waits by the wall clock too, and would sleep through
        the session after a step back. Any question to it ends its wait."""
        if now >= self._next_wake:
            self._next_wake = now + WAKE_INTERVAL
            self._client.memberid()

    def place_waiting(self) -> list[Placement]:
        """Looks up where waiting partitions go on, and starts to fetch them.

        What cannot be looked up yet goes on waiting.
        """
        if self._fence or not self._waiting:
            return []
        placements = self._lookup.find(self._client, self._waiting, self._out_of_range)
        try:
            self._client.incremental_assign(
                [TopicPartition(self._topic, p.partition, p.offset) for p in placements]
            )
        except KafkaException as exception:
            self._log_at_times("cannot read the input yet", error_of(exception))
            return []
        placed = {p.partition for p in placements}
        self._owned |= placed
        self._waiting -= placed
        self._out_of_range -= placed
        return placements

    @property
    def is_placing(self) -> bool:
        """Partitions are ours, and where they go on is not known yet."""
        return bool(self._waiting)

    @property
    def fenced_for(self) -> float:
        """Seconds since the group has shut us out, while it is not known for whom; else 0."""
        return self._fence.age if self._fence else 0.0

    @property
    def out_of_range(self) -> frozenset[int]:
        """Partitions that cannot be read on where they are: all have to `rewind`."""
        return frozenset(self._out_of_range & self._owned)

    def rewind(self) -> None:
        """All our partitions go back to what is committed; see `place_waiting`."""
        if self._owned and not self._fence:
            self._unassign(self._client, self._owned)
        self._waiting |= self._owned
        self._owned.clear()

    def group_metadata(self) -> Any:
        """Member and generation, by which the broker knows a commit of a former member."""
        return self._client.consumer_group_metadata()

    def begin_commit(self, offsets: list[TopicPartition]) -> None:
        """Commits without a transaction; `poll_messages` hears the answer."""
        self._awaited = _positions(offsets)
        self._answered = None
        self._client.commit(offsets=offsets, asynchronous=True)

    @property
    def is_commit_answered(self) -> bool:
        return self._answered == self._awaited

    def finish_commit(self, timeout: float) -> None:
        """Returns once the offsets of the commit begun last are committed. Raises KafkaException.

        Waits for the answer, and drops messages that arrive meanwhile: to wait is for the end.
        Within a rebalance no answer can be heard, and none is waited for: the coordinator takes
        the commit before it takes our consent to the rebalance, and if it refuses it, messages
        are repeated.
        """
        if self._is_in_rebalance:
            return
        deadline = time.monotonic() + timeout
        while not self.is_commit_answered and time.monotonic() < deadline:
            self.poll_messages(1, 0.05)
        if not self.is_commit_answered:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        if self._commit_error:
            raise KafkaException(self._commit_error)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        self._answered = _positions(partitions)
        self._commit_error = error or next((p.error for p in partitions if p.error), None)

    def close(self, timeout: float) -> None:
        """Leaves the group; partitions are revoked first. Gives up after `timeout` seconds."""
        closing = threading.Thread(target=self._client.close, daemon=True)
        closing.start()
        closing.join(timeout)

    def _give_up(self, client: Consumer, partitions: Iterable[TopicPartition]) -> None:
        numbers = {p.partition for p in partitions}
        # Also with nothing to unassign: the client would do it itself, with those that wait too,
        # which are not assigned, and fail.
        self._unassign(client, numbers & self._owned)
        self._owned -= numbers
        self._waiting -= numbers
        self._out_of_range -= numbers

    def _unassign(self, client: Consumer, partitions: Collection[int]) -> None:
        client.incremental_unassign([TopicPartition(self._topic, p) for p in partitions])

    def handle_error(self, error: KafkaError, partition: int | None = None) -> None:
        """Goes on if it can, else raises ConsumerEnded."""
        if is_fenced_member(error) and self._settings.instance_id and self.has_joined:
            ours = self._owned | self._waiting
            self._fence = self._fence or Fence(self._settings, self._client_log, error, ours)
        elif is_end_of_consumer(error):
            raise self._ended(error)
        elif is_no_permission(error) and not self.has_joined:
            raise ConsumerEnded(f"no permission to join the group: {describe(error)}")
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            if partition in self._owned:
                self._out_of_range.add(partition)
        elif error.code() != KafkaError._PARTITION_EOF:
            self._log_at_times("cannot read the input now, will try again", error)

    def end_if_fenced(self) -> None:
        """Our transactional id has another owner too. Raises ConsumerEnded."""
        if self._fence:
            raise self._ended(self._fence.error)

    def _settle(self, fence: Fence, timeout: float) -> None:
        """Ends where another process has our INSTANCE_ID, else goes on as a new member.

        Without an answer, or an end, it is to be called again. Raises ConsumerEnded.
        """
        try:
            verdict = fence.look()
        except KafkaException as exception:
            self._log_at_times("cannot look up who has our INSTANCE_ID yet", error_of(exception))
            verdict = Verdict.OPEN
        if verdict is Verdict.ANOTHER_PROCESS:
            raise self._ended(fence.error)
        if verdict is Verdict.OPEN:
            time.sleep(timeout)
            return
        self._log.warning("the group lost track of this process, joining it again")
        self._fence = None
        self._renew()

    def _ended(self, error: KafkaError) -> ConsumerEnded:
        instance = self._settings.instance_id
        hint = f"; is there another process with INSTANCE_ID={instance}?" if instance else ""
        return ConsumerEnded(f"the consumer cannot go on: {describe(error)}{hint}")

    def _renew(self) -> None:
        """A new client, for one that the group will not have again.

        One that fails like the old one before it has joined is the end.
        """
        self.has_joined = False
        lost = self._owned | self._waiting
        for partitions in (self._owned, self._waiting, self._out_of_range):
            partitions.clear()
        old = [self._client]
        self._client = self._new_client()
        # On a thread of its own: it may take its time, and has nothing more to say.
        threading.Thread(target=old.clear, daemon=True).start()
        if self._listener:
            self._listener.on_lost(sorted(lost))
            self._subscribe(self._client, self._listener)

    def _make_room(self) -> None:
        """A new client that takes an answer as large as the one that was too large for the old one,
        which would ask for it for ever. Raises ConsumerEnded, as a rebalance may."""
        room = min(2 * self._too_large, MAX_INT32)
        self._log.warning(
            "a batch of the input is larger than expected, joining the group again with more room",
            bytes=self._too_large,
        )
        self._too_large = 0
        self._client_options = self._client_options | {"receive.message.max.bytes": room}
        self._client.close()
        self._renew()

    def _on_error(self, error: KafkaError) -> None:
        if self.has_joined:  # else it may be the answer of something that is no broker
            self._too_large = size_of_refused_response(error) or self._too_large
        if is_refused_login(error):
            self.refused_login = describe(error)
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.found_no_broker = True
        if self.has_joined:
            self._log_at_times("connection trouble", error)

    def _log_at_times(self, event: str, error: KafkaError) -> None:
        """One line for each kind of trouble in 30 seconds: a broker that is away has many."""
        now = time.monotonic()
        if now - self._last_logged.get(error.code(), -30.0) >= 30.0:
            self._last_logged[error.code()] = now
            self._log.warning(event, error=describe(error))


def _numbers(partitions: Iterable[TopicPartition]) -> list[int]:
    return sorted(p.partition for p in partitions)


def _positions(partitions: Iterable[TopicPartition]) -> set[tuple[int, int]]:
    return {(p.partition, p.offset) for p in partitions}
