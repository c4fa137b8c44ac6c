"""The configuration of the output topics, as the broker reports it."""

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
from kafka_processor.timing import Deadline, Every
from kafka_processor.topics.rules import TopicConfig

TIMEOUT: Final = 10.0
"""Seconds for all attempts together."""
REQUEST_TIMEOUT: Final = 3.0
RETRY_PAUSE: Final = 0.2
REFRESH_INTERVAL: Final = 30.0
"""Seconds between two checks for a raised limit, while records are refused for it."""
RESPONSE_WAIT: Final = 0.5
"""Seconds; blocks the loop, which waits anyway after a refused record."""
_CLIENT_DEFAULT: Final = 1_000_000
"""librdkafka's default of `message.max.bytes`: bytes of key and value."""


def describe_topics(admin: AdminClient, topics: Collection[str]) -> dict[str, TopicConfig]:
    """Returns the configurations that we may describe. Raises KafkaException."""
    deadline = Deadline(TIMEOUT)
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
                if deadline.has_passed:
                    raise
            time.sleep(RETRY_PAUSE)
            futures |= _ask(admin, [topic])
    return found


def record_limits(settings: Settings, configs: Mapping[str, TopicConfig]) -> dict[str, int]:
    """Returns, by topic, the largest record that it accepts and that our client sends."""
    configured = settings.properties.get("message.max.bytes", "")
    largest = int(configured) if configured.isdecimal() else _CLIENT_DEFAULT
    return {topic: min(config.largest_batch, largest) for topic, config in configs.items()}


class LimitLookup:
    """Keeps record limits up to date without blocking the loop: responses are taken later."""

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
        self._refresh = Every(REFRESH_INTERVAL)

    def ask(self) -> None:
        """Requests the limits: the broker has refused a record, so one may have been lowered."""
        if not self._asked:
            self._asked = _ask(self._admin, self._settings.output_topics)
            self._limits.has_refused = False
            self._refresh.restart()

    def wait(self) -> None:
        """Blocks briefly for a pending response, so that the next client uses the new limits."""
        wait(self._asked.values(), RESPONSE_WAIT)
        self.turned()

    def turned(self) -> None:
        """Takes a response that has arrived; asks again while records exceed a limit."""
        self._admin.poll(0)  # log lines and errors pile up in a client that is not polled
        if self._asked and all(future.done() for future in self._asked.values()):
            self._take()
        if self._limits.has_refused and self._refresh.is_due:
            self.ask()

    def _take(self) -> None:
        asked, self._asked = self._asked, {}
        configs = {}
        for topic, future in asked.items():
            try:
                configs[topic] = _config_of(future)
            except (KafkaException, LookupError, ValueError):  # also: an entry is missing
                continue  # the previous limit stays
        for topic, limit in record_limits(self._settings, configs).items():
            if limit != self._limits.of(topic):
                self._log.info("record limit of a topic changed", topic=topic, max_bytes=limit)
                self._limits.update({topic: limit})


def broker_setting(admin: AdminClient, name: str) -> str | None:
    """Returns a setting of the broker, or None without the permission. Raises KafkaException."""
    broker = next(iter(admin.list_topics(timeout=REQUEST_TIMEOUT).brokers))
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    [future] = admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT).values()
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
    answers = admin.describe_configs(resources, request_timeout=REQUEST_TIMEOUT)
    return {resource.name: future for resource, future in answers.items()}


def _config_of(future: "Future[Any]") -> TopicConfig:
    """Raises KafkaException."""
    return TopicConfig.read({name: entry.value for name, entry in future.result().items()})
