"""The way to the first answer of a broker."""

import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.kafka_errors import describe, error_of, is_no_permission
from kafka_processor.config import Settings
from kafka_processor.consumer import InputConsumer
from kafka_processor.errors import CannotConnectError

CONNECT_TIMEOUT: Final = 4.0
CONNECT_STEP: Final = 1.0
"""Seconds of one wait for an answer within a try: how fast a signal is noticed."""
MAX_PAUSE: Final = 10.0


def connect_with_retry(
    consumer: InputConsumer,
    settings: Settings,
    log: FilteringBoundLogger,
    wait: Callable[[float], bool],
) -> None:
    """Returns once the consumer has reached a broker.

    Tries STARTUP_RETRIES times with growing pauses; `wait` pauses, and returns True to give up
    because the process is to stop. Raises CannotConnectError, at once where the broker refuses the
    login.
    """
    for attempt in range(1, settings.startup_retries + 1):
        error = _try_to_connect(consumer, wait)
        if error is None:
            return
        if is_no_permission(error):
            raise CannotConnectError(
                f"no permission to see topic {settings.input_topic}: {describe(error)}"
            )
        if consumer.trouble.refused_login:
            raise CannotConnectError(
                f"{settings.kafka_bootstrap_servers} refuses us: {consumer.trouble.refused_login}; "
                "look at KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_* and KAFKA_SSL_*"
            )
        pause = min(2.0 ** (attempt - 1), MAX_PAUSE)
        last = attempt == settings.startup_retries
        log.warning(
            _what_is_wrong(consumer),
            brokers=settings.kafka_bootstrap_servers,
            attempt=f"{attempt} of {settings.startup_retries}",
            next_try="none" if last else f"in {pause:.0f} s",
            error=describe(error),
        )
        if last or wait(pause):
            break
    hint = (
        "correct the broker's advertised.listeners, or make the address reachable from here"
        if consumer.trouble.unreachable
        else "is Kafka running there?"
    )
    raise CannotConnectError(
        f"KAFKA_BOOTSTRAP_SERVERS: {_what_is_wrong(consumer)} at "
        f"{settings.kafka_bootstrap_servers} ({_tries(attempt)}); {hint}"
    )


def _tries(count: int) -> str:
    return "tried once" if count == 1 else f"tried {count} times"


def _what_is_wrong(consumer: InputConsumer) -> str:
    if advertised := consumer.trouble.unreachable:
        return f"no broker answers at {advertised}, the address that is advertised"
    return "no broker answers"


def _try_to_connect(consumer: InputConsumer, wait: Callable[[float], bool]) -> KafkaError | None:
    """None once a broker has answered, else why not."""
    deadline = time.monotonic() + CONNECT_TIMEOUT
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
        is_certain = trouble.refused_login or has_no_broker or is_no_permission(error)
        if is_certain or time.monotonic() > deadline or wait(0):
            return error
