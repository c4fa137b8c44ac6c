"""The loop: poll, process, produce, commit; the commit of one batch overlaps work on the next.

Messages processed while a commit is in flight are buffered and open the next batch, which stays
open as long as there is a backlog to read: to produce at once is cheaper than to buffer.

What the loop is doing is one of the states of `loop_state.py`. A turn is `_prepare`, then `_work`.
Whatever fails, `_fail` drops the batch, and `recovery.py` leads back to the committed offsets and
counts. `docs/delivery.md` says why nothing is lost or doubled.
"""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

from confluent_kafka import KafkaException
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.kafka_errors import (
    blames_record,
    describe,
    error_of,
    is_no_permission,
    never_starts,
)
from kafka_processor.config import Settings
from kafka_processor.current_batch import CurrentBatch
from kafka_processor.delivery.refused import Refused
from kafka_processor.loop_state import Event, LoopState, State
from kafka_processor.membership.polled import MAX_SLICE
from kafka_processor.membership.start_offsets import StartOffset, StartReason
from kafka_processor.monitoring.observer import Observer
from kafka_processor.monitoring.observers import Observers
from kafka_processor.pipeline import Pipeline
from kafka_processor.ports import Input, Output
from kafka_processor.producer import BatchFailed, batch_failed
from kafka_processor.reading import Reader
from kafka_processor.recovery import PROOF_AFTER, Recovery
from kafka_processor.summary_printer import SummaryPrinter
from kafka_processor.timing import Deadline
from kafka_processor.topics.configs import LimitLookup

BACKLOG: Final = MAX_SLICE // 2
"""Messages that one poll finds without waiting, where there is a backlog."""
IDLE_WAIT: Final = 0.1
"""Seconds to wait for a message: how fast a signal or a due summary is noticed."""
COMMITTING_WAIT: Final = 0.002
"""Seconds to wait for a message while a commit is in flight: how fast its end is noticed."""
ANSWER_POLL: Final = 0.05
"""Seconds of one poll of a stop that waits for the answer to a commit."""
REBALANCE_WAIT: Final = 2.0
"""Seconds to finish a commit before partitions go to another member; then it is abandoned."""
LAST_TURN: Final = 1.5
"""Seconds that have to be left of a stop to begin another turn, which may wait for 2 s."""
LEAVE_TIMEOUT: Final = 1.5
"""Seconds to leave the group; a join in progress can hold that up."""


