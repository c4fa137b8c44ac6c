"""The account of the fault tests: it sees what it is there to see."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.faults.account import account_for, read_committed
from tests.faults.cluster import Cluster
from tests.faults.load import event
from tests.support.job import Job, Site

MESSAGES = 60


@pytest.fixture
def done(cluster: Cluster, program: Path, tmp_path: Path) -> Iterator[Job]:
    """A job whose messages are all worked off."""
    with Job(Site(cluster.servers, program, tmp_path), 2) as job:
        for number in range(MESSAGES):
            job.send(event(number % 2, number // 2), number % 2)
        job.flush()
        job.run(MESSAGES, MAX_MESSAGE_AGE="0")
        yield job


def write_again(job: Job, name: str, old: bytes = b"", new: bytes = b"") -> None:
    """The first record of a topic, with a change, at the end of its partition."""
    record = next(read_committed(job, [job.topics[name]]))
    producer = Producer({"bootstrap.servers": job.site.broker})
    value = (record.value() or b"").replace(old, new) if old else record.value()
    errors: list[object] = []
    producer.produce(
        job.topics[name],
        value,
        record.key(),
        partition=record.partition() or 0,
        on_delivery=lambda error, _: errors.append(error),
    )
    producer.flush(30)
    assert errors == [None]


def test_nothing_is_wrong(done: Job) -> None:
    account = account_for(done, {})
    assert (account.messages, account.lost, account.doubled, account.wrong) == (60, [], [], [])


@pytest.mark.parametrize("name", ["processed", "metrics"])
def test_a_record_that_is_there_twice(done: Job, name: str) -> None:
    write_again(done, name)
    assert account_for(done, {}).doubled


def test_a_message_without_an_outcome(done: Job) -> None:
    done.send(event(1, MESSAGES), 1)
    done.flush()
    account = account_for(done, {})
    assert account.lost == [f"{done.input}-1-{MESSAGES // 2}"]
    assert any("committed" in each for each in account.wrong)


def test_content_of_another_message(done: Job) -> None:
    write_again(done, "processed", b"2023-11-14T", b"2023-11-15T")
    assert any("content of another" in each for each in account_for(done, {}).wrong)


def test_a_summary_that_does_not_fit(done: Job) -> None:
    write_again(done, "summary", b'"processed_count":', b'"processed_count":1')
    account = account_for(done, {})
    assert any("processed_count" in each for each in account.wrong), account
