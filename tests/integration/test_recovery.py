"""What becomes of a batch that fails: the loop runs in here, its broker is real."""

from collections.abc import Callable, Sequence

import pytest
import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from kafka_processor.config import load_settings
from kafka_processor.consumer import InputConsumer
from kafka_processor.delivery.exactly_once import ExactlyOnceProducer
from kafka_processor.errors import ConsumerEndedError
from kafka_processor.loop_state import State
from kafka_processor.membership.start_offsets import StartOffset
from kafka_processor.monitoring.observer import Observer
from kafka_processor.pipeline import Pipeline
from kafka_processor.processor import Processor
from kafka_processor.record_limits import RecordLimits
from kafka_processor.startup.logs import ClientLog
from kafka_processor.summary_printer import SummaryPrinter
from kafka_processor.timing import Deadline
from kafka_processor.transformer import key_id
from tests.support.job import Job
from tests.support.load import assert_each_once, send_load
from tests.support.raising import METHODS, Raising
from tests.support.waiting import wait_until

MESSAGES = 20


class HeldConsumer(InputConsumer):
    """The real one, which takes up no partition while it is held."""

    is_held = False

    def start_waiting(self) -> list[StartOffset]:
        return [] if self.is_held else super().start_waiting()


class FailingProducer(ExactlyOnceProducer):
    """The real one, whose first commit of messages fails as it may in a rebalance."""

    error = KafkaError.ILLEGAL_GENERATION
    failed = recovered = False

    def _commit_steps(self, offsets: list[TopicPartition]) -> Sequence[Callable[[], None]]:
        if self.failed or not any(each.offset for each in offsets):
            return super()._commit_steps(offsets)
        client = self._ready_client()

        def fail() -> None:
            client.flush(5)
            self.failed = True
            raise KafkaException(KafkaError(self.error, txn_requires_abort=True))

        return (fail,)

    def recover(self) -> None:
        super().recover()
        self.recovered = True


def test_counts_of_a_failed_batch_are_not_committed_when_partitions_go(job: Job) -> None:
    """A batch fails, and its partition is revoked before it is taken up again: nothing is lost."""
    begin_topics(job)
    send_load(job, MESSAGES)
    before = job.committed()
    processor, consumer, producer = make_processor(job)
    processor.start(lambda: False, lambda: None)
    try:
        run_until(processor, lambda: producer.failed, "a failed batch")
        consumer.is_held = True
        run_until(processor, lambda: producer.recovered, "the recovery")
        processor.on_revoke([0])
        assert job.committed() == before
    finally:
        processor.leave()
    assert_each_once(job, job.run(MESSAGES), {0: MESSAGES})


def test_commit_of_a_former_member_id_is_not_the_end(job: Job) -> None:
    """The group shuts out a commit that was begun before the process had to join again."""
    begin_topics(job)
    send_load(job, MESSAGES)
    processor, _, producer = make_processor(job, INSTANCE_ID="one", SESSION_TIMEOUT="2")
    producer.error = KafkaError.FENCED_INSTANCE_ID
    processor.start(lambda: False, lambda: None)
    try:
        run_until(processor, lambda: producer.recovered, "the recovery")
        run_until(processor, lambda: job.committed_total() == MESSAGES, "the commit")
        processor.stop(5)
    finally:
        processor.leave()
    assert_each_once(job, job.results(), {0: MESSAGES})


def test_an_observer_that_always_raises_costs_no_message(job: Job) -> None:
    """Through assignment, a failed batch, a commit, a revocation and the stop."""
    begin_topics(job)
    send_load(job, MESSAGES)
    broken = Raising()
    processor, _, producer = make_processor(job, [broken])
    processor.start(lambda: False, lambda: None)
    try:
        run_until(processor, lambda: producer.recovered, "the recovery")
        run_until(processor, lambda: job.committed_total() == MESSAGES, "the commit")
        processor.stop(5)
        processor.on_lost([0])
    finally:
        processor.leave()
    assert broken.called == set(METHODS)
    assert_each_once(job, job.results(), {0: MESSAGES})


def test_an_exception_in_a_stop_leaves_group_and_transaction(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise others would wait for the session, and readers for the transaction, to time out."""
    begin_topics(job)
    processor, consumer, producer = make_processor(
        job, SESSION_TIMEOUT="60", TRANSACTION_TIMEOUT="60"
    )
    processor.start(lambda: False, lambda: None)
    run_until(
        processor,
        lambda: bool(consumer.owned) and processor.state is State.IDLE,
        "the commit of where its partition starts",
    )
    producer.begin()
    producer.produce([(job.topics["errors"], None, b"{}")])

    def fail(_deadline: Deadline) -> bool:
        raise ConsumerEndedError("in the middle of a stop")

    monkeypatch.setattr(processor, "_settle", fail)
    with pytest.raises(ConsumerEndedError):
        processor.stop(2)
    wait_until(lambda: job.members() == {}, "an empty group", 5)
    job.wait_for_end_of_transactions()
    assert job.results().errors == []


def begin_topics(job: Job) -> None:
    """Creates the topics, and commits where the input starts."""
    daemon = job.start()
    wait_until(lambda: bool(job.committed()), "a committed start")
    daemon.stop()


def make_processor(
    job: Job, observers: Sequence[Observer] = (), **settings: str
) -> tuple[Processor, HeldConsumer, FailingProducer]:
    own = load_settings(job.settings(MAX_MESSAGE_AGE="0", CREATE_TOPICS="none", **settings))
    assert own.key
    log = structlog.get_logger()
    consumer = HeldConsumer(own, log, ClientLog(log))
    producer = FailingProducer(own, consumer, RecordLimits(), ClientLog(log))
    summary = SummaryPrinter(own, key_id(own.key))
    pipeline = Pipeline(own, own.key)
    processor = Processor(own, consumer, producer, pipeline, summary, log, observers)
    return processor, consumer, producer


def run_until(processor: Processor, condition: Callable[[], bool], what: str) -> None:
    def turn_and_look() -> bool:
        answers = iter([False, False])  # before the turn, and in the middle of it
        processor.run(lambda: next(answers, True), lambda: None)
        return condition()

    wait_until(turn_and_look, what)
