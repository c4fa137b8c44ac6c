"""Trouble of the consumer's client, in the log: one line for each kind in 30 seconds.

A broker that is away has many errors, and the client repeats them.
"""

import time
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.kafka_errors import (
    describe,
    error_of,
    is_refused_login,
    unreachable_address,
)
from kafka_processor.config import Settings

INTERVAL: Final = 30.0
"""Seconds between two lines of one kind."""
OFFSETS_TOPIC: Final = "__consumer_offsets"
JOIN_PATIENCE: Final = 10.0
"""Seconds to join the group after which the log says why it takes longer: so long a member that was
killed holds up a rebalance."""
LOOK_TIMEOUT: Final = 1.0
"""Seconds to look for the cause; nothing else is to be done then."""


class Trouble:
    """What the client reports, and what it has kept to itself."""

    def __init__(self, settings: Settings, log: FilteringBoundLogger) -> None:
        self._bootstrap = settings.kafka_bootstrap_servers
        self._log = log
        self._last_logged: dict[int | str, float] = {}
        self._joining_since = 0.0
        self._is_member = False
        self.has_connected = False
        """A broker has answered. Before, `connecting.py` says what is wrong."""
        self.refused_login: str | None = None
        self.lost_brokers_at: float | None = None
        """When the last one was lost; None: that did not happen since this was last reset."""
        self.unreachable: str | None = None
        """An address that a broker advertises and that cannot be reached."""

    def joining(self) -> None:
        self._is_member = False
        self._joining_since = time.monotonic()

    def joined(self) -> None:
        self._is_member = True
        self.unreachable = None

    def note(self, error: KafkaError) -> None:
        """Takes an error that the client reports of its connections."""
        if is_refused_login(error):
            self.refused_login = describe(error)
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.lost_brokers_at = self.lost_brokers_at or time.monotonic()
        address = unreachable_address(error)
        if address and address not in self._bootstrap.replace(" ", "").split(","):
            self.unreachable = address
        if not self.has_connected:
            return
        if self._is_member or not self.unreachable:
            self.complain("connection trouble", error)
        elif address:
            self.complain(
                "a broker advertises an address that cannot be reached; correct its "
                "advertised.listeners, or make the address reachable from here",
                error,
                advertised=self.unreachable,
                bootstrap=self._bootstrap,
            )

    def complain(self, event: str, error: KafkaError, **more: str) -> None:
        if self._is_due(error.code()):
            self._log.warning(event, error=describe(error), **more)

    def explain_waiting(self, client: Consumer) -> None:
        """Says why it takes long to join the group."""
        waited = time.monotonic() - self._joining_since
        if waited < JOIN_PATIENCE or not self._is_due("joining"):
            return
        try:
            metadata = client.list_topics(timeout=LOOK_TIMEOUT)
        except KafkaException as exception:
            reason = describe(error_of(exception))
        else:
            reason = "the group has not finished its rebalance, or its coordinator does not answer"
            if OFFSETS_TOPIC not in metadata.topics:
                reason = (
                    f"it has no coordinator: the topic {OFFSETS_TOPIC} does not exist; brokers "
                    "create it once there are as many as offsets.topic.replication.factor says, "
                    f"now there are {len(metadata.brokers)}"
                )
        self._log.warning("not a member of the group yet", reason=reason)

    def _is_due(self, kind: int | str) -> bool:
        now = time.monotonic()
        if now - self._last_logged.get(kind, -INTERVAL) < INTERVAL:
            return False
        self._last_logged[kind] = now
        return True
