"""Connects to a broker, with retries."""

from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.kafka_errors import CHECK_LOGIN, describe, error_of, is_no_permission
from kafka_processor.config import Settings
from kafka_processor.consumer import InputConsumer
from kafka_processor.errors import CannotConnectError
from kafka_processor.timing import Deadline

CONNECT_TIMEOUT: Final = 4.0
CONNECT_STEP: Final = 1.0
"""Seconds of one request: signals are noticed in between."""
MAX_BACKOFF: Final = 10.0
"""Seconds."""


def connect_with_retry(
    consumer: InputConsumer,
    settings: Settings,
    log: FilteringBoundLogger,
    wait: Callable[[float], bool],
) -> None:
    """Returns once the consumer has reached a broker.

    Makes STARTUP_RETRIES attempts with exponential backoff. `wait` blocks for some seconds, and
    returns True if the process is to stop. Raises CannotConnectError, without further attempts if
    the broker refuses the login.
    """
    for attempt in range(1, settings.startup_retries + 1):
        error = _try_to_connect(consumer, wait)
        if error is None:
            return
        if is_no_permission(error):
            raise CannotConnectError(
                f"no permission: DESCRIBE on topic {settings.input_topic}: {describe(error)}; "
                "add an ACL"
            )
        if consumer.trouble.refused_login:
            raise CannotConnectError(
                f"{settings.kafka_bootstrap_servers} refuses the login: "
                f"{consumer.trouble.refused_login}; {CHECK_LOGIN}"
            )
        pause = min(2.0 ** (attempt - 1), MAX_BACKOFF)
        last = attempt == settings.startup_retries
        log.warning(
            _problem(consumer),
            brokers=settings.kafka_bootstrap_servers,
            attempt=f"{attempt} of {settings.startup_retries}",
            next_attempt="none" if last else f"in {pause:.0f} s",
            error=describe(error),
        )
        if last or wait(pause):
            break
    hint = (
        "correct advertised.listeners of the broker, or make the address reachable"
        if consumer.trouble.unreachable
        else "is Kafka running there?"
    )
    raise CannotConnectError(
        f"KAFKA_BOOTSTRAP_SERVERS: {_problem(consumer)} at {settings.kafka_bootstrap_servers} "
        f"({_attempts(attempt)}); {hint}"
    )


def _attempts(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count} attempts"


def _problem(consumer: InputConsumer) -> str:
    if advertised := consumer.trouble.unreachable:
        return f"no broker answers at its advertised address {advertised}"
    return "no broker answers"


def _try_to_connect(consumer: InputConsumer, wait: Callable[[float], bool]) -> KafkaError | None:
    """Returns None once a broker has answered, otherwise the error."""
    deadline = Deadline(CONNECT_TIMEOUT)
    consumer.trouble.lost_brokers_at = None
    while True:
        try:
            consumer.input_partitions(CONNECT_STEP)
        except KafkaException as exception:
            error = error_of(exception)
        else:
            return None
        consumer.serve()
        trouble = consumer.trouble
        has_no_broker = trouble.lost_brokers_at is not None
        is_final = trouble.refused_login or has_no_broker or is_no_permission(error)
        if is_final or deadline.has_passed or wait(0):
            return error
