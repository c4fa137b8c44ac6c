"""A record that the broker refuses for its size is an error of that record alone."""

import json
from typing import Any

import pytest
import structlog

from kafka_processor.config import load_settings
from kafka_processor.record_limits import RecordLimits
from kafka_processor.topics import configs as topic_configs
from tests.support.brokers import free_port
from tests.support.cases import login
from tests.support.job import Job
from tests.support.load import (
    assert_each_once,
    assert_none_missing,
    assert_order_kept,
    event,
    send_load,
    too_large_event,
)
from tests.support.program import Daemon
from tests.support.scraping import get, is_ready
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

    # What a topic does not take is known beforehand: no batch fails, and nothing comes twice.
    assert daemon.lines_with("batch given up") == []
    assert_each_once(job, results, {0: GOOD})
    assert_order_kept(results)
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


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_a_limit_that_is_lowered_meanwhile(job: Job, delivery: str) -> None:
    """The batch that meets it is narrowed down to the one message, later ones fail no batch."""
    daemon = job.start(DELIVERY=delivery, MAX_MESSAGE_AGE="0")
    job.configure_topic(job.topics["processed"], max_message_bytes=LIMIT)
    passed = first_refused(job, daemon)
    daemon.wait_for_log(f"record limit of a topic changed.*max_bytes={LIMIT}")
    wait_until(lambda: job.committed_total() > passed, lambda: f"the error:\n{daemon.log}")
    given_up = len(daemon.lines_with("batch given up"))

    count = passed + GOOD
    for number in range(passed + 1, count):
        job.send(too_large_event(number) if number % 10 == 1 else event(0, number))
    job.flush()
    wait_until(lambda: job.committed_total() == count, lambda: f"all done:\n{daemon.log}", 60)
    daemon.stop()
    assert len(daemon.lines_with("batch given up")) == given_up
    results = job.results()
    too_large = {passed, *(n for n in range(passed + 1, count) if n % 10 == 1)}
    assert {offset_of(record.value["message_id"]) for record in results.errors} == too_large
    if delivery == "exactly-once":
        assert_each_once(job, results, {0: count})
        assert_order_kept(results)
    else:  # what stood before the refused record may have been written twice
        assert_none_missing(job, results, {0: count})


def first_refused(job: Job, daemon: Daemon) -> int:
    """Sends large events until the broker heeds the limit; returns the offset of that one."""
    sent = 0

    def is_over() -> bool:
        return job.committed_total() == sent or bool(daemon.lines_with("batch given up"))

    while not daemon.lines_with("batch given up"):
        job.send(too_large_event(sent))
        job.flush()
        sent += 1
        wait_until(is_over, lambda: f"an end of the large event:\n{daemon.log}")
    return sent - 1


def test_a_limit_that_is_raised_is_noticed(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_configs, "REFRESH_INTERVAL", 0.0)
    topic = job.topics["processed"]
    job.create_topic(topic, 1, {"max.message.bytes": "300"})
    own = load_settings(job.settings())
    limits = RecordLimits()
    log: Any = structlog.get_logger()
    lookup = topic_configs.LimitLookup(own, job.admin, limits, log)
    lookup.ask()

    def knows(limit: int) -> bool:
        lookup.turned()
        return limits.of(topic) == limit

    wait_until(lambda: knows(300), "the limit")
    job.configure_topic(topic, max_message_bytes="5000")
    for _ in range(20):  # nobody was refused, so there is nothing to ask
        lookup.turned()
    assert limits.of(topic) == 300
    assert limits.refusal(topic, None, b"v" * 1000)
    wait_until(lambda: knows(5000), "the limit that was raised")


def test_times_that_a_topic_refuses_are_waited_for(job: Job) -> None:
    """This process writes them, so that no message is to blame.

    At least once: the broker's own records that end a transaction would be refused as well.
    """
    port, limit = free_port(), "message_timestamp_before_max_ms"
    daemon = job.start(DELIVERY="at-least-once", OPS_PORT=str(port))
    job.configure_topic(job.topics["processed"], **{limit: "0"})
    send_load(job, 20)
    line = daemon.wait_for_log("batch given up", times=3)
    assert job.topics["processed"] in line
    assert "clock" in line
    assert limit.replace("_", ".") in line
    status, reason = get(port, "/readyz")
    assert status == 503
    assert job.topics["processed"] in reason
    assert job.committed_total() == 0

    job.configure_topic(job.topics["processed"], **{limit: str(2**63 - 1)})
    wait_until(lambda: job.committed_total() == 20, lambda: f"all done:\n{daemon.log}")
    wait_until(lambda: is_ready(port), "readiness")
    daemon.stop()
    results = job.results()
    assert results.errors == []
    assert_none_missing(job, results, {0: 20})


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
