"""The topics at start: creates missing ones, waits for the input, checks the rest."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclOperation,
    AdminClient,
)
from confluent_kafka.cimpl import NewTopic
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.kafka_errors import describe, error_of, is_no_permission
from kafka_processor.config import Settings
from kafka_processor.consumer import InputConsumer
from kafka_processor.errors import TopicsNotReadyError
from kafka_processor.timing import Deadline
from kafka_processor.topics.configs import describe_topics, record_limits
from kafka_processor.topics.rules import TopicConfig, config_of_new, problems, warnings

TIMEOUT: Final = 10.0
REQUEST_TIMEOUT: Final = 2.0
INPUT_INTERVAL: Final = 2.0
"""Seconds between two checks whether the input exists."""
RETRY_PAUSE: Final = 0.05


def prepare_topics(
    settings: Settings,
    consumer: InputConsumer,
    log: FilteringBoundLogger,
    admin: AdminClient,
    wait: Callable[[float], bool],
) -> dict[str, int]:
    """Returns once all topics exist, or once `wait` returns True because the process is to stop.

    Returns the record limits of the output topics that we may describe, in bytes. Raises
    TopicsNotReadyError, and KafkaException.
    """
    if settings.create_topics == "all" and _create(
        admin, settings, [settings.input_topic], settings.input_partitions, log
    ):
        consumer.expect_new_topic()
    if settings.create_topics == "none":
        require_outputs(missing_topics(admin, settings.output_topics))
    partitions = _wait_for_input(settings, consumer, log, wait)
    if not partitions:
        return {}
    if settings.create_topics != "none":
        _create(admin, settings, settings.output_topics, partitions, log)
    else:
        require_outputs(missing_topics(admin, settings.output_topics))  # some may be gone by now
    for _ in check_permissions(admin, settings, [settings.input_topic, *settings.output_topics]):
        pass
    configs = describe_topics(admin, settings.output_topics)
    for warning in check_configs(settings, configs):
        log.warning(warning)
    return record_limits(settings, configs)


def check_configs(settings: Settings, configs: Mapping[str, TopicConfig]) -> list[str]:
    """Returns warnings. Raises TopicsNotReadyError that names all misconfigured output topics."""
    if found := list(problems(settings, configs)):
        raise TopicsNotReadyError("; ".join(found))
    return list(warnings(settings, configs))


def require_outputs(missing: Collection[str]) -> None:
    """Raises TopicsNotReadyError if any topic is missing."""
    if missing:
        raise TopicsNotReadyError(
            f"missing output topics: {', '.join(missing)}; create them, or set "
            "CREATE_TOPICS=outputs"
        )


def _wait_for_input(
    settings: Settings,
    consumer: InputConsumer,
    log: FilteringBoundLogger,
    wait: Callable[[float], bool],
) -> int:
    """Returns the number of partitions once the input exists; 0 if the process is to stop."""
    is_waiting = False
    while True:
        try:
            partitions = consumer.input_partitions(REQUEST_TIMEOUT)
        except KafkaException as exception:
            if is_no_permission(error_of(exception)):
                raise
            consumer.serve()  # may report the cause, such as an unreachable address
            consumer.trouble.complain("cannot look up the input topic yet", error_of(exception))
        else:
            if partitions:
                if is_waiting:
                    consumer.expect_new_topic()
                return partitions
            if not is_waiting:
                log.warning("waiting for the input topic to be created", topic=settings.input_topic)
                is_waiting = True
        if wait(INPUT_INTERVAL):
            return 0


def check_permissions(
    admin: AdminClient, settings: Settings, topics: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yields each topic, all of which exist, and the operation that we are allowed.

    Raises TopicsNotReadyError for a topic that we may not read or write, and KafkaException.
    """
    for topic in topics:
        is_input = topic == settings.input_topic
        operation = AclOperation.READ if is_input else AclOperation.WRITE
        if operation not in allowed_operations(admin, topic):
            raise TopicsNotReadyError(
                f"no permission: {operation.name} on topic {topic}; add an ACL"
            )
        yield topic, operation.name.lower()


def allowed_operations(admin: AdminClient, topic: str) -> Collection[AclOperation]:
    """Returns the operations that we are allowed; retries while the broker does not know the topic.

    Raises TopicsNotReadyError if the brokers do not answer in time: not a missing permission.
    """
    deadline = Deadline(TIMEOUT)
    while True:
        [future] = admin.describe_topics(
            TopicCollection([topic]), include_authorized_operations=True, request_timeout=TIMEOUT
        ).values()
        reason = "the broker does not report permissions"
        try:
            allowed = future.result().authorized_operations
            if allowed is not None:
                return list(allowed)
        except KafkaException as exception:
            error = error_of(exception)
            if is_no_permission(error):
                return []
            reason = describe(error)
        if deadline.has_passed:
            raise TopicsNotReadyError(
                f"topic {topic}: allowed operations are not known after {TIMEOUT:.0f} s: {reason}; "
                "try again, or check the brokers"
            )
        time.sleep(RETRY_PAUSE)


def missing_topics(admin: AdminClient, topics: Iterable[str]) -> list[str]:
    """Requests all topics: requesting one by name may create it."""
    existing = admin.list_topics(timeout=TIMEOUT).topics
    return [topic for topic in topics if topic not in existing]


def _create(
    admin: AdminClient,
    settings: Settings,
    topics: Iterable[str],
    partitions: int,
    log: FilteringBoundLogger,
) -> Collection[str]:
    """Returns the topics that were missing."""
    missing = missing_topics(admin, topics)
    for topic in create_topics(admin, settings, missing, partitions):
        log.info("topic created", topic=topic, partitions=partitions)
    deadline = Deadline(TIMEOUT)
    while missing_topics(admin, missing) and not deadline.has_passed:
        time.sleep(RETRY_PAUSE)
    return missing


def create_topics(
    admin: AdminClient,
    settings: Settings,
    topics: Collection[str],
    partitions: int,
    *,
    is_trial: bool = False,
    knows_timestamp_limits: bool = True,
) -> Iterator[str]:
    """Yields each topic that was created or, in a trial, could be created.

    `is_trial` creates nothing. Raises TopicsNotReadyError for a topic that cannot be created.
    """
    new = [
        NewTopic(
            topic,
            num_partitions=partitions,
            replication_factor=settings.topic_replication or -1,
            config=config_of_new(settings, topic, knows_timestamp_limits=knows_timestamp_limits),
        )
        for topic in topics
    ]
    if not new:
        return
    unknown_config = []
    created = admin.create_topics(new, operation_timeout=TIMEOUT, validate_only=is_trial)
    for topic, result in created.items():
        try:
            result.result()
            yield topic
        except KafkaException as exception:
            error = error_of(exception)
            if error.code() == KafkaError.INVALID_CONFIG and knows_timestamp_limits:
                unknown_config.append(topic)
            elif error.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TopicsNotReadyError(
                    f"topic {topic} cannot be created: {describe(error)}; create it, or set "
                    "CREATE_TOPICS"
                ) from None
    yield from create_topics(
        admin,
        settings,
        unknown_config,
        partitions,
        is_trial=is_trial,
        knows_timestamp_limits=False,
    )
