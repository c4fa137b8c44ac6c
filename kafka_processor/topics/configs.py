"""How the broker has configured the output topics."""

import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future, wait
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    ResourceType,
)
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.kafka_errors import error_of, is_no_permission
from kafka_processor.config import Settings
from kafka_processor.record_limits import RecordLimits
from kafka_processor.topics.rules import TopicConfig

TIMEOUT: Final = 10.0
"""Seconds for all tries together."""
TRY_TIMEOUT: Final = 3.0
RETRY_PAUSE: Final = 0.2
LOOK_AGAIN: Final = 30.0
"""Seconds between two looks for a limit that was raised, while records are refused for it."""
ANSWER_WAIT: Final = 0.5
"""Seconds; the loop stands still meanwhile, which it does anyway after a refused record."""
_LARGEST_OF_CLIENT: Final = 1_000_000
"""librdkafka's default of `message.max.bytes`: bytes of key and value that a client sends."""


def describe_topics(admin: AdminClient, topics: Collection[str]) -> dict[str, TopicConfig]:
    """Without those that we may not look at. Raises KafkaException."""
    deadline = time.monotonic() + TIMEOUT
    found = {}
    futures = _ask(admin, topics)
    for topic in topics:
        while True:
            try:
                found[topic] = _config_of(futures[topic])
                break
            except KafkaException as exception:
                if is_no_permission(error_of(exception)):
                    break
                if time.monotonic() > deadline:
                    raise
            time.sleep(RETRY_PAUSE)
            futures |= _ask(admin, [topic])
    return found


def record_limits(settings: Settings, configs: Mapping[str, TopicConfig]) -> dict[str, int]:
    """By topic, the largest record that it takes and that our client sends."""
    of_client = settings.properties.get("message.max.bytes", "")
    largest = int(of_client) if of_client.isdecimal() else _LARGEST_OF_CLIENT
    return {topic: min(config.largest_batch, largest) for topic, config in configs.items()}


class LimitLookup:
    """Keeps record limits up to date, without waiting in the loop: the answer is taken later."""

    def __init__(
        self,
        settings: Settings,
        admin: AdminClient,
        limits: RecordLimits,
        log: FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._limits = limits
        self._log = log
        self._asked: dict[str, Future[Any]] = {}
        self._next_look = time.monotonic() + LOOK_AGAIN

    def ask(self) -> None:
        """After the broker has refused a record: a limit may have been lowered."""
        if not self._asked:
            self._asked = _ask(self._admin, self._settings.output_topics)
            self._limits.has_refused = False
            self._next_look = time.monotonic() + LOOK_AGAIN

    def wait(self) -> None:
        """For the answer, if one is due, so that the next client heeds it; not for long."""
        wait(self._asked.values(), ANSWER_WAIT)
        self.turned()

    def turned(self) -> None:
        """Takes the answer that has arrived; asks again while records are refused here."""
        if self._asked and all(future.done() for future in self._asked.values()):
            self._take()
        if self._limits.has_refused and time.monotonic() >= self._next_look:
            self.ask()

    def _take(self) -> None:
        asked, self._asked = self._asked, {}
        configs = {}
        for topic, future in asked.items():
            try:
                configs[topic] = _config_of(future)
            except (KafkaException, LookupError, ValueError):  # also: an entry is missing
                continue  # the limit known before stays
        for topic, limit in record_limits(self._settings, configs).items():
            if limit != self._limits.of(topic):
                self._log.info("topic takes records of another size", topic=topic, max_bytes=limit)
                self._limits.update({topic: limit})


def broker_setting(admin: AdminClient, name: str) -> str | None:
    """A setting of the broker; None where we may not look at it. Raises KafkaException."""
    broker = next(iter(admin.list_topics(timeout=TRY_TIMEOUT).brokers))
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    [future] = admin.describe_configs([resource], request_timeout=TRY_TIMEOUT).values()
    try:
        return str(future.result()[name].value)
    except KafkaException as exception:
        if is_no_permission(error_of(exception)):
            return None
        raise


def _ask(admin: AdminClient, topics: Collection[str]) -> dict[str, Future[Any]]:
    if not topics:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    answers = admin.describe_configs(resources, request_timeout=TRY_TIMEOUT)
    return {resource.name: future for resource, future in answers.items()}


def _config_of(future: "Future[Any]") -> TopicConfig:
    """Raises KafkaException."""
    return TopicConfig.read({name: entry.value for name, entry in future.result().items()})
