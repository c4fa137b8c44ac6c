"""Whether the brokers have moved to addresses that the member's client does not know.

`metadata.recovery.strategy=none` keeps the client from starting from bootstrap.servers again. The
one that watches the input topic has no state to lose, and does start from there.
"""

import time
from typing import Final

from confluent_kafka import Consumer, KafkaException
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.kafka_errors import describe, error_of
from kafka_processor.membership.input_topic import InputTopic
from kafka_processor.membership.trouble import Trouble

LOST_AFTER: Final = 5.0
"""Seconds without a broker while one answers elsewhere, after which the client is replaced: more
than it takes to connect again where a broker comes back at its address."""
PROBE_TIMEOUT: Final = 0.5
"""Seconds to see whether the client has found a broker by itself; the loop stands still meanwhile,
which it does anyway."""
PROBE_INTERVAL: Final = 1.5


class MovedBrokers:
    def __init__(self, topic: InputTopic, trouble: Trouble, log: FilteringBoundLogger) -> None:
        self._topic = topic
        self._trouble = trouble
        self._log = log
        self._next_probe = 0.0
        self._is_cut_off = False
        """The last probe has found no broker that the client knows."""

    def probe(self, client: Consumer, topic: str) -> bool:
        """Asks the client for a broker if that is due; returns whether it needs a successor.

        Where nobody answers at all it does not: it is quicker, and still a member, once brokers
        are back.
        """
        lost_at = self._trouble.lost_brokers_at
        if lost_at is None:
            return False
        now = time.monotonic()
        answered_for = self._topic.answered_for
        is_due = answered_for > 0 if self._is_cut_off else now - lost_at >= LOST_AFTER
        if not is_due or now < self._next_probe:
            return False
        self._next_probe = now + PROBE_INTERVAL
        try:
            client.list_topics(topic, PROBE_TIMEOUT)
        except KafkaException as exception:
            if not self._is_cut_off:
                self._is_cut_off = True
                self._topic.forget_answers()  # earlier ones say nothing
                return False
            if answered_for < LOST_AFTER:
                return False
            self._log.warning(
                "no known broker answers, starting from KAFKA_BOOTSTRAP_SERVERS again",
                error=describe(error_of(exception)),
            )
            self._end()
            return True
        self._end()
        return False

    def _end(self) -> None:
        self._is_cut_off = False
        self._trouble.lost_brokers_at = None
