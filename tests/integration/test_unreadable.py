"""Records that the client cannot hand out: each offset has an outcome, and reading resumes."""

import contextlib
import gzip
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]

from kafka_processor.clients.reader_connection import SILENT
from kafka_processor.config import load_settings
from kafka_processor.dashboard.board import Board
from kafka_processor.dashboard.feed import Feed, Start
from kafka_processor.dashboard.state import State
from tests.support.audits import run_audit
from tests.support.job import Job, MakeJob
from tests.support.outputs import Record, Results
from tests.support.program import PROJECT_FOLDER
from tests.support.raw_batches import GZIP, batch_of, bomb, record_of, send_batch
from tests.support.replays import report_of
from tests.support.waiting import TIMEOUT, wait_until

TOO_LARGE = 11_000
"""Bytes of each of 10,000 records, which together are more than the client takes."""
SECONDS = 20.0
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


def change_on_disk(job: Job, text: bytes) -> None:
    """Changes the last record of the input's first partition that has the text."""
    [config] = job.admin.describe_configs([ConfigResource("BROKER", "1")]).values()
    folder = Path(config.result(TIMEOUT)["log.dirs"].value) / f"{job.input}-0"
    if not folder.is_dir():
        pytest.skip("needs the files of the broker, which runs elsewhere")
    [log] = folder.glob("*.log")
    with log.open("r+b") as file:
        file.seek(file.read().rindex(text))
        file.write(text.swapcase())


def send_in_transaction(job: Job, value: bytes) -> None:
    """So that its end takes an offset behind it."""
    producer = Producer({"bootstrap.servers": job.site.broker, "transactional.id": job.input})
    producer.init_transactions(TIMEOUT)
    producer.begin_transaction()
    producer.produce(job.input, value, partition=0)
    producer.commit_transaction(TIMEOUT)


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
    audit = run_audit(job.settings(DELIVERY=delivery), "--json")
    assert audit.code == 0, audit.stdout
    assert audit.verdict["total"]["unreadable"] == 10_000
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
    """One by itself, two in a row, one behind a transaction's end that the client says nothing of,
    one at the end."""
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
    send_in_transaction(job, LOGIN)
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
    marker = 1
    assert len(results.processed) == end + 1 - len(broken) - marker
    assert len(results.lines) == results.total("total_received_count") == end + 1 - marker
    audit = run_audit(job.settings(), "--json")
    assert audit.code == 0, audit.stdout
    assert audit.verdict["total"]["unreadable"] == len(broken)
    report = report_of(job, "--outcome", "parse_error", code=1)
    assert report["unreadable"] == len(report["unreadable_ids"]) == len(broken)
    assert report["to_be_sent"] == report["gone"] == 0


def test_a_batch_with_a_wrong_checksum_is_passed(job: Job, tmp_path: Path) -> None:
    properties = tmp_path / "client.properties"
    properties.write_text("check.crcs=true\n")
    job.send_all([LOGIN])
    payload = b"".join(record_of(None, b"here", (), delta) for delta in range(7))
    send_batch(job.admin, job.input, 0, batch_of(payload, 7))
    job.send_all([LOGIN] * 2)
    change_on_disk(job, b"here")

    daemon = job.start(KAFKA_PROPERTIES_FILE=str(properties))
    wait_until(lambda: job.committed_total() == 10, lambda: daemon.log)
    daemon.stop()

    errors = unreadable(job.results())
    assert sorted(errors) == list(range(1, 8))
    assert "CRC32C" in errors[1].value["error_message"]


def test_a_committed_offset_may_be_in_the_middle_of_such_a_batch(job: Job) -> None:
    send_batch(job.admin, job.input, 0, bomb(10, 10_000_000))
    job.send_all([LOGIN])
    job.commit_by_hand(0, 4)

    daemon = job.start()
    wait_until(lambda: job.committed_total() == 11, lambda: daemon.log)
    daemon.stop()

    results = job.results()
    assert sorted(unreadable(results)) == list(range(4, 10))
    assert len(results.processed) == 1


def test_others_go_on_while_a_partition_stands_before_many_such_batches(
    make_job: MakeJob,
) -> None:
    """A stop, a kill and a rebalance meanwhile: all the same each offset has one outcome."""
    job = make_job(2)
    bombs = 250  # some seconds of work, also on a fast machine
    for _ in range(bombs):
        send_batch(job.admin, job.input, 0, bomb(1, 90_000_000))
    job.create_topic(job.topics["processed"], 1)
    with contextlib.closing(job.reader("processed")) as reader:
        first = job.start()
        job.send_all([LOGIN], partition=1)

        def is_processed() -> bool:
            reader.read()
            return bool(reader.records[job.topics["processed"]])

        wait_until(is_processed, lambda: first.log)
    first.stop()
    assert job.committed()[0] < bombs, "the other partition was waited for"

    second = job.start()
    third = job.start()
    job.wait_for_shares(2)
    second.kill()
    wait_until(lambda: job.committed_total() == bombs + 1, lambda: third.log, 60)
    third.stop()

    results = job.results()
    assert len(results.errors) == len(unreadable(results)) == bombs
    assert len(results.lines) == results.total("total_received_count") == bombs + 1


def test_a_tail_says_what_it_cannot_read_and_goes_on(job: Job) -> None:
    topic = job.topics["errors"]
    job.create_topic(topic, 1)
    for batch in (
        batch_of(record_of(None, b"one"), 1),
        bomb(4, 30_000_000),
        batch_of(record_of(None, b"two"), 1),
        cut_off(4),
        batch_of(record_of(None, b"three"), 1),
    ):
        send_batch(job.admin, topic, 0, batch)

    script = PROJECT_FOLDER / "verify" / "verify_processed_errors.py"
    flags = ("--json", "--from-beginning", "--max-messages", "5", "--timeout", "20")
    tail = run_audit(job.settings(), *flags, script=script)

    assert tail.stdout.splitlines() == ["one", "two", LOGIN.decode(), LOGIN.decode(), "three"]
    assert f"{topic}-0: offsets 1 to 4 cannot be read and are skipped" in tail.stderr
    assert f"{topic}-0: offsets 8 to 9 cannot be read and are skipped" in tail.stderr


def test_the_dashboard_reads_on_behind_what_it_cannot_read(job: Job) -> None:
    topic = job.topics["errors"]
    job.create_topic(topic, 1)
    send_batch(job.admin, topic, 0, bomb(4, 30_000_000))
    settings = load_settings(job.settings())
    board = Board(State(settings, 60))
    feed = Feed(settings, board, SILENT)
    feed.start()
    feed.tell([Start(topic, 0, 0)])
    try:
        wait_until(lambda: board.state.progress.why_unread(topic) is None, "the end of the topic")
    finally:
        feed.close()
