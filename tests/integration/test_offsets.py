"""Where the program starts to read, and what it makes of gaps, resets and transactions."""

import re

import pytest
from confluent_kafka import Producer, TopicPartition

from tests.support.job import Job, MakeJob
from tests.support.load import assert_each_once, event, send_load
from tests.support.outputs import Results
from tests.support.waiting import wait_until


def test_latest_starts_at_the_end(job: Job) -> None:
    send_load(job, 30)
    daemon = job.start(AUTO_OFFSET_RESET="latest")
    reader = job.reader("metrics")
    records = reader.records[job.topics["metrics"]]
    sent = 30
    # A message may come before the new member knows the end of the topic: then it is passed over.
    while not records:
        assert sent < 300, daemon.log
        send_load(job, 1, first=sent)
        sent += 1
        reader.read(0.2)
    reader.close()
    daemon.stop()
    offsets = [int(line["message_id"].rsplit("-", 1)[1]) for line in job.results().lines]
    assert min(offsets) >= 30


def test_earliest_is_the_default(job: Job) -> None:
    send_load(job, 30)
    assert_each_once(job, job.run(30), {0: 30})


def test_gap_left_by_retention(job: Job) -> None:
    send_load(job, 10)
    job.run(10)
    send_load(job, 20, first=10)
    job.admin.delete_records([TopicPartition(job.input, 0, 25)])[
        TopicPartition(job.input, 0)
    ].result(30)

    daemon = job.start(LOG_FORMAT="json")
    job.wait_for_lines(15)
    daemon.stop()

    results = job.results()
    offsets = sorted(int(line["message_id"].rsplit("-", 1)[1]) for line in results.lines)
    assert offsets == [*range(10), *range(25, 30)]
    named = [line for line in daemon.lines_with('"error"') if {"10", "25"} <= numbers_in(line)]
    assert len(named) == 1, daemon.log
    assert results.total("total_received_count") == 15
    assert results.latest_summaries()[0]["next_offset"] == 30


def numbers_in(text: str) -> set[str]:
    return set(re.findall(r"\b\d+\b", text))


@pytest.mark.parametrize("offset", [4, 8])
def test_offsets_reset_by_hand(job: Job, offset: int) -> None:
    send_load(job, 10)
    job.run(10)
    job.commit_by_hand(0, offset)
    send_load(job, 5, first=10)

    daemon = job.start()
    job.wait_for_lines(10 + 15 - offset)
    daemon.stop()

    summary = job.results().latest_summaries()[0]
    assert summary["counted_since_offset"] == offset
    assert summary["total_received_count"] == 15 - offset
    assert summary["next_offset"] == 15
    assert len(daemon.lines_with("warning")) == 1, daemon.log


def test_counting_anew_survives_a_restart(job: Job) -> None:
    send_load(job, 10)
    job.run(10)
    job.commit_by_hand(0, 6)
    job.run(14)
    send_load(job, 5, first=10)
    daemon = job.start()
    job.wait_for_lines(19)
    daemon.stop()
    summary = job.results().latest_summaries()[0]
    assert (summary["counted_since_offset"], summary["total_received_count"]) == (6, 9)
    assert daemon.lines_with("warning") == []


def test_offsets_committed_by_another_program_at_first(job: Job) -> None:
    send_load(job, 10)
    job.commit_by_hand(0, 7)
    summary = job.run(3).latest_summaries()[0]
    assert summary["counted_since_offset"] == 7
    assert summary["total_received_count"] == 3


def test_partitions_added_to_the_input_are_read_from_their_beginning(job: Job) -> None:
    send_load(job, 10)
    job.run(10)
    daemon = job.start(AUTO_OFFSET_RESET="latest")
    job.add_partitions(3)
    send_load(job, 90, first=10)
    job.wait_for_lines(100)
    daemon.stop()
    assert_each_once(job, job.results(), {0: 40, 1: 30, 2: 30})
    named = daemon.lines_with("new partitions")
    assert {"1", "2"} <= numbers_in(" ".join(named)), daemon.log


def test_offsets_that_have_expired_are_warned_of(job: Job) -> None:
    """Without offsets the group is a new one; what it does about that is not left unsaid."""
    send_load(job, 10)
    first = job.start()
    job.wait_for_lines(10)
    first.stop()
    assert first.lines_with("warning") == []
    assert len(first.lines_with("no committed offsets yet")) == 1
    job.admin.delete_consumer_groups([job.group])[job.group].result(30)

    again = job.start()
    job.wait_for_lines(20)
    again.stop()
    (warning,) = again.lines_with("warning")
    assert "expired" in warning and "earliest" in warning and "{0: 0}" in warning


def recreate_input(job: Job) -> None:
    job.delete_topic(job.input)
    job.create_topic(job.input, job.partitions)


def users_processed(results: Results) -> list[str]:
    return sorted(record.value["user_id"] for record in results.processed)


