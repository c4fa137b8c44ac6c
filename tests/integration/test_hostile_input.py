"""Inputs that are made to cost memory or time: both stay bounded, and so does a stop."""

import sys
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.support.job import Job, MakeJob
from tests.support.load import assert_each_once, event
from tests.support.program import CHECK, Daemon
from tests.support.waiting import TIMEOUT, wait_until

MB = 1_000_000
MOST_MEMORY = 400 * MB
BOMB = 45 * MB
BOMBS = 15
BATCH_UNDER_A_HIGHER_LIMIT = 36 * MB
"""More than the client takes in one answer at first."""
SLOW = 100_000
"""Bytes of a message in the tests of slow ones."""

SLOW_MESSAGES = 150
"""Of each partition."""

# A byte costs 20 times what it may cost at most, so that all messages take a minute. At first it
# pauses, in which the client fetches them: then one poll returns them all.
SLOW_PROGRAM = """
import sys, time
from kafka_processor.main import main
from kafka_processor.pipeline import Pipeline

quick = Pipeline.work
pauses = [3]

def slow(self, partition, messages, *rest):
    time.sleep(pauses.pop() if pauses else sum(map(len, messages)) * 2e-6)
    return quick(self, partition, messages, *rest)

Pipeline.work = slow
sys.exit(main([]))
"""


def set_on_input(job: Job, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, job.input, incremental_configs=[entry])
    for changed in job.admin.incremental_alter_configs([resource]).values():
        changed.result(TIMEOUT)


def send_alone(job: Job, values: list[bytes], compression: str) -> list[str]:
    """Each in a batch of its own; the errors of those that the broker refused."""
    errors: list[str] = []

    def note(error: KafkaError | None, _: Message) -> None:
        if error:
            errors.append(error.name())

    client = Producer(
        {
            "bootstrap.servers": job.site.broker,
            "compression.type": compression,
            "message.max.bytes": 1_000_000_000,
            "log_level": 0,
        }
    )
    for value in values:
        client.produce(job.input, value, on_delivery=note)
        assert client.flush(TIMEOUT) == 0
    return errors


def peak_memory(daemon: Daemon) -> int:
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_batches_that_inflate_to_gigabytes(job: Job) -> None:
    assert send_alone(job, [bytes(BOMB)] * BOMBS, "zstd") == []
    job.send_all([event(0, 1)])
    daemon = job.start()
    wait_until(
        lambda: "BAD_COMPRESSION" in daemon.log or job.committed() == {0: BOMBS + 1},
        lambda: f"what became of the first batch:\n{daemon.log}",
    )
    assert peak_memory(daemon) < MOST_MEMORY
    daemon.stop()


def test_the_broker_stops_what_the_client_cannot(job: Job) -> None:
    """Each of the values would inflate to more than the topic takes."""

    def warnings() -> list[str]:
        check = job.launch(arguments=CHECK)
        assert check.wait() == 0
        return [line for line in check.stdout.splitlines() if line.startswith("warning")]

    [warning] = warnings()
    assert job.input in warning
    assert "compression.type=producer" in warning
    set_on_input(job, "compression.type", "uncompressed")
    assert warnings() == []
    for compression in ("zstd", "gzip", "lz4"):
        assert send_alone(job, [bytes(20 * MB)], compression) == ["MSG_SIZE_TOO_LARGE"]
    assert send_alone(job, [event(0, 1)], "zstd") == []
    assert list(job.run(1).outcome_of().values()) == ["processed"]


def test_batch_that_was_stored_under_a_higher_limit(job: Job) -> None:
    """The broker hands it out whole, and a client that takes no such answer asks for ever."""
    job.send_all([event(0, 1)])
    set_on_input(job, "max.message.bytes", str(2 * BATCH_UNDER_A_HIGHER_LIMIT))
    assert send_alone(job, [b" " * BATCH_UNDER_A_HIGHER_LIMIT], "none") == []
    set_on_input(job, "max.message.bytes", "1048588")
    job.send_all([event(0, 2)])
    daemon = job.start()
    job.wait_for_lines(3)
    daemon.stop()
    assert_each_once(job, job.results(), {0: 3})


def test_slow_messages_hold_up_neither_a_rebalance_nor_a_stop(make_job: MakeJob) -> None:
    job = make_job(2)
    filling = "x" * SLOW
    for partition in range(2):
        values = [event(partition, number, x=filling) for number in range(SLOW_MESSAGES)]
        job.send_all(values, partition)
    program = ("-c", SLOW_PROGRAM)
    slow = job.launch(arguments=program).wait_for_start()
    job.wait_for_lines(1)
    other = job.launch(arguments=program)
    job.wait_for_shares(2, timeout=15)
    other.wait_for_start()
    for daemon in (slow, other):
        daemon.stop()
    job.start()
    job.wait_for_lines(2 * SLOW_MESSAGES)
    job.daemons[-1].stop()
    assert_each_once(job, job.results(), {0: SLOW_MESSAGES, 1: SLOW_MESSAGES})
