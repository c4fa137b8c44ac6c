"""Real brokers, each behind a proxy, and who is who among them.

An authorizer denies those who log in whatever no rule allows; the plain listeners may do anything.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient

from dev.local_kafka import Broker, LocalKafka
from tests.faults.proxy import Api, Proxy, Side
from tests.faults.wire import Transaction, active_controller, list_transactions

PROXIED = "PROXIED"
"""The listener that the daemons under test use; load and readers go to the broker directly."""
LOGIN = "LOGIN"
"""The listener for those who may not do everything."""
USERS = ("processor", "auditor", "replayer", "viewer", "reader", "nobody")

_PROPERTIES = {
    # How long a broker that was killed counts as alive: most of the recovery from it. Kafka's own
    # default is 9000.
    "broker.session.timeout.ms": "3000",
    # How often a broker looks for transactions of processes that were killed: default 10000.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    f"listener.name.{LOGIN.lower()}.sasl.enabled.mechanisms": "PLAIN",
    f"listener.name.{LOGIN.lower()}.plain.sasl.jaas.config": (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        + " ".join(f'user_{user}="{user}-password"' for user in USERS)
        + ";"
    ),
}


@dataclass(frozen=True)
class Cluster:
    kafka: LocalKafka
    proxies: list[Proxy]
    """One for each broker."""

    @property
    def servers(self) -> str:
        return self.kafka.bootstrap_servers

    @property
    def proxied_servers(self) -> str:
        return self.kafka.servers_of(PROXIED)

    def login(self, user: str) -> dict[str, str]:
        """Settings with which a program logs in as one of USERS."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.servers_of(LOGIN),
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD": f"{user}-password",
        }

    def broker(self, node_id: int) -> Broker:
        return self.kafka.brokers[node_id - 1]

    def transactions(self) -> list[Transaction]:
        """All that the running brokers know."""
        return [
            transaction
            for broker in self.kafka.brokers
            if broker.is_running
            for transaction in list_transactions(broker.ports["PLAINTEXT"])
        ]

    def controller(self) -> Broker:
        running = next(broker for broker in self.kafka.brokers if broker.is_running)
        return self.broker(active_controller(running.ports["PLAINTEXT"]))

    def group_coordinator(self, group: str) -> Broker:
        return self._leader("__consumer_offsets", group)

    def transaction_coordinator(self, transactional_id: str) -> Broker:
        return self._leader("__transaction_state", transactional_id)

    def _leader(self, topic: str, name: str) -> Broker:
        """Of the partition of an internal topic that a name belongs to."""
        client = AdminClient({"bootstrap.servers": self.servers, "log_level": 0})
        partitions = client.list_topics(topic, timeout=30).topics[topic].partitions
        return self.broker(partitions[abs(_java_hash(name)) % len(partitions)].leader)

    def hold(self, api: Api, side: Side) -> threading.Event:
        """Holds back such requests or responses until `release`; the event: one is held."""
        held = threading.Event()
        for proxy in self.proxies:
            proxy.hold(api, side, held)
        return held

    def release(self) -> None:
        for proxy in self.proxies:
            proxy.release()

    def cut(self) -> None:
        """Closes all connections of daemons, and each new one at once."""
        for proxy in self.proxies:
            proxy.cut()

    def restore(self) -> None:
        for proxy in self.proxies:
            proxy.mend()

    def close_connections(self) -> None:
        for proxy in self.proxies:
            proxy.close_connections()

    def slow_down(self, delay: float) -> None:
        """Each request and each response of a daemon comes so many seconds later."""
        for proxy in self.proxies:
            proxy.delay = delay

    def narrow(self, bytes_a_second: float) -> None:
        """No connection of a daemon takes more than that towards its broker."""
        for proxy in self.proxies:
            proxy.bytes_a_second = bytes_a_second

    @contextmanager
    def mended(self) -> Iterator[None]:
        """At the end everything runs again, whatever the block has done."""
        try:
            yield
        finally:
            self.mend()

    def mend(self) -> None:
        """Everything runs and nothing is held back, whatever a test has done."""
        self.slow_down(0.0)
        self.narrow(math.inf)
        self.restore()
        self.release()
        self.kafka.start()


@contextmanager
def run_cluster(brokers: int) -> Iterator[Cluster]:
    with ExitStack() as stack:
        proxies = [stack.enter_context(Proxy().running()) for _ in range(brokers)]
        kafka = stack.enter_context(
            LocalKafka(
                brokers,
                extra_listeners={PROXIED: "PLAINTEXT", LOGIN: "SASL_PLAINTEXT"},
                advertised_ports={PROXIED: [proxy.port for proxy in proxies]},
                properties=_PROPERTIES,
            )
        )
        for proxy, broker in zip(proxies, kafka.brokers, strict=True):
            proxy.target_port = broker.ports[PROXIED]
        yield Cluster(kafka, proxies)


def _java_hash(text: str) -> int:
    """Of java.lang.String: by it a coordinator is found."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def wait_for_full_replication(cluster: Cluster, timeout: float = 60.0) -> None:
    """Return once every partition has all its replicas in sync: the next broker may go."""
    client = AdminClient({"bootstrap.servers": cluster.servers, "log_level": 0})
    deadline = time.monotonic() + timeout
    while True:
        topics = client.list_topics(timeout=30).topics.values()
        behind = [
            f"{topic.topic}-{partition.id}"
            for topic in topics
            for partition in topic.partitions.values()
            if len(partition.isrs) < len(partition.replicas) or partition.leader < 0
        ]
        if not behind:
            return
        assert time.monotonic() < deadline, f"not in sync after {timeout:.0f} s: {behind}"
        time.sleep(0.1)
