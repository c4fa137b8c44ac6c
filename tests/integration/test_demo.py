"""The whole demo, without a terminal: its account adds up, and it leaves no process behind."""

import os
import re
import secrets
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from dev.demo_topics import TopicReader
from kafka_processor.config import load_settings, rules
from tests.support.waiting import wait_until

PROJECT = Path(__file__).parents[2]
SENDING = "Sending 200 events a second"
START_TIMEOUT = 120.0
"""Seconds; more than elsewhere, because the first start of all may have to fetch Kafka."""
END_TIMEOUT = 60.0
TOPIC_SETTINGS = [name for name, _ in rules() if name.endswith("_TOPIC")]


class Demo:
    """A demo that runs, and all processes that it has been seen to start."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._output = folder / "output"
        environment = {"TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8"}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dev.demo", "--rate", "200", *arguments],
                cwd=PROJECT,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._itself = psutil.Process(self.process.pid)
        self._started: set[psutil.Process] = set()

    @property
    def output(self) -> str:
        return self._output.read_text("utf-8")

    def wait_for(self, text: str) -> None:
        def is_said() -> bool:
            assert self.process.poll() is None or text in self.output, self.output
            self._started.update(self._itself.children(recursive=True) if self.runs else ())
            return text in self.output

        wait_until(is_said, lambda: f"{text!r} in {self.output}", START_TIMEOUT)

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    @property
    def daemon(self) -> psutil.Process:
        ours = [each for each in self.left if "kafka_processor" in each.cmdline()]
        [daemon] = [each for each in ours if "dashboard" not in each.cmdline()]
        return daemon

    def wait_for_end(self) -> int:
        wait_until(lambda: not self.runs, lambda: f"the end of {self.output}", END_TIMEOUT)
        return self.process.wait()

    def check_that_nothing_is_left(self) -> None:
        assert len(self._started) >= 4, "a broker, a daemon, a dashboard, and who guards them"
        wait_until(lambda: not self.left, lambda: f"the end of {self.left}")

    @property
    def left(self) -> list[psutil.Process]:
        return [each for each in self._started if is_alive(each)]

    def clean_up(self) -> None:
        """Its children end with it: that is what is tested."""
        if self.runs:
            self.process.kill()
            self.process.wait()


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


StartDemo = Callable[..., Demo]


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[StartDemo]:
    with ExitStack() as stack:

        def start(*arguments: str) -> Demo:
            demo = Demo(tmp_path, *arguments)
            stack.callback(demo.clean_up)
            return demo

        yield start


def check_account(output: str) -> int:
    """Checks the sum in the account, and returns how many events were sent."""
    total = re.search(r"^adds up: (\S+) sent = ((?:\S+ \S+(?: \+ )?)+);", output, re.MULTILINE)
    assert total, output
    sent = number(total[1])
    parts = [number(part.split()[0]) for part in total[2].split(" + ")]
    assert len(parts) == 4 and sum(parts) == sent
    [row] = re.findall(r"^all +(\S+) +(\S+) +(\S+) *$", output, re.MULTILINE)
    assert {number(count) for count in row} == {sent}
    return sent


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_the_reader_counts_messages_without_a_value_too(broker: str) -> None:
    topics = {name: f"{name.lower()}-{secrets.token_hex(4)}" for name in TOPIC_SETTINGS}
    settings = load_settings({"KAFKA_BOOTSTRAP_SERVERS": broker} | topics)
    admin = AdminClient({"bootstrap.servers": broker})
    for created in admin.create_topics([NewTopic(name, 1) for name in topics.values()]).values():
        created.result(10)
    producer = Producer({"bootstrap.servers": broker})
    reader = TopicReader(settings)
    reader.start()
    try:
        for count, value in enumerate((None, b"", b"{}"), start=1):
            producer.produce(settings.input_topic, value)
            producer.flush(10)
            assert reader.read_to_end(30)
            assert reader.ledger.counts.received == count
    finally:
        reader.close()
        for deleted in admin.delete_topics(list(topics.values())).values():
            deleted.result(10)


def test_a_run_of_some_seconds_has_a_dashboard_and_an_account_that_adds_up(
    start_demo: StartDemo,
) -> None:
    demo = start_demo("--seconds", "6")
    demo.wait_for("processed ")
    address = re.search(r"^The dashboard, in a browser: (http://\S+)$", demo.output, re.MULTILINE)
    assert address, demo.output
    with urllib.request.urlopen(address[1], timeout=5) as page:
        assert b"kafka_processor" in page.read()

    assert demo.wait_for_end() == 0, demo.output
    assert check_account(demo.output) > 600, "about 200 a second were asked for"
    for outcome in ("processed", "filtered", "skipped", "missing_field"):
        assert re.search(rf"^{outcome} +[1-9]", demo.output, re.MULTILINE), demo.output
    assert "\x1b" not in demo.output, "nothing for terminals"
    demo.check_that_nothing_is_left()


def test_a_signal_ends_the_sending_and_the_account_follows(start_demo: StartDemo) -> None:
    demo = start_demo()
    demo.wait_for("processed ")
    demo.process.send_signal(signal.SIGTERM)

    assert demo.wait_for_end() == 0, demo.output
    assert check_account(demo.output) > 0
    demo.check_that_nothing_is_left()


def test_a_signal_before_the_sending_ends_it_at_once(start_demo: StartDemo) -> None:
    demo = start_demo()
    demo.wait_for("Starting kafka_processor")
    demo.process.send_signal(signal.SIGINT)

    assert demo.wait_for_end() == 130, demo.output
    assert "Traceback" not in demo.output
    assert not demo.left


def test_a_demo_that_is_killed_leaves_no_process(start_demo: StartDemo, tmp_path: Path) -> None:
    demo = start_demo()
    demo.wait_for("processed ")
    demo.process.kill()
    demo.wait_for_end()

    demo.check_that_nothing_is_left()
    wait_until(lambda: list(tmp_path.iterdir()) == [tmp_path / "output"], "the folders' removal")


def test_a_daemon_that_ends_by_itself_is_reported_with_its_log(start_demo: StartDemo) -> None:
    demo = start_demo()
    demo.wait_for("processed ")
    demo.daemon.kill()

    assert demo.wait_for_end() == 1
    [error] = re.findall(r"^error: .*", demo.output, re.MULTILINE)
    assert "kafka_processor ended by itself: exit code -9" in error
    log = Path(error.partition("its log: ")[2])
    assert "Kafka Consumer has started..." in log.read_text("utf-8")
    demo.check_that_nothing_is_left()
