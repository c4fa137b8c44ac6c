"""The local Kafka itself: that tests can trust it, and that it leaves nothing behind."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from dev.free_ports import free_port
from dev.local_kafka import LocalKafka, LocalKafkaError

PROJECT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "dev.local_kafka")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def create_topic(servers: str, topic: str) -> None:
    """With one partition, and as many replicas as there are brokers."""
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, 1)])[topic].result(30)


def produce_in_transaction(servers: str, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": servers, "transactional.id": "test"})
    producer.init_transactions(20)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    producer.commit_transaction(20)


def read(servers: str, topic: str, count: int) -> list[bytes | None]:
    """The first `count` committed values."""
    settings = {"group.id": f"test-{secrets.token_hex(4)}", "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": servers, **settings})
    try:
        consumer.subscribe([topic])
        values: list[bytes | None] = []
        deadline = time.monotonic() + 20
        while len(values) < count and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                values.append(message.value())
        return values
    finally:
        consumer.close()


def is_listening(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


def test_answers_as_soon_as_it_is_started_and_keeps_topics_in_a_named_folder(
    tmp_path: Path,
) -> None:
    kafka = LocalKafka(folder=tmp_path / "kept")
    with kafka:
        servers = kafka.bootstrap_servers
        create_topic(servers, "events")
        produce_in_transaction(servers, "events", b"one", b"two")
        assert read(servers, "events", 2) == [b"one", b"two"]
    assert not is_listening(servers)
    with kafka:
        assert read(kafka.bootstrap_servers, "events", 2) == [b"one", b"two"]


def test_refused_settings_are_told_in_one_line() -> None:
    kafka = LocalKafka(properties={"num.io.threads": "many"})
    with pytest.raises(LocalKafkaError, match="Invalid value many") as raised:
        kafka.start()
    assert "\n" not in str(raised.value)


def test_nothing_outlives_a_killed_parent() -> None:
    script = """if True:
        import time
        from dev.local_kafka import LocalKafka
        with LocalKafka() as kafka:
            print(kafka.bootstrap_servers, kafka.brokers[0].log_file.parents[1], flush=True)
            time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        server, folder = parent.stdout.readline().split()
        assert is_listening(server)
        assert Path(folder).exists()
        parent.kill()
    wait_until(lambda: not is_listening(server), "the broker is killed")
    wait_until(lambda: not Path(folder).exists(), "the temporary folder is removed")


def test_the_command_serves_localhost_until_ctrl_c() -> None:
    port = free_port(set())
    with subprocess.Popen(
        [*COMMAND, "--port", str(port)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    ) as command:
        assert command.stdout is not None
        assert f"127.0.0.1:{port}" in command.stdout.readline()
        create_topic(f"localhost:{port}", "events")
        os.killpg(command.pid, signal.SIGINT)  # what a terminal does
        assert command.stdout.read() == ""
        assert command.wait(20) == 0
    assert not is_listening(f"127.0.0.1:{port}")


def test_the_first_start_without_a_network_says_what_is_missing(tmp_path: Path) -> None:
    unreachable = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    ended = subprocess.run(
        COMMAND,
        cwd=PROJECT,
        env={**os.environ, **unreachable, "no_proxy": "", "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    last_line = ended.stderr.splitlines()[-1]
    assert last_line.startswith("error: could not fetch Apache Kafka")
    assert "network" in last_line
