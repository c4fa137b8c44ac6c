"""The consuming end: membership in the group, which partitions are ours, where each goes on.

A partition given to us is first only *waiting*: its committed offset and counts are looked up
(`place_waiting`) before anything of it is fetched. Going back to what is committed, after a
failure of any kind, is the same path: all partitions wait again (`rewind`). So there is one way
to a position, whether at the start, in a rebalance, after an abort, or behind a gap.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from typing import Any, Final, Protocol

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.client_config import ClientConfig, consumer_config
from kafka_processor.clients.disposal import free_in_background
from kafka_processor.clients.kafka_errors import (
    describe,
    error_of,
    is_end_of_consumer,
    is_fenced_member,
    is_no_permission,
    is_unreadable,
    size_of_refused_response,
)
from kafka_processor.config import Settings
from kafka_processor.errors import ConsumerEndedError
from kafka_processor.membership.fence import Fence, Verdict
from kafka_processor.membership.input_topic import InputTopic
from kafka_processor.membership.offset_lookup import OffsetLookup
from kafka_processor.membership.placing import Placement, Start
from kafka_processor.membership.positions import Positions
from kafka_processor.membership.trouble import Trouble
from kafka_processor.pipeline import Message as AnyMessage
from kafka_processor.unreadable.partitions import UnreadablePartitions

SEARCHING_WAIT: Final = 0.002
"""Seconds to wait for a message while the end of an unreadable batch is searched for."""
FIRST_LOOK: Final = 0.001
LAST_LOOK: Final = 0.005
"""Seconds between two looks for a message while there is none: the longer, the longer it lasts."""
WAKE_INTERVAL: Final = 1.0
"""Seconds after which the client's main thread is woken, far less than a session may be silent."""
MAX_INT32: Final = 2**31 - 1
_GONE: Final = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)


