"""Records that the client cannot hand out: each offset has an outcome, and reading resumes."""

import gzip
import time

import pytest

from tests.support.job import Job
from tests.support.outputs import Record, Results
from tests.support.raw_batches import GZIP, batch_of, bomb, record_of, send_batch
from tests.support.waiting import wait_until

TOO_LARGE = 11_000
"""Bytes of each of 10,000 records, which together are more than the client takes."""
SECONDS = 15.0
"""To get past a batch of 10,000 records, on a machine that is busy with other things."""
LOGIN = (
    b'{"user_id": "u", "app_version": "2.3.0", "device_type": "android", "ip": "1.2.3.4",'
    b' "locale": "RU", "device_id": "593-47-5928", "timestamp": 1694479551}'
)


def cut_off(records: int) -> bytes:
    """A batch whose end is in a second member of gzip, which the client does not look at.

    It says nothing of that; the first half of the records can be read.
    """
    payload = b"".join(record_of(None, LOGIN, (), delta) for delta in range(records))
    half = len(payload) // 2 + 5
    return batch_of(gzip.compress(payload[:half]) + gzip.compress(payload[half:]), records, GZIP)


def unreadable(results: Results) -> dict[int, Record]:
    """By offset of the message."""
    return {
        record.value["source"]["offset"]: record
        for record in results.errors
        if record.value["error_message"].startswith("unreadable record: ")
    }


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_a_batch_of_ten_thousand_that_cannot_be_read_is_passed_in_seconds(
    job: Job, delivery: str
) -> None:
    job.send_all([LOGIN] * 3)
    send_batch(job.admin, job.input, 0, bomb(10_000, TOO_LARGE))
    job.send_all([LOGIN] * 2)

    daemon = job.start(DELIVERY=delivery)
    began = time.monotonic()
    wait_until(lambda: job.committed_total() == 10_005, lambda: daemon.log, 60)
    took = time.monotonic() - began
    daemon.stop()

    assert took < SECONDS
    results = job.results()
    errors = unreadable(results)
    assert sorted(errors) == list(range(3, 10_003)), "each of its offsets once, and no other"
    assert len(results.processed) == 5
    for offset in (3, 10_002):
        record = errors[offset]
        assert record.key is None
        assert record.value["error_type"] == "parse_error"
        assert "_BAD_COMPRESSION" in record.value["error_message"]
        assert record.value["user_id"] is record.value["message_content"] is None
        assert record.value["source"]["timestamp"] is None
    assert results.outcome_of()[f"{job.input}-0-7000"] == "parse_error"
    assert len(results.lines) == results.total("total_received_count") == 10_005
    assert results.latest_summaries()[0]["error_type_counts"] == {"parse_error": 10_000}
    [line] = [line for line in daemon.log.splitlines() if "records cannot be read" in line]
    assert "first_offset=3 " in line
    assert "last_offset=10002 " in line


def test_batches_that_cannot_be_read_leave_those_between_them_alone(job: Job) -> None:
    """One by itself, two in a row, one that the client says nothing of, one at the end."""
    broken: set[int] = set()

    def send_broken(batch: bytes, records: int, readable: int = 0) -> None:
        first = send_batch(job.admin, job.input, 0, batch)
        broken.update(range(first + readable, first + records))
        job.send_all([LOGIN])

    job.send_all([LOGIN])
    send_broken(bomb(1, 90_000_000), 1)
    send_batch(job.admin, job.input, 0, bomb(20, 5_000_000))
    send_broken(bomb(5, 20_000_000), 5)
    broken.update(range(3, 23))
    send_broken(cut_off(4), 4, readable=2)
    end = send_batch(job.admin, job.input, 0, bomb(3, 40_000_000)) + 3
    broken.update(range(end - 3, end))

    daemon = job.start()
    wait_until(lambda: job.committed_total() == end, lambda: daemon.log)
    job.send_all([LOGIN])
    wait_until(lambda: job.committed_total() == end + 1, lambda: daemon.log)
    daemon.stop()

    results = job.results()
    assert set(unreadable(results)) == broken
    assert len(results.errors) == len(broken)
    assert len(results.processed) == end + 1 - len(broken)
    assert len(results.lines) == results.total("total_received_count") == end + 1