class Processor:
    """One member of the group at work. Everything runs on one thread, but for `why_not_working`."""

    def __init__(
        self,
        settings: Settings,
        consumer: Input,
        producer: Output,
        pipeline: Pipeline,
        summary: SummaryPrinter,
        log: FilteringBoundLogger,
        observers: Sequence[Observer] = (),
        limits: LimitLookup | None = None,
    ) -> None:
        self._consumer = consumer
        self._producer = producer
        self._summary = summary
        self._log = log
        self._limits = limits
        self._observers = Observers(observers, log)
        self._state = LoopState()
        self._reader = Reader(consumer, pipeline, self._observers)
        self._batch = CurrentBatch(settings, producer, summary, self._observers, self._state)
        self._refused = Refused(settings)
        self._recovery = Recovery(settings, consumer, producer, log, limits)
        self._should_stop: Callable[[], bool] = lambda: False

    @property
    def state(self) -> State:
        return self._state.current

    def why_not_working(self) -> str | None:
        """Why no message can be processed now; None: they can. For any thread."""
        if self._state.is_in(State.STOPPING) or self._should_stop():
            return "stopping"
        if failure := self._failure_to_report():
            return f"recovering from: {failure}"
        if self._state.is_in(State.JOINING) or not self._consumer.has_joined:
            return "joining the group"
        if self._consumer.is_looking_up:
            return "looking up start offsets"
        return None

    def _failure_to_report(self) -> BatchFailed | None:
        if self._state.is_in(State.RECOVERING):
            return self._recovery.last_failure
        # A member without partitions has nothing to commit.
        has_partitions = self._consumer.owned or self._consumer.is_looking_up
        return self._recovery.repeated_failure if has_partitions else None

    def start(self, should_stop: Callable[[], bool], on_turn: Callable[[], None]) -> None:
        """Joins the group, then starts the producer; returns early if `should_stop`.

        In this order, so that a predecessor with the same INSTANCE_ID has left the group before
        its producer is fenced. Raises ConsumerEndedError, ProducerRefusedError, and KafkaException
        without permission.
        """
        self._should_stop = should_stop
        self._consumer.join(self)
        has_producer = False
        while not should_stop() and not (self._consumer.has_joined and has_producer):
            on_turn()
            self._consumer.poll_messages(1, IDLE_WAIT)
            if self._consumer.has_joined and self._recovery.is_due:
                has_producer = self._try_to_start_producer()
        if self._consumer.has_joined and has_producer:
            self._recovery.end_streak()
            self._state.handle(Event.JOINED)

    def _try_to_start_producer(self) -> bool:
        try:
            self._producer.start()
        except KafkaException as exception:
            error = error_of(exception)
            if is_no_permission(error) or never_starts(error):
                raise
            self._recovery.postpone()
            self._log.warning("the producer cannot start yet", error=describe(error))
            return False
        return True

    def run(self, should_stop: Callable[[], bool], on_turn: Callable[[], None]) -> None:
        """Works until `should_stop`. Raises ConsumerEndedError or KeyChangedError."""
        self._should_stop = should_stop
        while not should_stop():
            on_turn()
            if self._limits:
                self._limits.turned()
            self.turn()
            self._observers.turned()

    def turn(self) -> None:
        """One turn of the loop. Raises ConsumerEndedError or KeyChangedError."""
        try:
            self._prepare()
            if self._should_stop() and not self._reader.is_closed:
                return  # brokers were waited for long enough: the rest of the time is the stop's
            self._work()
        except (BatchFailed, KafkaException) as exception:
            # A fenced client was seen to raise KafkaException where that is not expected.
            self._fail(exception)

    def _prepare(self) -> None:
        """Serves the producer; recovers, or starts to fetch partitions that wait."""
        self._producer.serve()
        if self._state.is_in(State.RECOVERING):
            if self._recovery.take_step():
                self._state.handle(Event.RECOVERED)
            return
        if self._state.is_in(State.COMMITTING):
            self._producer.advance_commit()
        if self._consumer.fenced_for > PROOF_AFTER:
            # A commit, of what is committed already, shows whether the producer is fenced too.
            self._batch.commit_position_of(self._consumer.owned)
        for start in self._consumer.start_waiting():
            self._start_partition(start)

    def _start_partition(self, start: StartOffset) -> None:
        """Takes over the counts that are stored with the committed offset."""
        partition = start.partition
        why_restart = self._summary.restore(
            partition,
            start.committed,
            start.metadata,
            start.offset,
            time.monotonic(),
            start.topic_id,
        )
        is_new_topic = start.reason is StartReason.NEW_TOPIC
        if is_new_topic:
            self._summary.restart(partition)
            self._refused.forget([partition])  # other messages have these offsets now
        elif why_restart:
            self._log.warning(
                "counts restart", partition=partition, offset=start.offset, why=why_restart
            )
        self._observers.started(start)
        if is_new_topic or why_restart or start.committed != start.offset:
            self._batch.commit_position_of([partition])

    def _work(self) -> None:
        """Reads, then takes the next step of the batch."""
        is_backlog = self._read()
        if self._state.is_in(State.BATCH_OPEN):
            if not is_backlog or self._batch.is_old:
                self._batch.begin_commit(self._consumer.owned)
            return
        if self._state.is_in(State.COMMITTING):
            has_capacity = self._batch.capacity(self._refused.limit) > 0
            if self._producer.is_committing and (
                has_capacity or not self._producer.wait(IDLE_WAIT)
            ):
                return
            self._finish_commit()
        if self._state.is_in(State.IDLE) and self._batch.has_reason_to_open:
            self._batch.open()

    def _read(self) -> bool:
        """Polls, and processes a slice; returns whether there seems to be a backlog."""
        capacity = self._batch.capacity(self._refused.limit)
        self._reader.poll(
            capacity, self._poll_timeout(), awaits_answer=self._producer.needs_polling
        )
        if self._recovery.has_new_failure:  # of a rebalance, inside the poll
            self._reader.clear()
            return False
        if reason := self._consumer.rewind_reason:
            raise BatchFailed(reason)
        works = self._reader.process(capacity, self._refused.causes)
        self._batch.add(works)
        messages = sum(work.messages for work in works.values())
        return capacity > 0 and (self._reader.has_polled or messages >= BACKLOG)

    def _poll_timeout(self) -> float:
        if self._state.is_in(State.BATCH_OPEN):
            return 0.0
        is_busy = self._batch.has_buffered or self._producer.is_committing
        return COMMITTING_WAIT if is_busy else IDLE_WAIT

    def _finish_commit(self, timeout: float = 0.0, *, is_in_rebalance: bool = False) -> None:
        """Raises BatchFailed if the commit has failed, or has not ended after `timeout` seconds."""
        self._producer.finish(timeout, is_in_rebalance=is_in_rebalance)
        self._recovery.end_streak()
        if batch := self._batch.end():
            seconds = batch.seconds_since_closed
            self._refused.after_success(batch.works, seconds)
            self._observers.committed(batch, seconds)

    def _fail(self, exception: BatchFailed | KafkaException) -> None:
        """Drops the batch and everything else that is not committed.

        Calls no client, so that it can be called inside a rebalance; `Recovery.take_step` does the
        rest, from the next turn on.
        """
        failure = exception
        if not isinstance(failure, BatchFailed):
            failure = batch_failed(error_of(failure))
        self._observers.gave_up(failure, self._batch.messages)
        is_narrowed_down = self._refused.narrow_down(failure, self._batch.works)
        self._recovery.begin(failure, is_narrowed_down=is_narrowed_down)
        if self._limits and any(blames_record(each.error) for each in failure.records):
            self._limits.ask()
        self._reader.clear()
        self._batch.drop()

    def on_revoke(self, partitions: Collection[int]) -> None:
        """Commits the batch in hand and the changed counts of the partitions, then forgets them."""
        try:
            self._finish_all(
                partitions, lambda: self._finish_commit(REBALANCE_WAIT, is_in_rebalance=True)
            )
        except (BatchFailed, KafkaException) as exception:
            self._fail(exception)
        self._state.handle(Event.REVOKED)
        self._forget(partitions)
        self._observers.revoked(partitions)

    def on_lost(self, partitions: Collection[int]) -> None:
        """Drops the batch in hand, and forgets the partitions."""
        if self._state.is_in(State.BATCH_OPEN, State.COMMITTING):
            self._fail(BatchFailed("partitions were lost before a commit ended"))
        self._state.handle(Event.LOST)
        self._forget(partitions)
        self._observers.lost(partitions)

    def _forget(self, partitions: Collection[int]) -> None:
        self._reader.forget(partitions)
        self._batch.forget(partitions)
        self._refused.forget(partitions)

    def stop(self, timeout: float) -> None:
        """Finishes the batch in hand, publishes the last counts, leaves the group.

        Messages that are processed but not produced yet, and all that is read from here on, are
        left to the next owner. `timeout` bounds the waiting for brokers, in seconds.
        """
        deadline = Deadline(timeout)
        self._reader.close()
        self._batch.discard_buffered()
        try:
            while not self._settle(deadline) and deadline.seconds_left >= LAST_TURN:
                self.turn()  # looks up start offsets: the counts there may have to be published
            if self._state.is_in(State.RECOVERING):
                reason = str(self._recovery.last_failure)
                self._log.warning("gave up the batch in hand", reason=reason)
        finally:
            self.leave()
            self._observers.stopped()

    def _settle(self, deadline: Deadline) -> bool:
        """Commits the batch in hand and changed counts; returns whether the stop is done with it,
        as after a failure."""
        try:
            self._finish_all(self._consumer.owned, lambda: self._await_commit(deadline))
        except (BatchFailed, KafkaException) as exception:
            self._fail(exception)
        is_over = self._state.is_in(State.JOINING, State.RECOVERING)
        return is_over or not self._consumer.is_looking_up

    def _finish_all(self, partitions: Collection[int], finish: Callable[[], None]) -> None:
        """Commits the batch in hand, then the changed counts of the partitions.

        `finish` waits for the commit in flight. Raises BatchFailed, KafkaException.
        """
        if self._state.is_in(State.BATCH_OPEN):
            self._batch.begin_commit(self._consumer.owned)
        if self._state.is_in(State.COMMITTING):
            finish()
        if self._state.is_in(State.IDLE) and self._batch.commit_counts(partitions):
            finish()

    def _await_commit(self, deadline: Deadline) -> None:
        """Waits for the commit in flight; polls where its answer arrives in a poll.

        A rebalance in such a poll ends the batch. Raises BatchFailed, KafkaException.
        """
        while self._producer.is_committing and (left := deadline.seconds_left) > 0:
            self._producer.advance_commit()
            if self._producer.needs_polling:
                self._consumer.poll_messages(1, min(left, ANSWER_POLL))
            else:
                self._producer.wait(left)
        if self._state.is_in(State.COMMITTING):
            self._finish_commit()

    def leave(self) -> None:
        """Leaves the group at once; the batch in hand is not committed."""
        self._state.handle(Event.LEFT)
        try:
            self._producer.close()
        finally:
            self._consumer.close(LEAVE_TIMEOUT)
