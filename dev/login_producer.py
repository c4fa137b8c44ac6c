"""Produces login events to the input topic and accounts for those that a broker acknowledged."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from dev.logins import EXPECTED_OUTCOMES, GeneratedEvent, LoginEvents
from kafka_processor.clients.client_config import connection_config
from kafka_processor.clients.kafka_errors import is_purged
from kafka_processor.config import Settings
from kafka_processor.outcomes import Outcome

CONNECT_TIMEOUT: Final = 15.0
"""Seconds without any broker's answer after which waiting for the topic is given up."""
FLUSH_TIMEOUT: Final = 5.0
_CHUNK: Final = 500
"""Events between two looks at the clock and at whether to stop."""
_TICK: Final = 0.01

silent_log = logging.getLogger("dev.librdkafka")
"""For the clients' own log lines: what matters of them arrives as an error too."""
silent_log.addHandler(logging.NullHandler())
silent_log.propagate = False


class GeneratorError(Exception):
    """The events cannot be sent; the message is one line for the user."""


@dataclass(frozen=True)
class Plan:
    """How much to send, and how fast. Without count and seconds: until stopped."""

    rate: float | None
    """Events a second; None: as fast as possible."""
    count: int | None = None
    seconds: float | None = None


class _Pace:
    """How many events are due now, at an even rate."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._since = time.monotonic()
        self._sent = 0

    def due(self) -> int:
        if self._rate is None:
            return _CHUNK
        now = time.monotonic()
        due = int((now - self._since) * self._rate) - self._sent
        if due > max(self._rate, 1):
            # More than a second behind: what was held up is not sent in one burst.
            self._since, self._sent, due = now, 0, 1
        return min(due, _CHUNK)

    def sent(self, count: int) -> None:
        self._sent += count


class LoginProducer:
    """Sends the events of a sequence. `say` takes single lines for the user."""

    def __init__(
        self, settings: Settings, events: LoginEvents, say: Callable[[str], None], *, keyed: bool
    ) -> None:
        self._topic = settings.input_topic
        self._servers = settings.kafka_bootstrap_servers
        self._events = events
        self._keyed = keyed
        self._say = say
        self.last_error = ""
        """What the client said last; empty if nothing."""
        self._is_away = False
        self._produced: Counter[str] = Counter(dict.fromkeys(EXPECTED_OUTCOMES, 0))
        self._failed: Counter[str] = Counter(dict.fromkeys(EXPECTED_OUTCOMES, 0))
        self._on_delivery = {each: self._failure_counter(each) for each in EXPECTED_OUTCOMES}
        self._client = Producer(
            {"linger.ms": 5, "compression.type": "lz4", "queue.buffering.max.messages": 500_000}
            | connection_config(settings)
            | {
                "enable.idempotence": True,
                "delivery.report.only.error": True,
                "partitioner": "murmur2_random",
                "error_cb": self._on_error,
                "logger": silent_log,
            }
        )

    def wait_for_topic(self, stop: Event) -> bool:
        """Whether the topic is there; False if stopped before. Raises GeneratorError."""
        is_announced = False
        answered = time.monotonic()
        while not stop.is_set():
            try:
                # All topics: to ask for one by name would create it on many a broker.
                if self._topic in self._client.list_topics(timeout=1).topics:
                    return True
                answered = time.monotonic()
            except KafkaException:
                if time.monotonic() - answered > CONNECT_TIMEOUT:
                    raise GeneratorError(self._no_broker()) from None
            else:
                if not is_announced:
                    self._say(
                        f"waiting for topic {self._topic} at {self._servers}: "
                        "kafka_processor with CREATE_TOPICS=all makes it"
                    )
                    is_announced = True
            self._client.poll(0)
            stop.wait(0.3)
        return False

    def run(self, plan: Plan, stop: Event) -> None:
        """Sends until the plan is fulfilled or `stop` is set; then waits for acknowledgements.

        Records that are not acknowledged 5 s later are given up and count as failed.
        """
        started = time.monotonic()
        pace = _Pace(plan.rate)
        sent = 0
        while not stop.is_set():
            if plan.seconds is not None and time.monotonic() - started >= plan.seconds:
                break
            if plan.count is not None and sent >= plan.count:
                break
            chunk = pace.due() if plan.count is None else min(pace.due(), plan.count - sent)
            if chunk:
                self._send(chunk, stop)
                pace.sent(chunk)
                sent += chunk
            else:
                stop.wait(_TICK)
            self._client.poll(0)
        self._flush()

    @property
    def produced(self) -> int:
        return sum(self._produced.values())

    @property
    def failed(self) -> int:
        return sum(self._failed.values())

    @property
    def acknowledged(self) -> int:
        """Records that a broker has acknowledged up to now."""
        waiting = len(self._client)
        return max(self.produced - self.failed - waiting, 0)

    def acknowledged_by_outcome(self) -> Counter[str]:
        """By expected outcome; after `run` only, because what is on its way counts as well."""
        return self._produced - self._failed

    def _send(self, count: int, stop: Event) -> None:
        now = time.time()
        next_event, produce = self._events.next, self._produce
        for _ in range(count):
            if not produce(next_event(now), now, stop):
                return

    def _produce(self, event: GeneratedEvent, now: float, stop: Event) -> bool:
        value, key, age, outcome = event
        options: dict[str, Any] = {"timestamp": round((now - age) * 1000)} if age else {}
        if self._keyed:
            options["key"] = key
        while True:
            try:
                self._client.produce(
                    self._topic, value, on_delivery=self._on_delivery[outcome], **options
                )
            except BufferError:  # back-pressure
                self._client.poll(_TICK)
                if stop.is_set():
                    return False
            else:
                self._produced[outcome] += 1
                return True

    def _flush(self) -> None:
        if self._client.flush(FLUSH_TIMEOUT):
            self._client.purge()
            self._client.flush(1)

    def _failure_counter(self, outcome: Outcome) -> Callable[[KafkaError | None, Any], None]:
        def count(error: KafkaError | None, _: Any) -> None:
            if error:
                self._failed[outcome] += 1
                if not is_purged(error):
                    self.last_error = error.str()

        return count

    def _on_error(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.last_error = error.str()
        elif self.produced and not self._is_away:
            self._is_away = True
            self._say(f"{self._no_broker()}; going on once one does")

    def _no_broker(self) -> str:
        cause = f" ({self.last_error})" if self.last_error else ""
        return f"no broker answers at {self._servers}{cause}"