LOST_AFTER: Final = 5.0
"""Seconds without a broker while one answers elsewhere, after which the client is replaced: more
than it takes to connect again where a broker comes back at its address."""
PROBE_TIMEOUT: Final = 0.5
"""Seconds to see whether the client has found a broker by itself; the loop stands still meanwhile,
which it does anyway."""
PROBE_INTERVAL: Final = 1.5


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
        self._next_wake = 0.0
        self._too_large = 0
        """Bytes of an answer that the client did not take; 0: it has taken all."""
        self._positions = Positions()
        """Of the partitions that are owned."""
        self._unreadable = UnreadablePartitions(settings, log, client_log)
        """Of these partitions nothing is fetched, until it is known how far that reaches."""

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
            "error_cb": self._on_error,
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

    def poll_messages(self, limit: int, timeout: float) -> Mapping[int, Sequence[AnyMessage]]:
        """What is there, at most `limit` messages by partition; waits for the first one only.

        For records that cannot be read there are stand-ins. `timeout` in seconds. Rebalances and
        errors are handled in here; raises ConsumerEndedError.
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
        if self._too_large:
            self._make_room()
        if self._unreadable.is_active:
            # In this order: what is fetched again from now on comes behind the stand-ins.
            found: dict[int, Sequence[AnyMessage]] = {**self._take(self._consume(limit, 0))}
            found |= self._unreadable.hand_out(limit)
            self._fetch_passed()
            if found:
                return found
            timeout = min(timeout, SEARCHING_WAIT)
        return self._take(self._consume(limit, timeout))

    def _consume(self, limit: int, timeout: float) -> list[Message]:
        began = time.monotonic()
        self._wake_client(began)
        messages = self._client.consume(limit, 0)
        # The client itself waits by the wall clock: stepped back by a minute, that clock would hold
        # us for a minute.
        while not messages and (waited := time.monotonic() - began) < timeout:
            time.sleep(min(max(waited / 4, FIRST_LOOK), LAST_LOOK, timeout - waited))
            messages = self._client.consume(limit, 0)
        return messages

    def _take(self, messages: Iterable[Message]) -> dict[int, list[Message]]:
        """Messages by partition; deals with errors among them."""
        by_partition: dict[int, list[Message]] = {}
        unreadable: dict[int, int] = {}
        """By partition, the number of messages before the first error of that kind."""
        for message in messages:
            if error := message.error():
                partition = message.partition()
                if is_unreadable(error) and partition is not None:
                    unreadable.setdefault(partition, len(by_partition.get(partition, ())))
                elif partition not in unreadable:
                    self.handle_error(error, partition)
                continue
            partition = message.partition()
            run = by_partition.get(partition)  # type: ignore[arg-type]
            if run is None:
                run = by_partition[partition] = []  # type: ignore[index]
            run.append(message)
        for partition, count in unreadable.items():
            # After a bad checksum the client goes on at a wrong place, and finds anything there.
            by_partition[partition] = by_partition.get(partition, [])[:count]
        # Some may have been revoked, or gone back, while the list was being filled.
        found = {p: run for p, run in by_partition.items() if run and p in self._owned}
        self._note_positions(found)
        for partition in unreadable.keys() & self._fetched:
            self._suspect(partition)
        return found

    def _note_positions(self, found: Mapping[int, Sequence[Message]]) -> None:
        now = time.monotonic()
        for partition, run in found.items():
            self._positions.move(partition, run[-1].offset() + 1, now)  # type: ignore[operator]
        for partition in self._positions.standing_still(self._fetched, now):
            fetched = TopicPartition(self._topic, partition)
            _, end = self._client.get_watermark_offsets(fetched, cached=True)
            if self._positions.is_suspect(partition, end):
                self._suspect(partition)

    @property
    def _fetched(self) -> Set[int]:
        if not self._unreadable.is_active:
            return self._owned
        return self._owned - self._unreadable.partitions

    def _suspect(self, partition: int) -> None:
        """Stops fetching the partition until it is known how far it cannot be read."""
        self._unassign(self._client, [partition])
        self._unreadable.suspect(partition, self._positions.next(partition))

    def _fetch_passed(self) -> None:
        """Fetches partitions again, behind what could not be read."""
        passed = dict(self._unreadable.passed)
        if passed and self._assign(passed):
            self._unreadable.forget(passed)

    def _stop_fetching(self, client: Consumer, partitions: Collection[int]) -> None:
        """Of some of the owned partitions, for good or until they are placed anew."""
        self._unassign(client, set(partitions) - self._unreadable.partitions)
        self._unreadable.forget(partitions)

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
        placements = self._lookup.find(
            self._client, self._waiting, self._out_of_range, bool(self._owned)
        )
        starts = {p.partition: p.offset for p in placements}
        if not self._assign(starts):
            return []
        if any(p.start is Start.NEW_TOPIC for p in placements):
            self._unreadable.forget_known_ends()
        now = time.monotonic()
        for partition, offset in starts.items():
            self._positions.place(partition, offset, now)
        placed = starts.keys()
        self._owned |= placed
        self._waiting -= placed
        self._out_of_range -= placed
        return placements

    def _assign(self, starts: Mapping[int, int]) -> bool:
        """Starts to fetch, by partition from which offset on; whether the client does."""
        try:
            self._client.incremental_assign(
                [TopicPartition(self._topic, p, offset) for p, offset in starts.items()]
            )
        except KafkaException as exception:
            self.trouble.complain("cannot read the input yet", error_of(exception))
            return False
        now = time.monotonic()
        for partition, offset in starts.items():
            self._positions.move(partition, offset, now)
        return True

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
            self._stop_fetching(self._client, self._owned)
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
        self._unreadable.close()
        self._close_fence()
        closing = threading.Thread(target=self._client.close, daemon=True)
        try:
            closing.start()
        except RuntimeError as error:  # the system has no thread to give
            self._log.warning("cannot leave the group, which will notice", error=str(error))
            return
        closing.join(timeout)

    def _give_up(self, client: Consumer, partitions: Iterable[TopicPartition]) -> None:
        numbers = {p.partition for p in partitions}
        # Also with nothing to unassign: the client would do it itself, with those that wait too,
        # which are not assigned, and fail.
        self._stop_fetching(client, numbers & self._owned)
        self._owned -= numbers
        self._waiting -= numbers
        self._out_of_range -= numbers

    def _unassign(self, client: Consumer, partitions: Collection[int]) -> None:
        client.incremental_unassign([TopicPartition(self._topic, p) for p in partitions])

    def handle_error(self, error: KafkaError, partition: int | None = None) -> None:
        """Goes on if it can, else raises ConsumerEndedError."""
        if is_fenced_member(error) and self._settings.instance_id and self.has_joined:
            ours = self._owned | self._waiting
            self._fence = self._fence or Fence(self._settings, self._client_log, error, ours)
        elif is_end_of_consumer(error):
            raise self._ended(error)
        elif is_no_permission(error) and not self.has_joined:
            raise ConsumerEndedError(f"no permission to join the group: {describe(error)}")
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            if partition in self._owned:
                self._out_of_range.add(partition)
        elif error.code() != KafkaError._PARTITION_EOF:
            self.trouble.complain("cannot read the input now, will try again", error)

    def end_if_fenced(self) -> None:
        """Our transactional id has another owner too. Raises ConsumerEndedError."""
        if self._fence:
            raise self._ended(self._fence.error)

    def _settle(self, fence: Fence, timeout: float) -> None:
        """Ends where another process has our INSTANCE_ID, else goes on as a new member.

        Without an answer, or an end, it is to be called again. Raises ConsumerEndedError.
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
        self._close_fence()
        self._renew()

    def _close_fence(self) -> None:
        if self._fence:
            self._fence.close()
            self._fence = None

    def _ended(self, error: KafkaError) -> ConsumerEndedError:
        instance = self._settings.instance_id
        hint = f"; is there another process with INSTANCE_ID={instance}?" if instance else ""
        return ConsumerEndedError(f"the consumer cannot go on: {describe(error)}{hint}")

    def _renew(self) -> None:
        """A new client, for one that the group will not have again.

        One that fails like the old one before it has joined is the end.
        """
        self.has_joined = False
        lost = self._owned | self._waiting
        self._unreadable.forget(lost)
        for partitions in (self._owned, self._waiting, self._out_of_range):
            partitions.clear()
        old = [self._client]
        self._client = self._new_client()
        free_in_background(old)
        if self._listener:
            self._listener.on_lost(sorted(lost))
            self._subscribe(self._client, self._listener)

    def _make_room(self) -> None:
        """A new client that takes an answer as large as the one that was too large for the old one,
        which would ask for it for ever."""
        room = min(2 * self._too_large, MAX_INT32)
        self._log.warning(
            "a batch of the input is larger than expected, joining the group again with more room",
            bytes=self._too_large,
        )
        self._too_large = 0
        self._client_options = self._client_options | {"receive.message.max.bytes": room}
        self._unreadable.room = room
        self._renew()

    def _on_error(self, error: KafkaError) -> None:
        if self.has_joined:  # else it may be the answer of something that is no broker
            self._too_large = size_of_refused_response(error) or self._too_large
        self.trouble.note(error)

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
