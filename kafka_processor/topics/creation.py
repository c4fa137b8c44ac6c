"""The topics at start: waits for the input, creates what may be created."""

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
from kafka_processor.topics.configs import describe_topics, record_limits
from kafka_processor.topics.rules import TopicConfig, config_of_new, problems, warnings

TIMEOUT: Final = 10.0
LOOK_TIMEOUT: Final = 2.0
LOOK_AGAIN: Final = 2.0


def prepare_topics(
    settings: Settings,
    consumer: InputConsumer,
    log: FilteringBoundLogger,
    admin: AdminClient,
    wait: Callable[[float], bool],
) -> dict[str, int]:
    """Returns when all topics are there, or when `wait` says that the process is to stop.

    Returns the largest record of each output topic, in bytes, as far as we may look at it.

    Raises TopicsNotReadyError, and KafkaException where the broker refuses to create.
    """
    if settings.create_topics == "all" and _create(
        admin, settings, [settings.input_topic], settings.input_partitions, log
    ):
        consumer.expect_new_topic()
    if settings.create_topics == "none":
        demand_outputs(missing_topics(admin, settings.output_topics))
    partitions = _wait_for_input(settings, consumer, log, wait)
    if not partitions:
        return {}
    if settings.create_topics != "none":
        _create(admin, settings, settings.output_topics, partitions, log)
    else:
        demand_outputs(missing_topics(admin, settings.output_topics))  # the wait may have been long
    for _ in demand_permissions(admin, settings, [settings.input_topic, *settings.output_topics]):
        pass
    configs = describe_topics(admin, settings.output_topics)
    for warning in demand_configs(settings, configs):
        log.warning(warning)
    return record_limits(settings, configs)


def demand_configs(settings: Settings, configs: Mapping[str, TopicConfig]) -> list[str]:
    """What to warn of. Raises TopicsNotReadyError that names all output topics that cannot work."""
    if found := list(problems(settings, configs)):
        raise TopicsNotReadyError("; ".join(found))
    return list(warnings(settings, configs))


def demand_outputs(missing: Collection[str]) -> None:
    """Raises TopicsNotReadyError if there are any, since they may not be created."""
    if missing:
        raise TopicsNotReadyError(
            f"missing output topics: {', '.join(missing)}; create them, or set CREATE_TOPICS"
        )


def _wait_for_input(
    settings: Settings,
    consumer: InputConsumer,
    log: FilteringBoundLogger,
    wait: Callable[[float], bool],
) -> int:
    """How many partitions the input topic has, once it is there; 0 if the process is to stop."""
    is_waited_for = False
    while True:
        try:
            partitions = consumer.input_partitions(LOOK_TIMEOUT)
        except KafkaException as exception:
            if is_no_permission(error_of(exception)):
                raise
            consumer.serve()  # says more, as which address cannot be reached
            consumer.trouble.complain("cannot look up the input topic yet", error_of(exception))
        else:
            if partitions:
                if is_waited_for:
                    consumer.expect_new_topic()
                return partitions
            if not is_waited_for:
                log.warning("waiting for the input topic to be created", topic=settings.input_topic)
                is_waited_for = True
        if wait(LOOK_AGAIN):
            return 0


def demand_permissions(
    admin: AdminClient, settings: Settings, topics: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Each of the topics, all of them existing, and what we may do with it.

    Raises TopicsNotReadyError for one that we may not read or write, KafkaException.
    """
    for topic in topics:
        is_input = topic == settings.input_topic
        operation = AclOperation.READ if is_input else AclOperation.WRITE
        if operation not in allowed_operations(admin, topic):
            raise TopicsNotReadyError(f"no permission: {operation.name} on topic {topic}")
        yield topic, operation.name.lower()


def allowed_operations(admin: AdminClient, topic: str) -> Collection[AclOperation]:
    """What we may do with a topic; waits for a broker that has not heard of it yet.

    Raises TopicsNotReadyError if the brokers do not say so in time: that is no missing permission.
    """
    deadline = time.monotonic() + TIMEOUT
    while True:
        [future] = admin.describe_topics(
            TopicCollection([topic]), include_authorized_operations=True, request_timeout=TIMEOUT
        ).values()
        reason = "the broker does not tell rights"
        try:
            allowed = future.result().authorized_operations
            if allowed is not None:
                return list(allowed)
        except KafkaException as exception:
            error = error_of(exception)
            if is_no_permission(error):
                return []
            reason = describe(error)
        if time.monotonic() > deadline:
            raise TopicsNotReadyError(
                f"topic {topic}: what we may do with it is not known after {TIMEOUT:.0f} s: "
                f"{reason}; try again, or look at the brokers"
            )
        time.sleep(0.05)


def missing_topics(admin: AdminClient, topics: Iterable[str]) -> list[str]:
    """Asks for all topics, since asking for one by name may create it."""
    existing = admin.list_topics(timeout=TIMEOUT).topics
    return [topic for topic in topics if topic not in existing]


def _create(
    admin: AdminClient,
    settings: Settings,
    topics: Iterable[str],
    partitions: int,
    log: FilteringBoundLogger,
) -> Collection[str]:
    """Returns those of the topics that were missing."""
    missing = missing_topics(admin, topics)
    for topic in create_topics(admin, settings, missing, partitions):
        log.info("topic created", topic=topic, partitions=partitions)
    deadline = time.monotonic() + TIMEOUT
    while missing_topics(admin, missing) and time.monotonic() < deadline:
        time.sleep(0.05)
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
    """Each of the topics that was created, or in a trial could be.

    Raises TopicsNotReadyError for one that cannot be.
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
                    f"topic {topic} cannot be created: {describe(error)}"
                ) from None
    yield from create_topics(
        admin,
        settings,
        unknown_config,
        partitions,
        is_trial=is_trial,
        knows_timestamp_limits=False,
    )
