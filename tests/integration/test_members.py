"""Several processes in one consumer group; under load, and with faults: `tests/faults`."""

from tests.support.job import Job
from tests.support.load import assert_each_once, send_load
from tests.support.waiting import wait_until


def test_more_members_than_partitions(job: Job) -> None:
    """One without partitions says that it has started, and takes over when the other leaves."""
    first = job.start()
    second = job.start()
    wait_until(lambda: sorted(job.members().values()) == [[], [0]], "one idle member")
    send_load(job, 20)
    job.wait_for_lines(20)
    first.stop()
    send_load(job, 20, first=20)
    job.wait_for_lines(40)
    second.stop()
    assert_each_once(job, job.results(), {0: 40})


def test_second_process_with_the_same_instance_id(job: Job) -> None:
    """It takes over, and the first one says why it exits."""
    first = job.start(INSTANCE_ID="one")
    send_load(job, 20)
    job.wait_for_lines(20)
    second = job.start(INSTANCE_ID="one")
    send_load(job, 20, first=20)
    assert first.wait() == 1
    assert "INSTANCE_ID" in first.log, first.log
    job.wait_for_lines(40)
    second.stop()
    assert_each_once(job, job.results(), {0: 40})


def test_second_process_with_the_same_instance_id_without_load(job: Job) -> None:
    first = job.start(INSTANCE_ID="one")
    second = job.start(INSTANCE_ID="one")
    assert first.wait() == 1
    assert "INSTANCE_ID" in first.log, first.log
    second.stop()


def test_crashed_process_is_replaced_at_once(job: Job) -> None:
    """With an INSTANCE_ID the successor does not wait for the session to time out."""
    first = job.start(INSTANCE_ID="one", SESSION_TIMEOUT="60")
    send_load(job, 20)
    job.wait_for_lines(20)
    first.kill()
    send_load(job, 20, first=20)
    second = job.start(INSTANCE_ID="one", SESSION_TIMEOUT="60")
    job.wait_for_lines(40, timeout=15)
    second.stop()
    assert_each_once(job, job.results(), {0: 40})
