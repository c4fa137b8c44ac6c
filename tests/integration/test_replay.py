"""`kafka-processor replay`: what failed, was filtered or skipped is sent again, each once."""

import json
import random
import signal
import threading
import time
from collections import Counter

import pytest
from confluent_kafka import Message, Producer, TopicPartition

from kafka_processor.config import load_settings
from kafka_processor.errors import ReplayError
from kafka_processor.pipeline import Pipeline
from kafka_processor.replay.candidates import State
from kafka_processor.replay.run import Replay
from kafka_processor.replay.scanning import TopicScanner
from kafka_processor.replay.selection import Selection
from kafka_processor.terminal.progress import Progress
from tests.support.header_names import OFTEN
from tests.support.job import KEY, Job, MakeJob
from tests.support.load import assert_order_kept, event, send_load
from tests.support.outputs import Results
from tests.support.replays import (
    copies,
    input_ends,
    input_messages,
    launch,
    read,
    replay,
    report_of,
)
from tests.support.waiting import wait_until

FILTERED = ("--outcome", "filtered")
FAST = ("--outcome", "filtered", "--send", "--rate", "1000000")
SLOW = ("--outcome", "filtered", "--send", "--rate", "20")


def ids(job: Job, *offsets: int, partition: int = 0) -> list[str]:
    return [f"{job.input}-{partition}-{offset}" for offset in offsets]


def filtered_messages(job: Job, count: int) -> list[str]:
    """So many messages in partition 0, and what the daemon would say of them; their ids."""
    values = [event(0, number, app_version="2.4.0") for number in range(count)]
    job.send_all(values)
    messages = [
        Message(topic=job.input, partition=0, offset=offset, value=value, timestamp=(0, 0))
        for offset, value in enumerate(values)
    ]
    work = Pipeline(load_settings(job.settings()), bytes.fromhex(KEY)).work(0, messages, 0, {})
    job.create_topic(job.topics["cleaned"], 1)
    for topic, key, value in work.records:
        job.producer.produce(topic, value, key)
    job.flush()
    return ids(job, *range(count))


# The worked example of docs/replay.md


