"""A record that the broker refuses for its size is an error of that record alone."""

import json

import pytest

from tests.support.cases import login
from tests.support.job import Job
from tests.support.load import (
    assert_each_once,
    assert_none_missing,
    assert_order_kept,
    event,
    too_large_event,
)
from tests.support.waiting import wait_until

GOOD = 400
LIMIT = "8000"
TOO_LARGE = (0, 57, 58, 199, GOOD - 1)


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_record_that_is_too_large(job: Job, delivery: str) -> None:
    job.create_topic(job.topics["processed"], 2, {"max.message.bytes": LIMIT})
    for number in range(GOOD):
        job.send(too_large_event(number) if number in TOO_LARGE else event(0, number))
    job.flush()

    daemon = job.start(DELIVERY=delivery)
    wait_until(lambda: job.committed_total() == GOOD, lambda: f"all done:\n{daemon.log}")
    daemon.stop()
    results = job.results()

    given_up = [line for line in daemon.log.splitlines() if "batch given up" in line]
    nameless = [line for line in given_up if "MSG_SIZE_TOO_LARGE: Broker" not in line]
    assert given_up
    # One may come of a machine that stands still for a moment; more are attempts in vain.
    assert len(nameless) <= 1, given_up
    if delivery == "exactly-once":
        assert_each_once(job, results, {0: GOOD})
        assert_order_kept(results)
    else:  # what stood before the refused record may have been written twice
        assert_none_missing(job, results, {0: GOOD})
    assert {offset_of(record.value["message_id"]) for record in results.errors} == set(TOO_LARGE)
    for record in results.errors:
        assert record.value["error_type"] == "publish_error"
        assert record.value["message_content"] is None
        assert 0 < len(record.value["error_message"]) <= 500
        assert str(record.value["user_id"]).startswith("user-0-")
        assert record.key == record.value["user_id"].encode()
    outcomes = results.outcome_of()
    for number in range(GOOD):
        expected = "filtered" if number % 10 == 0 else "processed"
        expected = "publish_error" if number in TOO_LARGE else expected
        assert outcomes[f"{job.input}-0-{number}"] == expected
    assert results.total("error_count") == len(TOO_LARGE)
    (summary,) = results.latest_summaries().values()
    assert summary["error_type_counts"] == {"publish_error": len(TOO_LARGE)}


def test_one_within_a_backlog(job: Job) -> None:
    """Batches of tens of thousands are narrowed down to the one message."""
    count, to_blame = 60_000, 23_456
    job.create_topic(job.topics["processed"], 2, {"max.message.bytes": LIMIT})
    for number in range(count):
        job.send(too_large_event(number) if number == to_blame else event(0, number))
    job.flush()

    daemon = job.start(MAX_MESSAGE_AGE="0")
    wait_until(lambda: job.committed_total() == count, lambda: f"all done:\n{daemon.log}", 60)
    daemon.stop()
    results = job.results()

    assert_each_once(job, results, {0: count})
    assert [offset_of(record.value["message_id"]) for record in results.errors] == [to_blame]


def offset_of(message_id: str) -> int:
    return int(message_id.rsplit("-", 1)[1])


def test_large_records_of_other_topics(job: Job) -> None:
    """An event at all limits, and its error records, pass with Kafka's default limits."""
    large = {name: chr(0x1F600) * 1024 for name in ("user_id", "device_type", "locale")}
    values = [
        json.dumps(login(**large)).encode(),
        json.dumps(login(**large, app_version="1.0")).encode(),
        json.dumps(login(**large, ip="nowhere")).encode(),
    ]
    job.send_all(values * 100)
    results = job.run(300)
    assert [len(results.processed), len(results.cleaned), len(results.errors)] == [100] * 3
