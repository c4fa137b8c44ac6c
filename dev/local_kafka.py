"""A real Apache Kafka on this machine, with nothing but pip: for trying, tests and benchmarks.

    with LocalKafka() as kafka:
        producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})

From a terminal: `python -m dev.local_kafka`.
"""

import argparse
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import wait
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from confluent_kafka.admin import AdminClient

from dev.free_ports import HOST, free_port, is_free
from dev.kafka_broker import Broker, PortInUseError
from dev.kafka_install import KAFKA_VERSION, LocalKafkaError, install_kafka
from dev.process_guard import ProcessGuard

__all__ = ["Broker", "LocalKafka", "LocalKafkaError"]

PORT_ATTEMPTS = 5
MAX_PORT = 65_533  # of the first of three


class LocalKafka:
    """One broker, or a cluster of three, on loopback only, that ends with the process it was
    started by.

    port: where the first broker listens, the others on the next ones; by default any free ports.
    folder: where topics are kept for the next start; by default a temporary folder.
    extra_listeners: listeners besides the plain one, security protocol by name, such as
        {"LOGIN": "SASL_PLAINTEXT"}; `servers_of("LOGIN")` says where they are.
    advertised_ports: by listener, the port of each broker that clients are told: a proxy's.
    properties: of Kafka's broker configuration; they override everything that is set here. An
        authorizer lets everybody on the plain listener do anything ("super.users").
    heap: memory of each broker, as in -Xmx.
    """

    def __init__(
        self,
        brokers: int = 1,
        *,
        port: int | None = None,
        folder: Path | None = None,
        extra_listeners: Mapping[str, str] | None = None,
        advertised_ports: Mapping[str, Sequence[int]] | None = None,
        properties: Mapping[str, str] | None = None,
        heap: str | None = None,
    ) -> None:
        self.brokers: list[Broker] = []
        self._count = brokers
        self._port = port
        self._named_folder = folder.resolve() if folder else None
        self._protocols = {"PLAINTEXT": "PLAINTEXT", **(extra_listeners or {})}
        self._advertised_ports = advertised_ports or {}
        self._properties = dict(properties or {})
        self._heap = heap or ("1g" if brokers == 1 else "512m")
        self._guard: ProcessGuard | None = None

    def __enter__(self) -> "LocalKafka":
        self.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        """Where the brokers listen: `127.0.0.1:29092`, or several joined by commas."""
        return self.servers_of("PLAINTEXT")

    def servers_of(self, listener: str) -> str:
        """The same for one of the extra listeners."""
        return ",".join(f"{HOST}:{broker.client_ports[listener]}" for broker in self.brokers)

    def start(self) -> None:
        """Start every broker that does not run, and return once all of them answer a client.

        Raises LocalKafkaError, and leaves nothing running then: a port that is in use, no network
        at the first start, settings that Kafka refuses, no answer in time.
        """
        try:
            if self._guard is None:
                self._create_brokers()
            else:
                self._start_brokers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all brokers, cleanly if their files are kept; else kill them, remove the folder."""
        if self._guard is None:
            return
        for broker in self.brokers:
            if self._named_folder:
                broker.ask_to_stop()
            else:
                broker.kill()
        for broker in self.brokers:
            broker.wait_until_stopped()
        self._guard.close()
        self._guard = None
        self.brokers = []

    def _create_brokers(self) -> None:
        kafka = install_kafka()
        try:
            folder = self._named_folder or Path(tempfile.mkdtemp(prefix="local-kafka-"))
            folder.mkdir(parents=True, exist_ok=True)
            self._guard = ProcessGuard(None if self._named_folder else folder)
            cluster_id = _cluster_id(folder, self._count)
        except OSError as error:
            raise LocalKafkaError(f"cannot keep the brokers' files: {error}") from None
        for attempts_left in reversed(range(PORT_ATTEMPTS)):
            ports = self._choose_ports()
            shared = {**self._cluster_properties(ports), **self._properties}
            self.brokers = [
                Broker(
                    node_id,
                    kafka,
                    self._guard,
                    folder,
                    cluster_id,
                    own_ports,
                    {name: each[node_id - 1] for name, each in self._advertised_ports.items()},
                    shared,
                    self._heap,
                )
                for node_id, own_ports in enumerate(ports, start=1)
            ]
            try:
                self._start_brokers()
                break
            except PortInUseError:  # somebody took it since it was found free
                for broker in self.brokers:
                    broker.kill()
                if not attempts_left:
                    raise
        self._create_group_topic()
        if not kafka.has_class_archive:
            with suppress(OSError):  # a cache that is read-only: starts take longer, no more
                kafka.write_class_archive(self.brokers[0].class_list)

    def _start_brokers(self) -> None:
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.wait_until_it_answers()

    def _create_group_topic(self) -> None:
        """Have Kafka create it by a question: the first consumer would wait seconds for that."""
        if int(self._properties.get("offsets.topic.replication.factor", "1")) > self._count:
            return  # Kafka cannot
        client = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        wait(client.describe_consumer_groups(["any"]).values(), timeout=10)

    def _choose_ports(self) -> list[dict[str, int]]:
        """For each broker its ports by listener name. Raises LocalKafkaError: one is in use."""
        taken: set[int] = set()
        if self._port is not None:
            taken = set(range(self._port, self._port + self._count))
            for port in sorted(taken):
                if not is_free(port):
                    raise LocalKafkaError(
                        f"cannot listen on port {port}: stop what does, or choose another port"
                    )
        ports = []
        for index in range(self._count):
            own = {name: free_port(taken) for name in (*self._protocols, "CONTROLLER")}
            if self._port is not None:
                own["PLAINTEXT"] = self._port + index
            ports.append(own)
        return ports

    def _cluster_properties(self, ports: list[dict[str, int]]) -> dict[str, str]:
        replication, min_in_sync = str(self._count), "2" if self._count > 2 else "1"
        voters = (f"{i}@{HOST}:{own['CONTROLLER']}" for i, own in enumerate(ports, start=1))
        protocols = {**self._protocols, "CONTROLLER": "PLAINTEXT"}
        return {
            "process.roles": "broker,controller",
            "controller.quorum.voters": ",".join(voters),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": ",".join(map(":".join, protocols.items())),
            "default.replication.factor": replication,
            "min.insync.replicas": min_in_sync,
            "offsets.topic.replication.factor": replication,
            "transaction.state.log.replication.factor": replication,
            "transaction.state.log.min.isr": min_in_sync,
            # A quick start and first use: fewer files, no waiting for more members of a group.
            "offsets.topic.num.partitions": "8",
            "transaction.state.log.num.partitions": "8",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "auto.create.topics.enable": "false",
            "super.users": "User:ANONYMOUS",
            # For so long a broker that was killed is taken for alive, and cannot come back.
            "broker.session.timeout.ms": "6000",
            "broker.heartbeat.interval.ms": "500",
            "log.cleaner.dedupe.buffer.size": str(16 << 20),  # taken from the heap at the start
        }


def _cluster_id(folder: Path, count: int) -> str:
    """What the folder's brokers were formatted with, or a new id."""
    existing = len(list(folder.glob("broker-*")))
    if existing not in (0, count):
        raise LocalKafkaError(
            f"{folder} holds a cluster of {existing}, not of {count}: choose another folder"
        )
    file = folder / "cluster-id"
    if not file.exists():
        file.write_text(secrets.token_urlsafe(16))
    return file.read_text()


def main() -> int:
    """Run a local Kafka until Ctrl-C or SIGTERM. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.local_kafka", description=main.__doc__)
    parser.add_argument("--port", type=int, default=29092, help="of the first broker (%(default)s)")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--folder", type=Path, help="keep topics here (default: nothing is kept)")
    options = parser.parse_args()
    if not 0 < options.port <= MAX_PORT:
        parser.error(f"--port: 1 to {MAX_PORT}")
    # Ctrl-C too: a shell that starts it in the background has it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    kafka = LocalKafka(options.brokers, port=options.port, folder=options.folder)
    try:
        with kafka:
            print(
                f"Apache Kafka {KAFKA_VERSION} listens on {kafka.bootstrap_servers},"
                f" {'keeps ' + str(options.folder) if options.folder else 'keeps nothing'}."
                " Ctrl-C stops it.",
                flush=True,
            )
            _wait_for_a_failure(kafka)
    except LocalKafkaError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _wait_for_a_failure(kafka: LocalKafka) -> None:
    while True:
        for broker in kafka.brokers:
            broker.check_that_it_runs()
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
