"""The generator as a program: what it says it sent is what the topic holds."""

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.waiting import wait_until

PROJECT = Path(__file__).parents[2]


class Generator:
    """The program, sending to a topic of its own."""

    def __init__(self, broker: str, topic: str, output: Path, *arguments: str, **env: str) -> None:
        self._output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dev.login_generator", *arguments],
                cwd=PROJECT,
                env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": broker, "INPUT_TOPIC": topic} | env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
            )

    @property
    def output(self) -> str:
        return self._output.read_text("utf-8")

    def clean_up(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def acknowledged(self) -> int:
        [count] = re.findall(r"^([\d,]+) acknowledged in ", self.output, re.MULTILINE)
        return int(count.replace(",", ""))


StartGenerator = Callable[..., Generator]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartGenerator]:
    """Starts a generator with the arguments of `Generator` but for its output."""
    with ExitStack() as stack:

        def start_one(broker: str, topic: str, *arguments: str, **env: str) -> Generator:
            generator = Generator(broker, topic, tmp_path / "output", *arguments, **env)
            stack.callback(generator.clean_up)
            return generator

        yield start_one


@pytest.fixture
def topic(broker: str) -> Iterator[str]:
    """The name of a topic that is not there yet."""
    name = f"logins-{secrets.token_hex(4)}"
    yield name
    admin = AdminClient({"bootstrap.servers": broker})
    if name in admin.list_topics(timeout=10).topics:
        admin.delete_topics([name])[name].result(10)


def create(broker: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker})  # the future needs it alive
    admin.create_topics([NewTopic(topic, 1)])[topic].result(10)


def count_of(broker: str, topic: str) -> int:
    """Records in the topic's only partition; nothing transactional is in it."""
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "test"})
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
        return int(high - low)
    finally:
        consumer.close()


def test_it_waits_for_the_topic_and_sends_the_count(
    broker: str, topic: str, start: StartGenerator
) -> None:
    generator = start(broker, topic, "--rate", "max", "--count", "3000")
    wait_until(lambda: f"waiting for topic {topic} at {broker}" in generator.output, "its line")
    create(broker, topic)

    assert generator.process.wait(60) == 0, generator.output
    assert generator.acknowledged == count_of(broker, topic) == 3000
    assert len(generator.output.splitlines()) == 3, generator.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_everything_acknowledged(
    broker: str, topic: str, start: StartGenerator, number: signal.Signals
) -> None:
    create(broker, topic)
    generator = start(broker, topic, GENERATOR_RATE="500")
    wait_until(lambda: count_of(broker, topic) > 0, lambda: generator.output)
    generator.process.send_signal(number)

    assert generator.process.wait(20) == 0, generator.output
    assert generator.acknowledged == count_of(broker, topic)


@pytest.mark.parametrize(
    ("arguments", "setting", "line"),
    [
        (("--rate", "0"), "", "'0' is no number greater than 0"),
        (("--faulty", "1.5"), "", "error: shares are from 0 to 1"),
        ((), "no port at all:", "error: KAFKA_BOOTSTRAP_SERVERS: 'no port at all:'"),
    ],
)
def test_wrong_settings_are_named(
    start: StartGenerator, arguments: tuple[str, ...], setting: str, line: str
) -> None:
    generator = start(setting or "127.0.0.1:1", "logins", *arguments)
    assert generator.process.wait(20) == 2
    assert line in generator.output
    assert "Traceback" not in generator.output