def test_a_new_accepted_version(make_job: MakeJob) -> None:
    job = make_job(2)
    for number in range(40):
        version = "2.4.0" if number % 2 else "2.3.0"
        user = f"user-{number % 4}"
        value = event(0, number, app_version=version, user_id=user, timestamp=number)
        job.send(value, number % 4 // 2, key=user.encode())
    job.flush()
    job.run(40)

    dry = replay(job, "--outcome", "filtered", "--field", "app_version=2.4.0")
    assert "20 messages chosen" in dry.stdout
    assert "--send sends 20 messages" in dry.stdout
    assert copies(job) == {}

    daemon = job.start(ACCEPTED_APP_VERSIONS="2.3.0,2.4.0")
    sent = replay(job, "--outcome", "filtered", "--field", "app_version=2.4.0", "--send")
    assert "20 messages sent." in sent.stdout
    job.wait_for_lines(60)
    daemon.stop()

    results = job.results()
    originals = sorted(record.value["message_id"] for record in results.cleaned)
    repeats = [record for record in results.processed if "replay_of" in record.value]
    assert sorted(record.value["replay_of"] for record in repeats) == originals
    assert results.total("replayed_count") == 20
    assert results.total("processed_count") == 40
    assert results.total("filtered_count") == 20
    assert_order_kept(results)
    assert_in_the_order_of_the_events(results)

    again = report_of(job, "--outcome", "filtered", "--field", "app_version=2.4.0", "--send")
    assert (again["sent"], again["already_replayed"]) == (0, 20)
    assert copies(job) == Counter(originals)


def assert_in_the_order_of_the_events(results: Results) -> None:
    """Also the repeats of one user among themselves."""
    times: dict[bytes | None, list[str]] = {}
    for record in sorted(results.processed, key=lambda each: each.offset):
        if "replay_of" in record.value:
            times.setdefault(record.key, []).append(record.value["timestamp"])
    assert len(times) == 2
    assert all(each == sorted(each) for each in times.values())


# Each once


def test_ended_in_the_middle_and_run_again(job: Job) -> None:
    """Killed with a transaction open and others committed."""
    originals = filtered_messages(job, 60)
    first = launch(job, *SLOW)
    wait_until(
        lambda: 65 < input_ends(job, committed=True)[0] < input_ends(job)[0],
        lambda: f"an open transaction behind a committed one:\n{first.log}",
    )
    first.kill()
    report = report_of(job, *FAST)
    assert 0 < report["sent"] < 60
    assert report["already_replayed"] == 60 - report["sent"]
    assert copies(job) == Counter(originals)


def test_of_two_at_once_the_first_ends(job: Job) -> None:
    originals = filtered_messages(job, 200)
    first = launch(job, *SLOW)
    wait_until(lambda: input_ends(job, committed=True)[0] > 205, "a committed transaction")
    second = report_of(job, *FAST, CONSUMER_GROUP="another")
    assert 0 < second["sent"] < 200
    assert first.wait() == 1
    assert len(first.log_lines) == 1, first.log
    assert "another replay" in first.log
    assert copies(job) == Counter(originals)


class OvertakenReplay(Replay):
    """Another replay runs from beginning to end between its look at the input and its sending."""

    job: Job

    def look(self) -> None:
        super().look()
        report_of(self.job, *FAST)


def test_what_was_looked_at_is_final(job: Job) -> None:
    originals = filtered_messages(job, 5)
    settings = load_settings(job.settings())
    selection = Selection(outcomes=frozenset({"filtered"}))
    stopping, progress = threading.Event(), Progress()
    scanner = TopicScanner(settings, progress, stopping)
    overtaken = OvertakenReplay(settings, selection, scanner, progress, stopping)
    overtaken.job = job
    try:
        overtaken.find()
        with pytest.raises(ReplayError, match="another replay"):
            overtaken.send(1000)
    finally:
        scanner.close()
    assert overtaken.candidates.count(State.SENT) == 0
    assert copies(job) == Counter(originals)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal(job: Job, number: signal.Signals) -> None:
    originals = filtered_messages(job, 60)
    command = launch(job, *SLOW, "--json")
    wait_until(lambda: input_ends(job, committed=True)[0] > 65, "a committed transaction")
    command.process.send_signal(number)
    assert command.wait(5) == 1
    assert len(command.log_lines) == 1, command.log
    sent = json.loads(command.stdout)["sent"]
    assert f"({sent:,} sent)" in command.log
    assert copies(job).total() == sent
    report_of(job, *FAST)
    assert copies(job) == Counter(originals)


def test_waits_for_the_transactions_of_others(job: Job) -> None:
    originals = filtered_messages(job, 5)
    producer = Producer(
        {"bootstrap.servers": job.site.broker, "transactional.id": job.group, "log_level": 0}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(job.input, b"", partition=0)
    producer.flush(30)
    command = launch(job, *FAST)
    command.wait_for_log(f"waiting for {job.input}-0")
    producer.abort_transaction(30)
    assert command.wait() == 0
    assert copies(job) == Counter(originals)
    assert report_of(job, *FAST)["sent"] == 0


def test_a_load_is_sent_in_several_transactions(make_job: MakeJob) -> None:
    job = make_job(4)
    send_load(job, 10_000)
    job.run(10_000, MAX_MESSAGE_AGE="0", ACCEPTED_APP_VERSIONS="none")
    report = report_of(job, *FAST)
    assert report["sent"] == 10_000
    assert report_of(job, *FAST)["already_replayed"] == 10_000
    found = copies(job)
    assert len(found) == found.total() == 10_000


# What is sent


def test_a_copy_is_what_the_message_was(job: Job) -> None:
    headers: list[tuple[str, bytes | None]] = [("a", b"1"), ("b", None), ("a", b""), ("é", b"\xff")]
    job.send(None, key=None, headers=headers)
    job.send(b"", key=b"")
    job.send(b"\xff\xfe", key=b"\x00", headers=[("replay-of", b"no id"), *headers])
    job.send(b"{}" * 200_000, key=b"k")
    job.flush()
    job.run(4)
    sent_from = time.time() * 1000
    assert report_of(job, "--outcome", "error", "--send")["sent"] == 4
    messages = input_messages(job)
    originals, repeats = messages[:4], messages[4:]
    assert [each.replay_of for each in repeats] == ids(job, 0, 1, 2, 3)
    for original, repeat in zip(originals, repeats, strict=True):
        assert (repeat.partition, repeat.key) == (original.partition, original.key)
        assert repeat.value == original.value
        own = [each for each in original.headers if each[0] != "replay-of"]
        assert repeat.headers[:-1] == own
        assert repeat.time >= int(sent_from) > original.time


def test_a_copy_that_fails_again_is_a_message_of_its_own(job: Job) -> None:
    job.send_all([b"not json"])
    job.run(1)
    report_of(job, "--all", "--send")
    results = job.run(2)
    assert [e.value.get("replay_of") for e in results.errors] == [None, *ids(job, 0)]
    second = input_messages(job)[1].offset

    report = report_of(job, "--all", "--send")
    assert (report["sent"], report["already_replayed"], report["repeats_left_out"]) == (0, 1, 1)
    named = report_of(job, "--message-id", *ids(job, second), code=1)
    assert "--include-repeats" in named["not_replayed"][ids(job, second)[0]]
    for expected in (1, 0):
        report = report_of(job, "--all", "--include-repeats", "--send")
        assert report["sent"] == expected
    assert copies(job) == Counter(ids(job, 0, second))


def test_what_is_no_longer_there_is_reported(job: Job) -> None:
    filtered_messages(job, 10)
    place = TopicPartition(job.input, 0, 7)
    job.admin.delete_records([place])[TopicPartition(job.input, 0)].result(30)

    dry = replay(job, *FILTERED, code=1)
    assert "no longer there" in dry.stdout
    assert f"{ids(job, 0)[0]}, " in dry.stdout
    for sent in (3, 0):
        report = report_of(job, *FAST, code=1)
        assert (report["sent"], report["gone"]) == (sent, 7)
        assert report["gone_ids"] == ids(job, *range(7))
    assert copies(job) == Counter(ids(job, 7, 8, 9))


def test_another_message_at_the_same_place_is_not_sent(make_job: MakeJob) -> None:
    """The input was made again, and the outputs still tell of the old one."""
    job = make_job(1)
    job.send_all([b"not json", event(0, 0), event(0, 1)])
    job.send(event(0, 2), age=90_000)
    job.flush()
    job.run(4)
    job.admin.delete_topics([job.input])[job.input].result(30)
    wait_until(lambda: job.input not in job.existing_topics(), "deletion")
    job.create_topic(job.input, 1)
    producer = Producer({"bootstrap.servers": job.site.broker, "log_level": 0})
    for value in (b"still not json", event(0, 0, user_id="else"), event(0, 1), event(0, 2)):
        producer.produce(job.input, value, partition=0)
    assert not producer.flush(30)

    report = report_of(job, "--all", "--send", code=1)
    assert (report["sent"], report["gone"], report["gone_ids"]) == (0, 3, ids(job, 0, 1, 3))
    assert copies(job) == {}


def test_headers_that_cannot_be_read_do_not_stop_the_rest(job: Job) -> None:
    """Neither where the message itself is to be sent again, nor where it is only looked at."""
    job.send_all([b"x"] * OFTEN)
    job.send(b"x", headers=[(b"\xff\xfe", b"v")])
    job.send(event(0, 1), headers=[("a", b""), (b"\xff\xfe", b"v"), ("b", b"")])
    job.send_all([b"x"])
    job.run(OFTEN + 3)
    report = report_of(job, "--all", "--send", code=1)
    assert report["refused_ids"] == ids(job, OFTEN)
    assert report["sent"] == OFTEN + 1
    copied = [*range(OFTEN), OFTEN + 2]
    sent = read(job, {(job.input, 0): OFTEN + 3})
    assert [message.headers() for message in sent] == [
        [("replay-of", message_id.encode())] for message_id in ids(job, *copied)
    ]


def test_what_the_broker_refuses_does_not_stop_the_rest(make_job: MakeJob) -> None:
    job = make_job(None)
    job.partitions = 1
    job.create_topic(job.input, 1, {"max.message.bytes": "3000"})
    # With its header the copy is too large; random, so that it cannot be compressed.
    job.send_all([b"x" * 5, random.Random(1).randbytes(2905), b"x" * 6])
    job.run(3)
    report = report_of(job, "--all", "--send", code=1)
    assert report["refused_ids"] == ids(job, 1)
    assert report["sent"] == 2
    assert copies(job) == Counter(ids(job, 0, 2))
