"""What users rely on in the pure core and no other unit test asserts."""

import json

from confluent_kafka import KafkaError

from kafka_processor.clients.delivery_reports import FailedRecord
from kafka_processor.delivery.refused import Refused
from kafka_processor.pipeline import Pipeline, Work, merge
from kafka_processor.producer import BatchFailed
from kafka_processor.summary_printer import SummaryPrinter
from tests.unit.pipeline_runs import KEY, NOW, OFFSET, PARTITION, event, message, run, settings
from tests.unit.summary_runs import Counted, work_of

TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)


def test_messages_of_two_polls_have_the_outcomes_that_they_have_in_one() -> None:
    values = [event(), b"no JSON", event(app_version="1.0.0"), event(locale="DE")]
    messages = [message(value, OFFSET + number) for number, value in enumerate(values)]

    def work(first: int, last: int) -> Work:
        return Pipeline(settings(), KEY).work(PARTITION, messages[first:last], NOW, {})

    gathered: dict[int, Work] = {}
    merge(gathered, {PARTITION: work(0, 2)})
    merge(gathered, {PARTITION: work(2, 4)})
    merge(gathered, {PARTITION + 1: work(0, 1)})

    assert gathered == {PARTITION: work(0, 4), PARTITION + 1: work(0, 1)}


def test_the_refusal_of_a_single_record_fails_its_message_alone() -> None:
    work = run(event()).work
    refused = Refused(settings())
    failed = FailedRecord(TOO_LARGE, work.records[0][0])

    assert refused.narrow_down(BatchFailed("refused", TOO_LARGE, [failed]), {PARTITION: work})

    assert list(refused.causes) == [(PARTITION, OFFSET)]
    assert run(event(), refused=refused.causes).outcome == "publish_error"


def test_an_integer_of_any_size_keeps_its_digits_in_the_content() -> None:
    digits = "9" * 30
    result = run(event(timestamp=int(digits), ip=""))
    assert result.published is not None
    assert f'"timestamp":{digits}'.encode() in result.published.value.replace(b": ", b":")
    assert json.loads(result.published.value)["message_content"]["timestamp"] == int(digits)


def test_counts_of_a_failed_batch_are_not_published() -> None:
    summary = SummaryPrinter(settings(), "0123abcd")
    summary.restore(0, None, None, 0, 0.0)
    summary.add(0, work_of([Counted("processed")] * 3, 0), 0.0)

    summary.forget_all()

    assert not summary.unpublished([0])
    summary.restore(0, None, None, 0, 1.0)
    summary.add(0, work_of([Counted("processed")] * 3, 0), 1.0)
    [(_, _, value)] = summary.publish([0], NOW)
    assert json.loads(value)["processed_count"] == 3
