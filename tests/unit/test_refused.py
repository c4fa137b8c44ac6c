"""How large the next batch may be, after failures and successes."""

from confluent_kafka import KafkaError

from kafka_processor.clients.delivery_reports import FailedRecord
from kafka_processor.delivery.refused import MAX_BATCH, SMALLEST_LATE, Refused
from kafka_processor.producer import BatchFailed
from tests.unit.pipeline_runs import settings
from tests.unit.summary_runs import Counted, work_of

LATE = BatchFailed("not answered in time", KafkaError(KafkaError._MSG_TIMED_OUT))


def test_batches_that_are_too_large_to_be_delivered_in_time_become_smaller() -> None:
    refused = Refused(settings())
    sizes = []
    for _ in range(10):
        sizes.append(refused.limit)
        assert not refused.narrow_down(LATE, refused.limit)
    assert sizes[:3] == [MAX_BATCH, MAX_BATCH // 2, MAX_BATCH // 4]
    assert refused.limit == SMALLEST_LATE


def test_they_grow_again_where_commits_are_quick() -> None:
    refused = Refused(settings(TRANSACTION_TIMEOUT="12"))
    done = {0: work_of([Counted("processed")], 0)}
    refused.narrow_down(LATE, 4_000)
    assert refused.limit == 2_000
    refused.after_success(done, seconds=3.1)
    assert refused.limit == 2_000
    refused.after_success(done, seconds=2.9)
    assert refused.limit == 4_000


def test_an_empty_batch_says_nothing_about_sizes() -> None:
    refused = Refused(settings())
    assert not refused.narrow_down(LATE, 0)
    assert refused.limit == MAX_BATCH


def test_what_the_environment_is_to_blame_for_narrows_nothing_down() -> None:
    """The record was sent by itself, and is not to blame all the same."""
    for code in (KafkaError.INVALID_TIMESTAMP, KafkaError.INVALID_RECORD):
        refused = Refused(settings())
        record = FailedRecord(KafkaError(code), "processed-output", b"{}", was_alone=True)
        failure = BatchFailed("refused", record.error, [record])
        assert not refused.narrow_down(failure, 1)
        assert refused.causes == {}


def test_a_late_batch_does_not_widen_what_is_being_narrowed_down() -> None:
    refused = Refused(settings())
    refused.limit = 2
    refused.narrow_down(LATE, 2)
    assert refused.limit == 2
