"""Nothing is lost, doubled or counted twice when the program is ended while it works."""

import pytest

from tests.support.job import Job, MakeJob
from tests.support.load import (
    assert_each_once,
    assert_order_kept,
    evenly,
    send_load,
)
from tests.support.waiting import wait_until

LOAD = 50_000
ATTEMPTS = 5


def test_a_clean_stop_in_the_middle_of_a_load_repeats_nothing(make_job: MakeJob) -> None:
    """At least once too. The fault tests have the other ends: `tests/faults/test_backlog.py`."""
    job = make_job(4)
    settings = {"DELIVERY": "at-least-once", "INSTANCE_ID": "one", "MAX_MESSAGE_AGE": "0"}
    sent = 0
    for _ in range(ATTEMPTS):
        send_load(job, LOAD, first=sent)
        begin_and_stop(job, settings, progress_from=sent)
        sent += LOAD
        if job.committed_total() < sent:
            break
    else:
        pytest.fail("it was never ended in the middle of the load")

    second = job.start(**settings)
    wait_until(lambda: job.committed_total() == sent, lambda: f"the end:\n{second.log}")
    second.stop()
    results = job.results()
    assert_each_once(job, results, evenly(job, sent))
    assert_order_kept(results)


def begin_and_stop(job: Job, settings: dict[str, str], progress_from: int) -> None:
    """Stops the program as soon as it has committed something."""
    daemon = job.launch(job.settings(**settings))
    wait_until(
        lambda: job.committed_total() > progress_from, lambda: f"first commit:\n{daemon.log}"
    )
    daemon.stop()


def test_counts_continue_after_a_clean_stop(job: Job) -> None:
    for number in range(3):
        send_load(job, 10, first=10 * number)
        daemon = job.start()
        job.wait_for_lines(10 * (number + 1))
        daemon.stop()
    results = job.results()
    assert_each_once(job, results, {0: 30})
    totals = [record.value["total_received_count"] for record in results.summary]
    assert totals == sorted(totals)


def test_a_restart_without_new_messages_changes_nothing(job: Job) -> None:
    send_load(job, 10)
    before = job.run(10)
    job.start().stop()
    after = job.results()
    assert after.lines == before.lines
    assert after.latest_summaries()[0]["total_received_count"] == 10
