"""`--check`: would a start succeed? Looks, changes nothing, disturbs no running instance.

It joins no group and uses no transactional id, so the right to use that id is not checked.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclOperation,
    AdminClient,
    ConfigResource,
    ResourceType,
    TopicMetadata,
)

from kafka_processor.client_config import connection_config, reader_config
from kafka_processor.committed import committed_offsets
from kafka_processor.config import Settings
from kafka_processor.kafka_errors import describe, error_of, is_refused_login
from kafka_processor.summary_printer import SummaryPrinter
from kafka_processor.topics import create_topics, demand_outputs, demand_permissions

TIMEOUT: Final = 10.0
BOUNDED_COMPRESSION: Final = ("uncompressed", "snappy")
"""Values of `compression.type` with which a batch inflates to at most 21 times its size."""


class CheckFailed(Exception):
    """A start would fail with exit code 1; the message says why and what to do."""


def check(settings: Settings, key_id: str, client_log: Any) -> Iterator[str]:
    """Yields a line for each thing found in order.

    Raises CheckFailed for the first that is not, KeyChangedError if it is the key.
    """
    refused: list[KafkaError] = []

    def on_error(error: KafkaError) -> None:
        if is_refused_login(error):
            refused.append(error)

    admin = AdminClient(connection_config(settings) | {"error_cb": on_error, "logger": client_log})
    try:
        existing = admin.list_topics(timeout=TIMEOUT).topics
    except KafkaException as exception:
        admin.poll(0)
        reason = describe(refused[0] if refused else error_of(exception))
        what = "refuses us" if refused else "does not answer"
        raise CheckFailed(
            f"KAFKA_BOOTSTRAP_SERVERS: {settings.kafka_bootstrap_servers} {what}: {reason}"
        ) from None
    yield f"connection: {settings.kafka_bootstrap_servers} answers"

    try:
        yield from _check_topics(settings, admin, existing)
        yield from _check_group(settings, admin)
        if settings.input_topic in existing:
            partitions = len(existing[settings.input_topic].partitions)
            yield from _check_counts(settings, key_id, partitions, client_log)
    except KafkaException as exception:
        raise CheckFailed(describe(error_of(exception))) from None


def _check_topics(
    settings: Settings, admin: AdminClient, existing: Mapping[str, TopicMetadata]
) -> Iterator[str]:
    if settings.input_topic not in existing and settings.create_topics != "all":
        raise CheckFailed(
            f"INPUT_TOPIC: {settings.input_topic} is not there; create it, or set CREATE_TOPICS=all"
        )
    if settings.create_topics == "none":
        demand_outputs([topic for topic in settings.output_topics if topic not in existing])
    topics = (settings.input_topic, *settings.output_topics)
    input_there = existing.get(settings.input_topic)
    partitions = len(input_there.partitions) if input_there else settings.input_partitions
    missing = [topic for topic in topics if topic not in existing]
    to_create = list(create_topics(admin, settings, missing, partitions, is_trial=True))
    for topic in to_create:
        yield f"topic {topic}: to be created at the start"
    # Of these some may be there and only hidden from us.
    others = [topic for topic in topics if topic not in to_create]
    for topic, operation in demand_permissions(admin, settings, others):
        yield f"topic {topic}: there, {operation} allowed"
    if settings.input_topic in existing:
        yield from _warn_of_inflation(admin, settings.input_topic)


def _warn_of_inflation(admin: AdminClient, topic: str) -> Iterator[str]:
    """Nothing where we may not ask."""
    [future] = admin.describe_configs(
        [ConfigResource(ResourceType.TOPIC, topic)], request_timeout=TIMEOUT
    ).values()
    try:
        compression = future.result()["compression.type"].value
    except KafkaException:
        return
    if compression not in BOUNDED_COMPRESSION:
        yield (
            f"warning: topic {topic}: with compression.type={compression} a few kilobytes can "
            "inflate to gigabytes of this program's memory; set it to uncompressed or snappy "
            "(docs/hardening.md)"
        )


def _check_group(settings: Settings, admin: AdminClient) -> Iterator[str]:
    [future] = admin.describe_consumer_groups(
        [settings.consumer_group], include_authorized_operations=True, request_timeout=TIMEOUT
    ).values()
    try:
        allowed = future.result().authorized_operations
    except KafkaException as exception:
        if error_of(exception).code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise
        yield f"group {settings.consumer_group}: not there yet"
        return
    if AclOperation.READ not in (allowed or []):
        raise CheckFailed(f"no permission: READ on group {settings.consumer_group}; ask for an ACL")
    yield f"group {settings.consumer_group}: read allowed"


def _check_counts(
    settings: Settings, key_id: str, partitions: int, client_log: Any
) -> Iterator[str]:
    """Whether the counts that are stored were made under our key."""
    config = reader_config(settings) | {
        "group.id": settings.consumer_group,
        "logger": client_log,
    }
    consumer = Consumer(config)
    summary = SummaryPrinter(settings, key_id)
    try:
        for found in committed_offsets(consumer, settings.input_topic, range(partitions), TIMEOUT):
            if found.error:
                raise KafkaException(found.error)
            if found.offset >= 0:
                summary.restore(found.partition, found.offset, found.metadata, found.offset, 0.0)
    finally:
        consumer.close()
    yield f"key: {key_id} fits the counts of {partitions} partitions"
