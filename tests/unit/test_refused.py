"""How large the next batch may be after failures and successes, and which message is to blame."""

from collections.abc import Iterable
from typing import Any

import pytest
from confluent_kafka import KafkaError

from kafka_processor.clients.delivery_reports import FailedRecord
from kafka_processor.delivery.batch import Batch
from kafka_processor.delivery.refused import MAX_BATCH, SMALLEST_LATE, Refused
from kafka_processor.pipeline import Work
from kafka_processor.producer import BatchFailed
from kafka_processor.records import OutputRecord
from tests.unit.pipeline_runs import settings
from tests.unit.summary_runs import Counted, work_of

LATE = BatchFailed("not answered in time", KafkaError(KafkaError._MSG_TIMED_OUT))
TOO_LARGE = FailedRecord(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), "processed-output")
REFUSAL = BatchFailed("refused", TOO_LARGE.error, [TOO_LARGE])


def batch(messages: int, first_offset: int = 0, partition: int = 0) -> dict[int, Work]:
    return {partition: work_of([Counted("processed")] * messages, first_offset)}


def test_batches_that_are_too_large_to_be_delivered_in_time_become_smaller() -> None:
    refused = Refused(settings())
    sizes = []
    for _ in range(10):
        sizes.append(refused.limit)
        assert not refused.narrow_down(LATE, batch(refused.limit))
    assert sizes[:3] == [MAX_BATCH, MAX_BATCH // 2, MAX_BATCH // 4]
    assert refused.limit == SMALLEST_LATE


def test_they_grow_again_where_commits_are_quick() -> None:
    refused = Refused(settings(TRANSACTION_TIMEOUT="12"))
    done = batch(1)
    refused.narrow_down(LATE, batch(4_000))
    assert refused.limit == 2_000
    refused.after_success(done, seconds=3.1)
    assert refused.limit == 2_000
    refused.after_success(done, seconds=2.9)
    assert refused.limit == 4_000


def test_an_empty_batch_says_nothing_about_sizes() -> None:
    refused = Refused(settings())
    assert not refused.narrow_down(LATE, {})
    assert refused.limit == MAX_BATCH


def test_what_the_environment_is_to_blame_for_narrows_nothing_down() -> None:
    """The record was in a batch of its own, and is not to blame all the same."""
    for code in (KafkaError.INVALID_TIMESTAMP, KafkaError.INVALID_RECORD):
        refused = Refused(settings())
        record = FailedRecord(KafkaError(code), "processed-output")
        failure = BatchFailed("refused", record.error, [record])
        assert not refused.narrow_down(failure, batch(1))
        assert refused.causes == {}


def test_a_late_batch_does_not_widen_what_is_being_narrowed_down() -> None:
    refused = Refused(settings())
    refused.limit = 2
    refused.narrow_down(LATE, batch(2))
    assert refused.limit == 2


def test_a_refusal_halves_batches_until_the_one_message_is_found() -> None:
    refused = Refused(settings())
    messages, failures = 40_000, 0
    while messages > 1:
        assert refused.narrow_down(REFUSAL, batch(messages, first_offset=7))
        assert refused.causes == {}
        assert refused.limit == messages // 2
        messages, failures = refused.limit, failures + 1
    assert failures == 15
    assert refused.narrow_down(REFUSAL, batch(1, first_offset=7, partition=3))
    assert refused.causes.keys() == {(3, 7)}
    assert "processed-output refuses the record" in refused.causes[3, 7]


def test_a_refusal_of_the_same_message_again_teaches_nothing() -> None:
    refused = Refused(settings())
    assert refused.narrow_down(REFUSAL, batch(1, first_offset=7))
    assert not refused.narrow_down(REFUSAL, batch(1, first_offset=7))
    assert refused.narrow_down(REFUSAL, batch(1, first_offset=8))


def test_the_message_to_blame_is_forgotten_with_its_commit_or_its_partition() -> None:
    refused = Refused(settings())
    for partition in (0, 1, 2):
        refused.narrow_down(REFUSAL, batch(1, first_offset=7, partition=partition))
    refused.after_success(batch(1, first_offset=7, partition=0), seconds=0.1)
    assert refused.causes.keys() == {(1, 7), (2, 7)}
    refused.after_success(batch(1, first_offset=6, partition=1), seconds=0.1)
    assert refused.causes.keys() == {(1, 7), (2, 7)}
    refused.forget([1])
    assert refused.causes.keys() == {(2, 7)}


class RefusingProducer:
    """Our own seam: a producer whose client does not take a record at all."""

    def begin(self) -> None: ...

    def produce(self, records: Iterable[OutputRecord]) -> None:  # noqa: ARG002
        raise REFUSAL


def test_a_record_that_the_client_itself_refuses_is_of_the_batch_too() -> None:
    producer: Any = RefusingProducer()
    opened = Batch(producer, None)
    with pytest.raises(BatchFailed):
        opened.publish(batch(1, first_offset=7))
    refused = Refused(settings())
    assert refused.narrow_down(REFUSAL, opened.works)
    assert refused.causes.keys() == {(0, 7)}
