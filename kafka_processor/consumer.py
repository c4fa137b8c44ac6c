"""The consuming end: membership in the group, which partitions are ours, where each goes on.

A partition given to us is first only *waiting*: its committed offset and counts are looked up
(`place_waiting`) before anything of it is fetched. Going back to what is committed, after a
failure of any kind, is the same path: all partitions wait again (`rewind`). So there is one way
to a position, whether at the start, in a rebalance, after an abort, or behind a gap.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable
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
from kafka_processor.input_topic import InputTopic
from kafka_processor.kafka_errors import (
    describe,
    error_of,
    is_end_of_consumer,
    is_fenced_member,
    is_no_permission,
)
from kafka_processor.offset_lookup import OffsetLookup
from kafka_processor.placing import Placement
from kafka_processor.trouble import Trouble

_GONE: Final = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)


LOST_AFTER: Final = 5.0
"""Seconds without a broker while one answers elsewhere, after which the client is replaced: more
than it takes to connect again where a broker comes back at its address."""
PROBE_TIMEOUT: Final = 0.5
"""Seconds to see whether the client has found a broker by itself; the loop stands still meanwhile,
which it does anyway."""
PROBE_INTERVAL: Final = 1.5


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
        self.trouble = Trouble(settings, log)
        self._client_options = client_options or {}
        self._topic = settings.input_topic
        self._log = log
        self._client_log = client_log
        self._client = self._new_client()
        self._listener: RebalanceListener | None = None
        self._fence: Fence | None = None
        """The group has given our INSTANCE_ID away: to whom, is to be found out."""
        self.has_joined = False
        self._next_probe = 0.0
        self._is_cut_off = False
        """The last probe has found no broker that the client knows."""
        self._is_new_after_loss = False
        self._owned: set[int] = set()
        self._waiting: set[int] = set()
        self._out_of_range: set[int] = set()
        self._input = InputTopic(settings, client_log)
        self._lookup = OffsetLookup(settings, self._input, self.trouble, log)
        self._awaited: set[tuple[int, int]] | None = None
        self._answered: set[tuple[int, int]] | None = None
        """Partitions and offsets of the commit without a transaction that was asked for last, and
        of the one that was answered last."""
        self._commit_error: KafkaError | None = None
        self._is_in_rebalance = False

    @property
    def owned(self) -> frozenset[int]:
        """The partitions whose messages `poll_messages` returns."""
        return frozenset(self._owned)

    def input_partitions(self, timeout: float) -> int:
        """How many partitions the input topic has; 0: there is no such topic. KafkaException."""
        topic = self._client.list_topics(self._topic, timeout).topics[self._topic]
        self.trouble.has_connected = True
        if topic.error and topic.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise KafkaException(topic.error)
        return len(topic.partitions)

    def expect_new_topic(self) -> None:
        """The input topic was created after this process began: it is read from its beginning."""
        self._lookup.expect_new_topic()

    def serve(self) -> None:
        """Lets the client report errors before the group is joined."""
        self._client.poll(0)

    def join(self, listener: RebalanceListener) -> None:
        self._listener = listener
        self._subscribe(self._client, listener)

    def _new_client(self) -> Consumer:
        own = {
            "error_cb": self.trouble.note,
            "on_commit": self._on_commit,
            "logger": self._client_log,
        }
        return Consumer(consumer_config(self._settings) | own | self._client_options)

    def _subscribe(self, client: Consumer, listener: RebalanceListener) -> None:
        self.trouble.joining()

        def on_assign(client: Consumer, partitions: list[TopicPartition]) -> None:
            client.incremental_assign([])
            self.has_joined = True
            self.trouble.joined()
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
        self._input.watch()
        if self._input.is_missing:
            self.trouble.complain("the input topic is gone, waiting for it", _GONE)
        if not self.has_joined:
            self.trouble.explain_waiting(self._client)
        if self.trouble.lost_brokers_at is not None:
            self._find_brokers(self.trouble.lost_brokers_at)
        messages = self._client.consume(limit, 0)
        if not messages and timeout > 0:
            messages = self._client.consume(1, timeout)
            if messages and limit > 1:
                messages += self._client.consume(limit - 1, 0)
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

    def place_waiting(self) -> list[Placement]:
        """Looks up where waiting partitions go on, and starts to fetch them.

        What cannot be looked up yet goes on waiting.
        """
        if self._fence or not self._waiting:
            return []
        placements = self._lookup.find(
            self._client, self._waiting, self._out_of_range, bool(self._owned)
        )
        try:
            self._client.incremental_assign(
                [TopicPartition(self._topic, p.partition, p.offset) for p in placements]
            )
        except KafkaException as exception:
            self.trouble.complain("cannot read the input yet", error_of(exception))
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
    def misplaced(self) -> str | None:
        """Why partitions cannot be read on where they are, and all have to `rewind`; else None."""
        if self._is_new_after_loss:
            return "the brokers have other addresses now"
        if self._owned and self._input.has_changed:
            return "the input topic was deleted and created again"
        if lost := self._out_of_range & self._owned:
            return f"partitions {sorted(lost)} cannot be read where they were left"
        return None

    def ask_for_topic(self) -> Callable[[], bool]:
        """Asks which topic has the input's name now; see `InputTopic.ask`."""
        return self._input.ask()

    def rewind(self) -> None:
        """All our partitions go back to what is committed; see `place_waiting`."""
        if self._owned and not self._fence:
            self._unassign(self._client, self._owned)
        self._waiting |= self._owned
        self._owned.clear()
        self._is_new_after_loss = False

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
            self.trouble.complain("cannot read the input now, will try again", error)

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
            self.trouble.complain("cannot look up who has our INSTANCE_ID yet", error_of(exception))
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

    def _find_brokers(self, lost_at: float) -> None:
        """Makes a new client where brokers answer at other addresses than this one knows.

        `metadata.recovery.strategy=none` keeps it from starting from bootstrap.servers again. Where
        nobody answers at all it is kept: it is quicker, and still a member, once brokers are back.
        """
        now = time.monotonic()
        answered_for = self._input.answered_for
        is_due = answered_for > 0 if self._is_cut_off else now - lost_at >= LOST_AFTER
        if not is_due or now < self._next_probe:
            return
        self._next_probe = now + PROBE_INTERVAL
        try:
            self._client.list_topics(self._topic, PROBE_TIMEOUT)
        except KafkaException as exception:
            if not self._is_cut_off:
                self._is_cut_off = True
                self._input.forget_answers()  # those from before say nothing
                return
            if answered_for < LOST_AFTER:
                return
            self._log.warning(
                "no known broker answers, starting from KAFKA_BOOTSTRAP_SERVERS again",
                error=describe(error_of(exception)),
            )
            self._renew()
            self._is_new_after_loss = True
        self._is_cut_off = False
        self.trouble.lost_brokers_at = None


def _numbers(partitions: Iterable[TopicPartition]) -> list[int]:
    return sorted(p.partition for p in partitions)


def _positions(partitions: Iterable[TopicPartition]) -> set[tuple[int, int]]:
    return {(p.partition, p.offset) for p in partitions}
