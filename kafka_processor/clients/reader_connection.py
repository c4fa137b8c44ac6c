"""A consumer that joins no group and commits nothing, for commands that only read."""

import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from kafka_processor.clients.client_config import connection_config, reader_config
from kafka_processor.clients.kafka_errors import (
    CHECK_LOGIN,
    describe,
    error_of,
    is_no_permission,
    is_refused_login,
)
from kafka_processor.config import Settings
from kafka_processor.errors import CannotReadError
from kafka_processor.timing import Deadline

CONNECT_TIMEOUT: Final = 5.0
"""Seconds in which a broker must answer first; a broker that goes away later is waited for."""
ANSWER_TIMEOUT: Final = 10.0
"""Seconds in which a broker that has answered before must answer again."""
REQUEST_TIMEOUT: Final = 1.0
"""Seconds of one request: signals are noticed in between."""
SILENT: Final = logging.getLogger("kafka-client")
"""For clients whose errors are reported in our own words."""
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False

Answer = TypeVar("Answer")


class ReaderConnection:
    """The client, without a log of its own, and what it reports about the brokers."""

    def __init__(
        self, settings: Settings, check_stop: Callable[[], None] = lambda: None, **config: Any
    ) -> None:
        """`check_stop` is called between requests, and may raise. `config`: librdkafka properties,
        with `_` instead of dots. Raises KafkaException for properties that the client refuses."""
        self.brokers = settings.kafka_bootstrap_servers
        self._connecting: Deadline | None = Deadline(CONNECT_TIMEOUT)
        self._check_stop = check_stop
        self._refused_login: str | None = None
        self._last_error = "nothing came back"
        self._settings = settings
        own: dict[str, Any] = {name.replace("_", "."): value for name, value in config.items()}
        self.client = Consumer(
            reader_config(settings) | own | {"logger": SILENT, "error_cb": self._on_error}
        )

    def admin(self) -> AdminClient:
        """Returns a client for requests that a consumer cannot make."""
        return AdminClient(connection_config(self._settings) | {"logger": SILENT})

    @property
    def is_established(self) -> bool:
        """Whether a broker has answered."""
        return self._connecting is None

    def establish(self) -> None:
        """To be called when a broker has answered."""
        self._connecting = None

    def check(self) -> None:
        """Raises CannotReadError if no broker has answered in time, or one refuses the login."""
        if self._connecting is None:
            return
        self.client.poll(0)  # calls _on_error
        if self._refused_login:
            raise CannotReadError(
                f"{self.brokers} refuses the login: {self._refused_login}; {CHECK_LOGIN}"
            )
        if self._connecting.has_passed:
            raise CannotReadError(
                f"no broker answers at {self.brokers} ({self._last_error}); is Kafka running "
                "there? Check KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL"
            )

    def check_permission(self, error: KafkaError, what: str) -> None:
        """Raises CannotReadError if the error is a missing permission."""
        if is_no_permission(error):
            raise CannotReadError(
                f"no permission to read {what} at {self.brokers}: {describe(error)}; add an ACL "
                "with DESCRIBE and READ for a topic, DESCRIBE for a group"
            )

    def ask(self, what: str, request: Callable[[], Answer]) -> Answer:
        """Repeats a request until it is answered. `what` is requested: a topic, or a description.

        Raises CannotReadError.
        """
        deadline = Deadline(ANSWER_TIMEOUT)
        while True:
            self._check_stop()
            try:
                answer = request()
            except KafkaException as exception:
                error = error_of(exception)
                self.check()
                self.check_permission(error, what)
                if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise CannotReadError(
                        f"topic {what} does not exist at {self.brokers}"
                    ) from None
                if self.is_established and deadline.has_passed:
                    raise CannotReadError(
                        f"{self.brokers} does not answer the request for {what}: {describe(error)}"
                    ) from None
                self.client.poll(0.1)
            else:
                self.establish()
                return answer

    def close(self) -> None:
        self.client.close()

    def _on_error(self, error: KafkaError) -> None:
        if is_refused_login(error):
            self._refused_login = describe(error)
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last_error = describe(error)


def is_of_unused_group(error: KafkaError) -> bool:
    """librdkafka looks up the coordinator of the group that it must be given, though unused."""
    return error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
