"""A broker for a test session that is not the local one: a given one, or one in a container."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

KAFKA_IMAGE = "apache/kafka:4.1.2"
HOST = "127.0.0.1"
PORT_IN_CONTAINER = 9092
START_TIMEOUT = 90.0


@contextlib.contextmanager
def given_broker() -> Iterator[str | None]:
    """Bootstrap servers by TEST_BOOTSTRAP_SERVERS or TEST_KAFKA=docker; None: neither is set."""
    if os.environ.get("TEST_KAFKA") == "docker" and not os.environ.get("TEST_BOOTSTRAP_SERVERS"):
        with _run_container() as servers:
            yield servers
    else:
        yield os.environ.get("TEST_BOOTSTRAP_SERVERS") or None


@contextlib.contextmanager
def _run_container() -> Iterator[str]:
    # Only this way needs Docker's client.
    from testcontainers.core.container import DockerContainer

    # The broker must advertise the port under which it is reached, so it is chosen beforehand.
    port = free_port()
    container = DockerContainer(KAFKA_IMAGE)
    # `with_bind_ports` knows no host, and would listen on all interfaces.
    container.ports[f"{PORT_IN_CONTAINER}/tcp"] = (HOST, port)  # type: ignore[assignment]
    for name, value in _container_settings(port).items():
        container.with_env(name, value)
    with container:
        _wait_until_it_answers(f"{HOST}:{port}")
        yield f"{HOST}:{port}"


def _container_settings(port: int) -> dict[str, str]:
    # The broker talks to itself too, and does not reach the port that the host has for it.
    listeners = f"PLAINTEXT://:{PORT_IN_CONTAINER},INTERNAL://localhost:9094"
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
        "KAFKA_LISTENERS": f"{listeners},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{HOST}:{port},INTERNAL://localhost:9094",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": ",".join(
            f"{name}:PLAINTEXT" for name in ("CONTROLLER", "INTERNAL", "PLAINTEXT")
        ),
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }


def _wait_until_it_answers(servers: str) -> None:
    client = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            client.list_topics(timeout=2)
            return
        except KafkaException:
            if time.monotonic() > deadline:
                raise


_reserved: list[socket.socket] = []


def dead_port() -> int:
    """A port of the loopback interface that refuses connections. Nobody else gets it while this
    process lives."""
    reserved = socket.socket()
    reserved.bind((HOST, 0))
    _reserved.append(reserved)
    return int(reserved.getsockname()[1])


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
