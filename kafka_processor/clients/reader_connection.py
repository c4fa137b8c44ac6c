"""A consumer that belongs to no group, and what it hears of the brokers."""

import logging
import time
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from kafka_processor.clients.client_config import connection_config, reader_config
from kafka_processor.clients.kafka_errors import (
    describe,
    error_of,
    is_no_permission,
    is_refused_login,
)
from kafka_processor.config import Settings
from kafka_processor.errors import CannotReadError, SettingsError

CONNECT_TIMEOUT: Final = 5.0
"""Seconds in which a broker must answer at first; one that goes away later is waited for."""
REQUEST_TIMEOUT: Final = 1.0
SILENT: Final = logging.getLogger("kafka-client")
"""For clients whose errors are reported in our own words."""
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


class Connection:
    """The client, silent; nothing is committed."""

    def __init__(self, settings: Settings, **config: Any) -> None:
        """`config` of librdkafka, with _ for the dots. Raises SettingsError for a property that
        the client does not take."""
        self.brokers = settings.kafka_bootstrap_servers
        self._deadline: float | None = time.monotonic() + CONNECT_TIMEOUT
        self._refused_login: str | None = None
        self._last_error = "nothing came back"
        self._settings = settings
        self._silent: dict[str, Any] = {"logger": SILENT}
        own = {name.replace("_", "."): value for name, value in config.items()}
        try:
            self.client = Consumer(
                reader_config(settings) | own | self._silent | {"error_cb": self._on_error}
            )
        except KafkaException as exception:
            reason = error_of(exception).str()
            raise SettingsError(
                [f"the client does not take the KAFKA_* settings: {reason}"]
            ) from None

    def admin(self) -> AdminClient:
        """A client that asks for what a consumer cannot; it reports nothing here."""
        return AdminClient(connection_config(self._settings) | self._silent)

    @property
    def is_established(self) -> bool:
        """Whether a broker has answered once."""
        return self._deadline is None

    def establish(self) -> None:
        """A broker has answered."""
        self._deadline = None

    def check(self) -> None:
        """Raises CannotReadError if no broker has answered in time, or one refuses us."""
        if self._deadline is None:
            return
        self.client.poll(0)  # calls _on_error
        if self._refused_login:
            raise CannotReadError(
                f"{self.brokers} refuses us: {self._refused_login}; "
                "look at KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_* and KAFKA_SSL_*"
            )
        if time.monotonic() > self._deadline:
            raise CannotReadError(
                f"no broker answers at {self.brokers} ({self._last_error}); is Kafka running "
                "there? Look at KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL"
            )

    def check_permission(self, error: KafkaError, topic: str) -> None:
        """Raises CannotReadError if the error says that we may not read the topic."""
        if is_no_permission(error):
            raise CannotReadError(
                f"{self.brokers} does not let us read {topic}: {describe(error)}; "
                "the user needs the permissions Describe and Read for the topic"
            )

    def close(self) -> None:
        self.client.close()

    def _on_error(self, error: KafkaError) -> None:
        if is_refused_login(error):
            self._refused_login = describe(error)
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last_error = describe(error)


def is_of_unused_group(error: KafkaError) -> bool:
    """The client asks for the group that it must name; it is not used, nor is its permission."""
    return error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