def test_input_that_is_created_again_is_read_from_its_beginning(job: Job) -> None:
    """By a process that runs, with more messages than before; then by one that did not run, whose
    committed offset outlived the topic."""
    old, new, newest = (
        [f"{name}-{number}" for number in range(count)]
        for name, count in (("old", 30), ("new", 60), ("newest", 70))
    )
    job.send_all([event(0, 1, user_id=user) for user in old])
    daemon = job.start(AUTO_OFFSET_RESET="latest", LOG_LEVEL="debug")
    recreate_input(job)
    job.send_all([event(0, 1, user_id=user) for user in new])
    job.wait_for_lines(60)
    daemon.stop()
    results = job.results()
    assert users_processed(results) == sorted(new), daemon.log
    assert len(daemon.lines_with(r"\[error.*created again")) == 1, daemon.log
    summary = results.latest_summaries()[0]
    assert (summary["counted_since_offset"], summary["total_received_count"]) == (0, 60)

    offset, metadata = job.committed_with_metadata(0)
    recreate_input(job)
    job.send_all([event(0, 1, user_id=user) for user in newest])
    job.commit_by_hand(0, offset, metadata)
    daemon = job.start()
    job.wait_for_lines(60 + 70)
    daemon.stop()
    results = job.results()
    assert users_processed(results) == sorted(new + newest)
    (error,) = daemon.lines_with(r"\[error")
    assert "60" in numbers_in(error) and "created again" in error
    summary = results.latest_summaries()[0]
    assert (summary["counted_since_offset"], summary["total_received_count"]) == (0, 70)


def test_aborted_input_is_not_read(job: Job) -> None:
    producer = Producer(
        {
            "bootstrap.servers": job.site.broker,
            "transactional.id": f"{job.group}-input",
            "log_level": 0,
        }
    )
    producer.init_transactions(30)
    for number, commit in enumerate([True, False, True, False]):
        producer.begin_transaction()
        for each in range(5):
            producer.produce(job.input, event(0, 5 * number + each + 1), partition=0)
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)

    results = job.run(10)

    # Each transaction is followed by a marker, which takes an offset.
    committed = [f"{job.input}-0-{offset}" for offset in (*range(5), *range(12, 17))]
    assert sorted(results.outcome_of()) == sorted(committed)
    assert len(results.lines) == 10
    assert results.total("total_received_count") == 10

    send_load(job, 5, first=100)
    again = job.run(15)
    assert len(again.lines) == 15
    assert again.total("total_received_count") == 15
    assert again.latest_summaries()[0]["counted_since_offset"] == 0


@pytest.mark.parametrize("count", [1, 3000])
def test_skipped_backlog_is_warned_of_once(job: Job, count: int) -> None:
    for number in range(count):
        job.send(event(0, number), age=7200)
    job.flush()
    daemon = job.start()
    job.wait_for_lines(count)
    send_load(job, 10)
    job.wait_for_lines(count + 10)
    daemon.stop()
    results = job.results()
    assert results.total("skipped_count") == count
    (warning,) = daemon.lines_with(r"warning.*skipped|skipped.*warning")
    assert str(count) in numbers_in(warning), daemon.log


def test_age_limit_can_be_set(make_job: MakeJob) -> None:
    limits = {"0": ["processed", "processed"], "600": ["processed", "skipped"]}
    for limit, expected in limits.items():
        job = make_job(1)
        job.send(event(0, 1), age=300)
        job.send(event(0, 2), age=86400)
        job.flush()
        outcomes = job.run(2, MAX_MESSAGE_AGE=limit).outcome_of()
        assert [outcomes[f"{job.input}-0-{offset}"] for offset in (0, 1)] == expected


def test_versions_can_be_set(job: Job) -> None:
    versions = ["2.3.0", "3.0", "3.0-beta", "3"]
    job.send_all([event(0, number, app_version=each) for number, each in enumerate(versions)])
    outcomes = job.run(4, ACCEPTED_APP_VERSIONS=" 3.0 ,\t3.0-beta, ,").outcome_of()
    assert [outcomes[f"{job.input}-0-{offset}"] for offset in range(4)] == [
        "filtered",
        "processed",
        "processed",
        "filtered",
    ]


def test_input_created_later_is_noticed(make_job: MakeJob) -> None:
    """It is read from its beginning: AUTO_OFFSET_RESET is for what was there before."""
    job = make_job(None)
    daemon = job.launch(job.settings(AUTO_OFFSET_RESET="latest"))
    daemon.wait_for_log(job.input + ".*(missing|wait|not exist|does not)|wait.*" + job.input)
    assert job.input not in job.existing_topics()
    job.partitions = 2
    job.create_topic(job.input, 2)
    send_load(job, 20)
    wait_until(lambda: job.committed_total() == 20, lambda: f"20 messages:\n{daemon.log}", 13)
    daemon.stop()
    assert_each_once(job, job.results(), {0: 10, 1: 10})
