"""The loop: poll, work, publish, commit; the commit of one batch overlaps the work on the next.

What is worked on during a commit is gathered. The next batch begins with it, and stays open as long
as there is a backlog to read: what is published at once is cheaper than what has to wait.

Recovery is one path for every failure (`_fail`, then `_recover`): the batch is dropped, all
partitions go back to the committed offsets and counts, the producer ends what is open, and the
loop goes on. `docs/delivery.md` tells why nothing is lost or doubled in it.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.kafka_errors import (
    blames_record,
    describe,
    error_of,
    is_end_of_consumer,
    is_fenced_member,
    is_no_permission,
    is_producer_fenced,
    never_starts,
)
from kafka_processor.config import Settings
from kafka_processor.consumer import InputConsumer
from kafka_processor.delivery.batch import Batch, room
from kafka_processor.delivery.refused import Refused
from kafka_processor.errors import ProducerRefusedError
from kafka_processor.membership.placing import Placement, Start
from kafka_processor.membership.polled import MAX_SLICE, PolledMessages, Slice
from kafka_processor.monitoring.observer import Observer
from kafka_processor.monitoring.observers import Observers
from kafka_processor.pipeline import Pipeline, Work, merge
from kafka_processor.producer import BatchFailed, OutputProducer, batch_failed
from kafka_processor.summary_printer import SummaryPrinter
from kafka_processor.topics.configs import LimitLookup
from kafka_processor.unreadable.batch_search import stand_ins

BACKLOG: Final = MAX_SLICE // 2
"""Messages that one poll finds without waiting, where there is a backlog."""
MAX_GATHERED: Final = 10_000
"""Messages worked on while a commit is under way; what takes longer is waited for."""
IDLE_WAIT: Final = 0.1
"""Seconds to wait for a message: how fast a signal or a due summary is noticed."""
ANSWER_WAIT: Final = 0.005
"""Seconds between two polls that only wait for the answer to a commit."""
COMMITTING_WAIT: Final = 0.002
"""Seconds to wait for a message while a commit is under way: how fast its end is noticed."""
POLL_INTERVAL: Final = 1.0
"""Seconds between two polls while polled messages wait: how soon a rebalance is noticed."""
REBALANCE_WAIT: Final = 2.0
"""Seconds to finish a commit before partitions go to another member; else it is given up."""
MAX_PAUSE: Final = 3.0
"""Seconds between two tries while nothing can be published."""
LAST_TURN: Final = 1.5
"""Seconds that have to be left of a stop to begin another turn, which may wait for 2 s."""
PROOF_AFTER: Final = 1.0
"""Seconds in which a process that has our place in the group takes over our producer as well."""
LEAVE_TIMEOUT: Final = 1.5
"""Seconds to leave the group; a join that is under way can hold that up."""


class Processor:
    """One member of the group at work. Everything here runs on one thread."""

    def __init__(
        self,
        settings: Settings,
        consumer: InputConsumer,
        producer: OutputProducer,
        pipeline: Pipeline,
        summary: SummaryPrinter,
        log: FilteringBoundLogger,
        observers: Sequence[Observer] = (),
        limits: LimitLookup | None = None,
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._producer = producer
        self._pipeline = pipeline
        self._summary = summary
        self._log = log
        self._observers = Observers(observers, log)
        self._limits = limits

        self._polled = PolledMessages()
        self._next_poll = 0.0
        """When to poll though polled messages wait."""
        self._gathered: dict[int, Work] = {}
        """Worked on, not yet published."""
        self._open: Batch | None = None
        """Published, its commit not begun."""
        self._committing: Batch | None = None
        """Published, its commit under way."""
        self._new_positions: set[int] = set()
        """Partitions whose position is not what is committed: it is, with the next batch."""

        self._refused = Refused(settings)
        self._failure: BatchFailed | None = None
        """What is to be recovered from; None while all is well."""
        self._last_failure: BatchFailed | None = None
        self._failure_in_rebalance: BatchFailed | None = None
        self._failures = 0
        """In a row, without a commit between them."""
        self._retry_at = 0.0
        self._has_started = False
        self._should_stop: Callable[[], bool] = lambda: False
        self._is_stopping = False

    def why_not_working(self) -> str | None:
        """Why no message can be processed now; None: they can. For any thread."""
        if self._is_stopping:
            return "stopping"
        if failure := self._failure or self._repeated_failure():
            return f"getting over: {failure}"
        if not (self._has_started and self._consumer.has_joined):
            return "joining the group"
        if self._consumer.is_placing:
            return "waiting to be told where partitions go on"
        return None

    def _repeated_failure(self) -> BatchFailed | None:
        """What failed twice in a row is likely to fail again: only a commit shows that it is over.

        A member without partitions has nothing to commit.
        """
        has_work = self._consumer.owned or self._consumer.is_placing
        return self._last_failure if self._failures > 1 and has_work else None

    def start(self, should_stop: Callable[[], bool], on_turn: Callable[[], None]) -> None:
        """Joins the group, then makes the producer ready.

        In this order, so that a predecessor with the same INSTANCE_ID has left the group before
        its producer is shut out. Raises ConsumerEndedError, ProducerRefusedError, and
        KafkaException without permission.
        """
        self._consumer.join(self)
        is_producer_ready = False
        while not should_stop() and not (self._consumer.has_joined and is_producer_ready):
            on_turn()
            self._consumer.poll_messages(1, IDLE_WAIT)
            if self._consumer.has_joined and time.monotonic() >= self._retry_at:
                try:
                    self._producer.start()
                    is_producer_ready = True
                except KafkaException as exception:
                    error = error_of(exception)
                    if is_no_permission(error) or never_starts(error):
                        raise
                    self._pause()
                    self._log.warning("the producer cannot start yet", error=describe(error))
        self._failures = 0
        self._has_started = not should_stop()

    def run(self, should_stop: Callable[[], bool], on_turn: Callable[[], None]) -> None:
        """Works until `should_stop`. Raises ConsumerEndedError or KeyChangedError."""
        self._should_stop = should_stop
        while not should_stop():
            on_turn()
            if self._limits:
                self._limits.turned()
            self._turn_once()
            self._observers.turned()

    def _turn_once(self) -> None:
        try:
            self._turn()
        except BatchFailed as failure:
            self._fail(failure)
        except KafkaException as exception:
            # As a fenced client was seen to raise outside of what is expected to.
            self._fail(batch_failed(error_of(exception)))

    def stop(self, timeout: float) -> None:
        """Finishes the commit under way, publishes the last counts, leaves the group.

        What is worked on but not published yet is left to the next owner, like all that is read
        from here on. `timeout` in seconds bounds the waiting for the broker.
        """
        deadline = time.monotonic() + timeout
        self._is_stopping = True
        self._polled.clear()
        self._gathered.clear()
        try:
            while not self._finish(deadline) and self._failure is None:
                if deadline - time.monotonic() < LAST_TURN:
                    break
                self._turn_once()
            if self._failure:
                self._log.warning("gave up the batch in hand", reason=str(self._failure))
        finally:
            self.leave()
            self._observers.stopped()

    def _finish(self, deadline: float) -> bool:
        """Whether everything published is committed, the last counts too."""
        if self._failure:
            return False
        try:
            self._commit_open()
            self._finish_commit(max(deadline - time.monotonic(), 0))
            self._publish_summary(self._consumer.owned, max(deadline - time.monotonic(), 0))
            self._raise_failure_in_rebalance()
        except BatchFailed as failure:
            self._fail(failure)
            return False
        return not self._consumer.is_placing  # what waits may have counts to publish

    def leave(self) -> None:
        """Leaves the group at once; what is under way is not committed."""
        self._failure = self._failure or BatchFailed("leaving")
        try:
            self._producer.close()
        finally:
            self._consumer.close(LEAVE_TIMEOUT)

    def on_revoke(self, partitions: Collection[int]) -> None:
        try:
            if self._failure is None and self._failure_in_rebalance is None:
                self._commit_open()
                self._finish_commit(REBALANCE_WAIT)
                self._publish_summary(partitions, REBALANCE_WAIT)
        except BatchFailed as failure:
            self._failure_in_rebalance = failure
        self._forget(partitions)
        self._observers.revoked(partitions)

    def on_lost(self, partitions: Collection[int]) -> None:
        if (self._open or self._committing) and self._failure is None:
            self._failure_in_rebalance = BatchFailed("partitions were lost before a commit ended")
        self._forget(partitions)
        self._observers.lost(partitions)

    def _turn(self) -> None:
        self._producer.serve()
        if self._failure:
            self._get_over_failure()
        else:
            self._take_up_partitions()
        if self._should_stop() and not self._is_stopping:
            return  # what has been waited for so far is all that a stop has time for
        is_backlog = self._collect()
        if self._failure:
            return
        if self._open:
            if not is_backlog or self._open.is_old:
                self._commit_open()
            return
        if self._producer.is_committing() and (self._room() or not self._producer.wait(IDLE_WAIT)):
            return
        self._finish_commit()
        if self._gathered or self._new_positions or self._summary.is_due(time.monotonic()):
            self._open = Batch(self._producer, self._settings.metrics_topic)
            gathered, self._gathered = self._gathered, {}
            self._publish(self._open, gathered)

    def _get_over_failure(self) -> None:
        if self._consumer.fenced_for:
            # Not recovered from: a process that has our place would be shut out.
            if self._consumer.fenced_for > PROOF_AFTER and self._producer.is_fenced():
                self._consumer.end_if_fenced()
        elif time.monotonic() >= self._retry_at:
            self._recover()

    def _take_up_partitions(self) -> None:
        if self._consumer.fenced_for > PROOF_AFTER:
            # A commit, of what is committed already, shows whether the producer is fenced too.
            self._new_positions |= self._consumer.owned
        for placement in self._consumer.place_waiting():
            self._take_up(placement)

    def _room(self) -> int:
        """How many more messages may be worked on now."""
        limit = self._refused.limit
        if self._open:
            return room(limit, self._open.messages, self._open.size)
        gathered = self._gathered.values()
        messages = sum(work.messages for work in gathered)
        return room(min(limit, MAX_GATHERED), messages, sum(work.size for work in gathered))

    def _take_up(self, placement: Placement) -> None:
        partition = placement.partition
        now = time.monotonic()
        why_anew = self._summary.restore(
            partition,
            placement.committed,
            placement.metadata,
            placement.offset,
            now,
            placement.topic_id,
        )
        if placement.start is Start.NEW_TOPIC:
            self._summary.restart(partition)
        elif why_anew:
            self._log.warning(
                "counts restart", partition=partition, offset=placement.offset, why=why_anew
            )
        self._observers.placed(placement)
        is_new_topic = placement.start is Start.NEW_TOPIC
        if is_new_topic or why_anew or placement.committed != placement.offset:
            self._new_positions.add(partition)

    def _collect(self) -> bool:
        """Reads what there is, and works on a slice of it. Whether there seems to be a backlog."""
        places = self._room()
        self._poll(places)
        began = time.monotonic()
        works = self._work(self._polled.take(places))
        if works:
            self._polled.after_slice(time.monotonic() - began)
        if self._open:
            self._publish(self._open, works)
        else:
            merge(self._gathered, works)
        is_much = bool(self._polled) or sum(work.messages for work in works.values()) >= BACKLOG
        return is_much and places > 0

    def _poll(self, places: int) -> None:
        """Polls for as much as there is room for; while polled messages wait, for a single one and
        rarely, since membership rests on it. Raises BatchFailed for what happened meanwhile."""
        now = time.monotonic()
        limit = 0 if self._polled else min(places, MAX_SLICE)
        if not limit and self._producer.needs_polling:
            if not places:  # nothing else to do: each poll may bring a message too many
                time.sleep(ANSWER_WAIT)
            limit = 1
        elif self._polled and now > self._next_poll:
            limit = 1
        if not limit:
            return
        self._next_poll = now + POLL_INTERVAL
        self._observers.polling()
        polled = self._consumer.poll_messages(limit, 0 if self._polled else self._wait())
        if not self._is_stopping:
            self._polled.add(polled)
        self._raise_failure_in_rebalance()
        if reason := self._consumer.misplaced:
            raise BatchFailed(reason)

    def _wait(self) -> float:
        """Seconds to wait for a message."""
        if self._open:
            return 0.0
        return COMMITTING_WAIT if self._gathered or self._producer.is_committing() else IDLE_WAIT

    def _work(self, slices: Mapping[int, Slice]) -> dict[int, Work]:
        works = {}
        for partition, (messages, size) in slices.items():
            began = time.perf_counter()
            now = time.time_ns() // 1_000_000
            # A run is of stand-ins for what cannot be read, or of messages; never of both.
            if unreadable := stand_ins(messages):
                work = self._pipeline.unreadable(partition, unreadable, now, self._refused.causes)
            else:
                work = self._pipeline.work(partition, messages, now, self._refused.causes)
            work.seconds = time.perf_counter() - began
            work.size = size
            works[partition] = work
        polled = {partition: piece.messages for partition, piece in slices.items()}
        self._observers.worked(polled, works)
        return works

    def _raise_failure_in_rebalance(self) -> None:
        if self._failure_in_rebalance:
            failure, self._failure_in_rebalance = self._failure_in_rebalance, None
            raise failure

    def _publish(self, batch: Batch, works: Mapping[int, Work]) -> None:
        began = time.monotonic()
        for partition, work in works.items():
            self._summary.add(partition, work, began)
        batch.publish(works)
        seconds = time.monotonic() - began
        self._observers.published(batch, seconds)

    def _commit_open(self) -> None:
        """Begins the commit of the open batch, if there is one."""
        if self._open is None:
            return
        batch, self._open = self._open, None
        self._committing = batch
        batch.close()
        to_commit = batch.works.keys() | self._new_positions
        if self._summary.is_due(time.monotonic()):
            now = time.time_ns() // 1_000_000
            to_commit |= self._produce_summary(self._consumer.owned, now)
        self._commit(to_commit)
        self._new_positions.clear()

    def _publish_summary(self, partitions: Collection[int], timeout: float) -> None:
        """Publishes what has changed of these partitions by itself, and waits for it."""
        if self._summary.unpublished(partitions):
            self._producer.begin()
            self._commit(self._produce_summary(partitions, time.time_ns() // 1_000_000))
            self._finish_commit(timeout)

    def _produce_summary(self, partitions: Collection[int], now: int) -> Set[int]:
        published = set(self._summary.unpublished(partitions))
        self._producer.produce(self._summary.publish(partitions, now))
        return published

    def _commit(self, partitions: Collection[int]) -> None:
        offsets = []
        for partition in sorted(partitions):
            offset, metadata = self._summary.snapshot(partition)
            offsets.append(
                TopicPartition(self._settings.input_topic, partition, offset, metadata=metadata)
            )
        self._producer.commit(offsets)

    def _finish_commit(self, timeout: float = 0.0) -> None:
        if self._producer.finish(timeout):
            self._failures = 0
            batch, self._committing = self._committing, None
            if batch and batch.works:
                seconds = batch.seconds_since_closed
                self._refused.after_success(batch.works, seconds)
                self._observers.committed(batch, seconds)

    def _fail(self, failure: BatchFailed) -> None:
        """Drops the batch and goes back to what is committed; the producer follows in `_recover`.

        Between the two the loop goes on polling: membership is kept, and a successor is noticed.
        """
        batch = self._open or self._committing
        self._observers.gave_up(failure, batch.messages if batch else 0)
        if not self._refused.narrow_down(failure, batch.works if batch else {}):
            self._pause()
        if self._limits and any(blames_record(each.error) for each in failure.records):
            self._limits.ask()
        if failure.error:
            self._heed(failure.error)
        self._failure = self._last_failure = failure
        self._failure_in_rebalance = None
        self._polled.clear()
        self._gathered.clear()
        self._open = self._committing = None
        self._new_positions.clear()
        # The counts hold what is given up: committed with a later batch, they would lose it.
        self._summary.forget_all()
        self._consumer.rewind()

    def _heed(self, error: KafkaError) -> None:
        """What an error of the commit says about our place in the group.

        Raises ConsumerEndedError.
        """
        if not (is_producer_fenced(error) or is_fenced_member(error)):
            if is_end_of_consumer(error):
                self._consumer.handle_error(error)
        elif self._settings.instance_id:
            if is_producer_fenced(error):
                self._consumer.end_if_fenced()
            # Frozen or cut off for too long, or replaced? The commit may be one of our former
            # member id. The group tells, with the next heartbeats.
            self._retry_at = time.monotonic() + self._settings.session_timeout / 2

    def _recover(self) -> None:
        if self._limits:
            self._limits.wait()
        try:
            self._producer.recover()
        except KafkaException as exception:
            self._pause()
            self._log.warning("cannot publish yet", reason=describe(error_of(exception)))
        except ProducerRefusedError as error:  # it did start: the broker may be changed back
            self._pause()
            self._log.warning("cannot publish yet", reason=str(error))
        else:
            self._failure = None

    def _pause(self) -> None:
        """None after a first failure, then longer and longer."""
        pause = min(0.25 * 2.0**self._failures, MAX_PAUSE) if self._failures else 0.0
        self._retry_at = time.monotonic() + pause
        self._failures += 1

    def _forget(self, partitions: Collection[int]) -> None:
        self._polled.forget(partitions)
        for partition in partitions:
            self._gathered.pop(partition, None)
            self._new_positions.discard(partition)
        self._refused.forget(partitions)
        self._summary.forget(partitions)
