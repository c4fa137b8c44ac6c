"""The consuming end: membership in the group, and which partitions are ours.

A partition that is assigned to us first *waits*: its committed offset and counts are looked up
(`start_waiting`) before anything of it is fetched. After a failure of any kind all partitions wait
again (`rewind`). So there is one way to a start offset: at the start, in a rebalance, after an
abort, and behind a gap.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.client_config import ClientConfig, consumer_config
from kafka_processor.clients.disposal import free_in_background
from kafka_processor.clients.kafka_errors import (
    describe,
    error_of,
    is_end_of_consumer,
    is_fenced_member,
    is_no_permission,
    size_of_refused_response,
)
from kafka_processor.config import Settings
from kafka_processor.errors import ConsumerEndedError
from kafka_processor.membership.fence import Fence, Verdict
from kafka_processor.membership.fetching import Fetching
from kafka_processor.membership.input_topic import InputTopic
from kafka_processor.membership.member_client import MemberClient
from kafka_processor.membership.moved_brokers import MovedBrokers
from kafka_processor.membership.offset_commit import OffsetCommit
from kafka_processor.membership.offset_lookup import OffsetLookup
from kafka_processor.membership.start_offsets import StartOffset, StartReason
from kafka_processor.membership.trouble import Trouble
from kafka_processor.pipeline import Message as AnyMessage
from kafka_processor.ports import RebalanceListener

SEARCHING_WAIT: Final = 0.002
"""Seconds to wait for a message while the end of an unreadable batch is searched for."""
MAX_INT32: Final = 2**31 - 1
_GONE: Final = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)


class InputConsumer:
    """The member of the consumer group; the `Input` of the loop."""

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
        self._commit = OffsetCommit()
        self._member = self._new_member()
        self._listener: RebalanceListener | None = None
        self._fence: Fence | None = None
        """The group has fenced our INSTANCE_ID; who has it, is to be found out."""
        self.has_joined = False
        self._is_new_after_loss = False
        """The client was replaced since brokers have moved."""
        self._waiting: set[int] = set()
        self._out_of_range: set[int] = set()
        self._input = InputTopic(settings, client_log)
        self._moved_brokers = MovedBrokers(self._input, self.trouble, log)
        self._lookup = OffsetLookup(settings, self._input, self.trouble, log)
        self._fetching = Fetching(settings, self.trouble, log, client_log)
        self._too_large = 0
        """Bytes of an answer that the client did not take; 0: it has taken all."""

    @property
    def owned(self) -> frozenset[int]:
        """The partitions whose messages `poll_messages` returns."""
        return frozenset(self._fetching.owned)

    def input_partitions(self, timeout: float) -> int:
        """How many partitions the input topic has; 0: there is no such topic. KafkaException."""
        topic = self._member.client.list_topics(self._topic, timeout).topics[self._topic]
        self.trouble.has_connected = True
        if topic.error and topic.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise KafkaException(topic.error)
        return len(topic.partitions)

    def expect_new_topic(self) -> None:
        """The input topic was created after this process began: it is read from its beginning."""
        self._lookup.expect_new_topic()

    def serve(self) -> None:
        """Lets the client report errors before the group is joined."""
        self._member.client.poll(0)

    def join(self, listener: RebalanceListener) -> None:
        self._listener = listener
        self._subscribe(listener)

    def _new_member(self) -> MemberClient:
        own = {
            "error_cb": self._on_error,
            "on_commit": self._commit.take_answer,
            "logger": self._client_log,
        }
        config = consumer_config(self._settings) | own | self._client_options
        return MemberClient(Consumer(config), self._topic)

    def _subscribe(self, listener: RebalanceListener) -> None:
        # No callback may hold the member: its client would hold itself, and not be freed in time.
        self.trouble.joining()

        def on_assign(client: Consumer, partitions: list[TopicPartition]) -> None:
            client.incremental_assign([])
            self.has_joined = True
            self.trouble.joined()
            self._waiting.update(p.partition for p in partitions)
            self._log.info("partitions assigned", partitions=_numbers(partitions))

        def on_revoke(client: Consumer, partitions: list[TopicPartition]) -> None:
            listener.on_revoke(_numbers(partitions))
            self._let_go(client, _numbers(partitions))
            self._log.info("partitions revoked", partitions=_numbers(partitions))

        def on_lost(client: Consumer, partitions: list[TopicPartition]) -> None:
            listener.on_lost(_numbers(partitions))
            self._let_go(client, _numbers(partitions))
            self._log.warning("partitions lost", partitions=_numbers(partitions))

        self._member.client.subscribe(
            [self._topic], on_assign=on_assign, on_revoke=on_revoke, on_lost=on_lost
        )

    def _let_go(self, client: Consumer, partitions: Sequence[int]) -> None:
        self._fetching.stop(MemberClient(client, self._topic), partitions)
        self._waiting.difference_update(partitions)
        self._out_of_range.difference_update(partitions)

    def poll_messages(self, limit: int, timeout: float) -> Mapping[int, Sequence[AnyMessage]]:
        """Returns at most `limit` messages by partition; waits up to `timeout` seconds for one.

        For records that cannot be read there are stand-ins. Rebalances and errors are handled in
        here. Raises ConsumerEndedError.
        """
        if self._fence:
            self._settle(self._fence, timeout)
            return {}
        self._look_after_client()
        if self._fetching.is_searching:
            # In this order: what is fetched again from now on comes behind the stand-ins.
            found: dict[int, Sequence[AnyMessage]] = {**self._consume(limit, 0)}
            found |= self._fetching.hand_out(limit)
            self._fetching.resume(self._member)
            if found:
                return found
            timeout = min(timeout, SEARCHING_WAIT)
        return self._consume(limit, timeout)

    def _consume(self, limit: int, timeout: float) -> Mapping[int, Sequence[AnyMessage]]:
        messages = self._member.consume(limit, timeout)
        return self._fetching.sort(self._member, messages, self.handle_error)

    def _look_after_client(self) -> None:
        """Replaces the client where it would never get on by itself; says what is waited for."""
        self._input.watch()
        if self._input.is_missing:
            self.trouble.complain("the input topic is gone, waiting for it", _GONE)
        if not self.has_joined:
            self.trouble.explain_waiting(self._member.client)
        if self._moved_brokers.probe(self._member.client, self._topic):
            self._renew()
            self._is_new_after_loss = True
        if self._too_large:
            self._accept_larger_answers()

    def start_waiting(self) -> list[StartOffset]:
        """Looks up the start offsets of waiting partitions, and starts to fetch them.

        Those that cannot be looked up yet remain waiting.
        """
        if self._fence or not self._waiting:
            return []
        found = self._lookup.find(
            self._member.client, self._waiting, self._out_of_range, bool(self._fetching.owned)
        )
        starts = {each.partition: each.offset for each in found}
        if not self._fetching.start(self._member, starts):
            return []
        if any(each.reason is StartReason.NEW_TOPIC for each in found):
            self._fetching.expect_new_topic()
        self._waiting -= starts.keys()
        self._out_of_range -= starts.keys()
        return found

    @property
    def is_looking_up(self) -> bool:
        """Whether partitions are assigned of which the start offset is not known yet."""
        return bool(self._waiting)

    @property
    def fenced_for(self) -> float:
        """Seconds since the group fenced this member, while it is not known who did; else 0."""
        return self._fence.age if self._fence else 0.0

    @property
    def rewind_reason(self) -> str | None:
        """Why partitions cannot be read on where they are: all of them have to `rewind`."""
        if self._is_new_after_loss:
            return "the brokers have other addresses now"
        if self._fetching.owned and self._input.has_changed:
            return "the input topic was deleted and created again"
        if lost := self._out_of_range & self._fetching.owned:
            return f"partitions {sorted(lost)} cannot be read where they were left"
        return None

    def ask_for_topic(self) -> Callable[[], bool]:
        """Asks which topic has the input's name now; see `InputTopic.ask`."""
        return self._input.ask()

    def rewind(self) -> None:
        """All our partitions go back to what is committed; see `start_waiting`."""
        self._waiting |= self._fetching.owned
        if self._fence:  # its client fetches nothing any more
            self._fetching.forget_all()
        elif self._fetching.owned:
            self._fetching.stop(self._member, self._fetching.owned)
        self._is_new_after_loss = False

    def group_metadata(self) -> Any:
        """Member and generation, by which the broker knows a commit of a former member."""
        return self._member.client.consumer_group_metadata()

    def begin_commit(self, offsets: list[TopicPartition]) -> None:
        """Commits without a transaction; the answer arrives in `poll_messages`. KafkaException."""
        self._commit.begin(self._member.client, offsets)

    @property
    def is_commit_answered(self) -> bool:
        return self._commit.is_answered

    @property
    def commit_error(self) -> KafkaError | None:
        """Why the commit that was answered last has failed, if it has."""
        return self._commit.error

    def close(self, timeout: float) -> None:
        """Leaves the group; partitions are revoked first. Blocks up to `timeout` seconds."""
        self._fetching.close()
        self._close_fence()
        closing = threading.Thread(target=self._member.client.close, daemon=True)
        try:
            closing.start()
        except RuntimeError as error:  # the system has no thread to give
            self._log.warning("cannot leave the group, which will notice", error=str(error))
            return
        closing.join(timeout)

    def handle_error(self, error: KafkaError, partition: int | None = None) -> None:
        """Deals with an error of the client, or raises ConsumerEndedError."""
        if is_fenced_member(error) and self._settings.instance_id and self.has_joined:
            ours = self._fetching.owned | self._waiting
            self._fence = self._fence or Fence(self._settings, self._client_log, error, ours)
        elif is_end_of_consumer(error):
            raise self._ended(error)
        elif is_no_permission(error) and not self.has_joined:
            raise ConsumerEndedError(f"no permission to join the group: {describe(error)}")
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            if partition in self._fetching.owned:
                self._out_of_range.add(partition)
        elif error.code() != KafkaError._PARTITION_EOF:
            self.trouble.complain("cannot read the input now, will try again", error)

    def raise_if_fenced(self) -> None:
        """Our transactional id has another owner too. Raises ConsumerEndedError."""
        if self._fence:
            raise self._ended(self._fence.error)

    def _settle(self, fence: Fence, timeout: float) -> None:
        """Joins again as a new member, or raises ConsumerEndedError if another process has our
        INSTANCE_ID. Without a verdict it waits `timeout` seconds, and is to be called again."""
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
        """Replaces a client that the group will not have again.

        If the new one fails in the same way before it has joined, the consumer has ended.
        """
        self.has_joined = False
        lost = sorted(self._fetching.owned | self._waiting)
        self._fetching.forget_all()
        self._waiting.clear()
        self._out_of_range.clear()
        old = [self._member]
        self._member = self._new_member()
        free_in_background(old)
        if self._listener:
            self._listener.on_lost(lost)
            self._subscribe(self._listener)

    def _accept_larger_answers(self) -> None:
        """Replaces the client by one that takes an answer as large as the one that was too large
        for the old one, which would ask for it forever."""
        size = min(2 * self._too_large, MAX_INT32)
        self._log.warning(
            "a batch of the input is larger than expected, joining the group again with more room",
            bytes=self._too_large,
        )
        self._too_large = 0
        self._client_options = self._client_options | {"receive.message.max.bytes": size}
        self._fetching.expect_answers_of(size)
        self._renew()

    def _on_error(self, error: KafkaError) -> None:
        if self.has_joined:  # else it may be the answer of something that is no broker
            self._too_large = size_of_refused_response(error) or self._too_large
        self.trouble.note(error)


def _numbers(partitions: Iterable[TopicPartition]) -> list[int]:
    return sorted(p.partition for p in partitions)
