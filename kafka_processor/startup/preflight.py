"""`--check`: whether a start would succeed. Changes nothing and disturbs no running process.

It creates the same clients as a start, but joins no group. The producer starts under a
transactional id that no daemon and no replay uses (`trial_id`).
"""

import time
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
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.client_config import connection_config, reader_config
from kafka_processor.clients.kafka_errors import (
    CHECK_LOGIN,
    describe,
    error_of,
    is_no_permission,
    is_refused_login,
    never_starts,
)
from kafka_processor.config import Settings
from kafka_processor.consumer import InputConsumer
from kafka_processor.delivery.exactly_once import transactional_id
from kafka_processor.delivery.producers import create_producer
from kafka_processor.errors import CheckFailedError, ProducerRefusedError
from kafka_processor.membership.committed import committed_offsets
from kafka_processor.producer import OutputProducer
from kafka_processor.record_limits import RecordLimits
from kafka_processor.summary_printer import SummaryPrinter
from kafka_processor.timing import Deadline
from kafka_processor.topics.configs import describe_topics
from kafka_processor.topics.creation import (
    check_configs,
    check_permissions,
    create_topics,
    require_outputs,
)

TIMEOUT: Final = 10.0
BOUNDED_COMPRESSION: Final = ("uncompressed", "snappy")
"""Values of `compression.type` with which a batch expands to at most 21 times its size."""
STEP: Final = 1.0
PRODUCER_TIMEOUT: Final = 20.0
"""Seconds; for the first transaction of a cluster the broker has to create a topic."""
RETRY_PAUSE: Final = 0.2
CLOSE_TIMEOUT: Final = 1.0


def trial_id(settings: Settings) -> str:
    """Returns a transactional id for the check alone.

    Without INSTANCE_ID it is random, as at each start. With it, the id itself may be in use; an ACL
    for the prefix `<group>/` covers this one too. It is unique: no daemon's id has a `:` after its
    last `/`, and no replay's id has a `/`.
    """
    id_ = transactional_id(settings)
    return f"{id_}:check" if settings.instance_id else id_


def check(
    settings: Settings, key_id: str, log: FilteringBoundLogger, client_log: Any
) -> Iterator[str]:
    """Yields a line for each passed check.

    Raises CheckFailedError, TopicsNotReadyError or KeyChangedError for the first that fails, and
    KafkaException for client properties that a start would refuse.
    """
    consumer = InputConsumer(settings, log, client_log)
    is_exactly_once = settings.delivery == "exactly-once"
    options = {"transactional.id": trial_id(settings)} if is_exactly_once else {}
    producer = create_producer(settings, consumer, RecordLimits(), client_log, options)
    try:
        yield "client properties: allowed"
        yield from _check_brokers(settings, key_id, client_log)
        if is_exactly_once:
            yield from _check_producer(settings, producer)
    finally:
        producer.close()
        consumer.close(CLOSE_TIMEOUT)


def _check_brokers(settings: Settings, key_id: str, client_log: Any) -> Iterator[str]:
    final: list[KafkaError] = []
    """Errors after which no answer can be expected."""

    def on_error(error: KafkaError) -> None:
        if is_refused_login(error) or error.code() == KafkaError._ALL_BROKERS_DOWN:
            final.append(error)

    admin = AdminClient(connection_config(settings) | {"error_cb": on_error, "logger": client_log})
    try:
        existing = _existing_topics(admin, final)
    except KafkaException as exception:
        refused = [error for error in final if is_refused_login(error)]
        reason = describe(refused[0] if refused else error_of(exception))
        what = "refuses the login" if refused else "does not answer"
        hint = CHECK_LOGIN if refused else "is Kafka running there?"
        raise CheckFailedError(
            f"KAFKA_BOOTSTRAP_SERVERS: {settings.kafka_bootstrap_servers} {what}: {reason}; {hint}"
        ) from None
    yield f"connection: {settings.kafka_bootstrap_servers} answers"

    try:
        yield from _check_topics(settings, admin, existing)
        yield from _check_group(settings, admin)
        if settings.input_topic in existing:
            partitions = len(existing[settings.input_topic].partitions)
            yield from _check_counts(settings, key_id, partitions, client_log)
    except KafkaException as exception:
        raise CheckFailedError(describe(error_of(exception))) from None


def _existing_topics(admin: AdminClient, final: list[KafkaError]) -> Mapping[str, TopicMetadata]:
    """Asks in short requests, since each one delays signals. Raises KafkaException."""
    deadline = Deadline(TIMEOUT)
    while True:
        try:
            return admin.list_topics(timeout=STEP).topics
        except KafkaException as exception:
            is_late = error_of(exception).code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT)
            admin.poll(0)
            if final or not is_late or deadline.has_passed:
                raise


def _check_topics(
    settings: Settings, admin: AdminClient, existing: Mapping[str, TopicMetadata]
) -> Iterator[str]:
    if settings.input_topic not in existing and settings.create_topics != "all":
        raise CheckFailedError(
            f"INPUT_TOPIC: {settings.input_topic} does not exist; create it, or set "
            "CREATE_TOPICS=all"
        )
    if settings.create_topics == "none":
        require_outputs([topic for topic in settings.output_topics if topic not in existing])
    topics = (settings.input_topic, *settings.output_topics)
    found = existing.get(settings.input_topic)
    partitions = len(found.partitions) if found else settings.input_partitions
    missing = [topic for topic in topics if topic not in existing]
    to_create = list(create_topics(admin, settings, missing, partitions, is_trial=True))
    for topic in to_create:
        yield f"topic {topic}: will be created at the start"
    # Missing ones among them may exist, but be hidden from us.
    others = [topic for topic in topics if topic not in to_create]
    for topic, operation in check_permissions(admin, settings, others):
        yield f"topic {topic}: exists, {operation} allowed"
    outputs = [topic for topic in settings.output_topics if topic in others]
    configs = describe_topics(admin, outputs)
    for warning in check_configs(settings, configs):
        yield f"warning: {warning}"
    if unknown := [topic for topic in outputs if topic not in configs]:
        yield f"no permission: DESCRIBE_CONFIGS on {', '.join(unknown)}; limits are not checked"
    if settings.input_topic in existing:
        yield from _check_compression(admin, settings.input_topic)


def _check_compression(admin: AdminClient, topic: str) -> Iterator[str]:
    """Yields nothing without the permission to ask."""
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
            "expand to gigabytes of memory in this process; set it to uncompressed or snappy "
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
        yield f"group {settings.consumer_group}: does not exist yet"
        return
    if AclOperation.READ not in (allowed or []):
        raise CheckFailedError(
            f"no permission: READ on group {settings.consumer_group}; add an ACL"
        )
    yield f"group {settings.consumer_group}: read allowed"


def _check_producer(settings: Settings, producer: OutputProducer) -> Iterator[str]:
    """Whether a transactional producer can start."""
    deadline = Deadline(PRODUCER_TIMEOUT)
    while True:
        try:
            producer.start()
            yield f"producer: starts with transactional ids like {trial_id(settings)}"
            return
        except ProducerRefusedError as refusal:
            if not (settings.instance_id and is_no_permission(refusal.error)):
                raise CheckFailedError(str(refusal)) from None
            yield (
                f"producer: not checked, since that requires WRITE on transactional id "
                f"{trial_id(settings)}; the start requires it on {transactional_id(settings)}"
            )
            return
        except KafkaException as exception:
            error = error_of(exception)
            if deadline.has_passed or is_no_permission(error) or never_starts(error):
                raise CheckFailedError(f"the producer cannot start: {describe(error)}") from None
        time.sleep(RETRY_PAUSE)


def _check_counts(
    settings: Settings, key_id: str, partitions: int, client_log: Any
) -> Iterator[str]:
    """Whether the stored counts were made under our key."""
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
    yield f"key: {key_id} matches the counts of {partitions} partitions"
