"""What a client error means, as a table of its codes."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafka_processor.clients import kafka_errors

RECORD, FENCED, ENDED, NEVER, PERMISSION, LOGIN, PURGED = (
    kafka_errors.blames_record,
    kafka_errors.is_producer_fenced,
    kafka_errors.is_end_of_consumer,
    kafka_errors.never_starts,
    kafka_errors.is_no_permission,
    kafka_errors.is_refused_login,
    kafka_errors.is_purged,
)
FAMILIES = (RECORD, FENCED, ENDED, NEVER, PERMISSION, LOGIN, PURGED)
NONE = None
TABLE = [
    # What the broker or the client may answer to a record, whose fault it is, and why.
    ("MSG_SIZE_TOO_LARGE", RECORD, "how large it is depends on the message"),
    ("RECORD_LIST_TOO_LARGE", RECORD, "larger than a segment, as above"),
    ("INVALID_TIMESTAMP", NONE, "this process sets the time: a clock or a topic's limit is wrong"),
    ("INVALID_RECORD", NONE, "the same in a batch; or the topic is compacted, or has a schema"),
    ("_INVALID_DIFFERENT_RECORD", NONE, "the same of another record in the batch"),
    ("INVALID_MSG", NONE, "damaged on its way: the next try may pass"),
    ("UNSUPPORTED_COMPRESSION_TYPE", NONE, "of the client's configuration and the broker's age"),
    ("UNSUPPORTED_FOR_MESSAGE_FORMAT", NONE, "of the topic's format"),
    ("POLICY_VIOLATION", NONE, "of the cluster's rules"),
    ("TOPIC_EXCEPTION", NONE, "of the topic's name"),
    ("UNKNOWN_TOPIC_OR_PART", NONE, "the topic is gone"),
    ("_UNKNOWN_TOPIC", NONE, "the topic is gone"),
    ("_UNKNOWN_PARTITION", NONE, "the topic was made again with fewer partitions"),
    ("NOT_ENOUGH_REPLICAS", NONE, "of the cluster"),
    ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", NONE, "of the cluster"),
    ("LEADER_NOT_AVAILABLE", NONE, "of the cluster"),
    ("NOT_LEADER_FOR_PARTITION", NONE, "of the cluster"),
    ("REQUEST_TIMED_OUT", NONE, "of the cluster"),
    ("KAFKA_STORAGE_ERROR", NONE, "of the cluster"),
    ("THROTTLING_QUOTA_EXCEEDED", NONE, "of the cluster's quotas"),
    ("_MSG_TIMED_OUT", NONE, "of the network or the cluster"),
    ("_TRANSPORT", NONE, "of the network"),
    ("_ALL_BROKERS_DOWN", NONE, "of the network or the cluster"),
    ("_TIMED_OUT", NONE, "of the network or the cluster"),
    ("_STATE", NONE, "the client is in another state than expected: abort, or a new client"),
    ("_INCONSISTENT", NONE, "sequence numbers were lost: a new client"),
    ("OUT_OF_ORDER_SEQUENCE_NUMBER", NONE, "sequence numbers were lost: a new client"),
    ("UNKNOWN_PRODUCER_ID", NONE, "the broker forgot the producer: a new client"),
    ("INVALID_TXN_STATE", NONE, "the broker ended the transaction: abort"),
    ("INVALID_PRODUCER_ID_MAPPING", NONE, "the transactional id has expired: a new client"),
    ("CONCURRENT_TRANSACTIONS", NONE, "the end of the transaction before is under way: again"),
    ("COORDINATOR_NOT_AVAILABLE", NONE, "of the cluster"),
    ("COORDINATOR_LOAD_IN_PROGRESS", NONE, "of the cluster"),
    ("ILLEGAL_GENERATION", NONE, "a rebalance came first: abort, and go back"),
    ("UNKNOWN_MEMBER_ID", NONE, "a rebalance came first: abort, and go back"),
    ("REBALANCE_IN_PROGRESS", NONE, "a rebalance came first: abort, and go back"),
    ("_PURGE_QUEUE", PURGED, "we have thrown it away, from the queue"),
    ("_PURGE_INFLIGHT", PURGED, "we have thrown it away, on its way"),
    # Who has our place.
    ("_FENCED", FENCED, "a newer producer has the transactional id, says the client"),
    ("PRODUCER_FENCED", FENCED, "the same, says the broker"),
    ("INVALID_PRODUCER_EPOCH", FENCED, "the same from old brokers, or a transaction overdue"),
    ("_FATAL", ENDED, "the consumer's only fatal error: another has our INSTANCE_ID"),
    ("FENCED_INSTANCE_ID", ENDED, "the same, says the broker"),
    # What stays as it is until somebody changes a setting.
    ("INVALID_SESSION_TIMEOUT", ENDED, "SESSION_TIMEOUT is outside the broker's bounds"),
    ("INCONSISTENT_GROUP_PROTOCOL", ENDED, "other members assign partitions in another way"),
    ("GROUP_MAX_SIZE_REACHED", ENDED, "the group has all the members that the broker allows"),
    ("INVALID_GROUP_ID", ENDED, "the broker does not take CONSUMER_GROUP"),
    ("UNSUPPORTED_VERSION", NEVER, "the broker is too old for our transactions"),
    ("_UNSUPPORTED_FEATURE", NEVER, "the broker is too old for our transactions"),
    ("_INVALID_ARG", NEVER, "the client refuses its properties"),
    ("TOPIC_AUTHORIZATION_FAILED", PERMISSION, "a right is missing"),
    ("GROUP_AUTHORIZATION_FAILED", PERMISSION, "a right is missing"),
    ("CLUSTER_AUTHORIZATION_FAILED", PERMISSION, "a right is missing"),
    ("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", PERMISSION, "a right is missing"),
    ("_AUTHENTICATION", LOGIN, "wrong name or password, says the client"),
    ("SASL_AUTHENTICATION_FAILED", LOGIN, "wrong name or password, says the broker"),
    ("_SSL", LOGIN, "no trust between certificates, or one side speaks no TLS"),
]


@pytest.mark.parametrize(("name", "family", "why"), TABLE, ids=[row[0] for row in TABLE])
def test_each_error_belongs_to_its_family_alone(
    name: str, family: Callable[[KafkaError], bool] | None, why: str
) -> None:
    error = KafkaError(getattr(KafkaError, name))
    belongs_to = [each for each in FAMILIES if each(error)]
    assert belongs_to == ([family] if family else []), why


@pytest.mark.parametrize("family", FAMILIES)
def test_no_error_is_in_a_family_without_a_reason(family: Callable[[KafkaError], bool]) -> None:
    codes = {
        name: getattr(KafkaError, name)
        for name in dir(KafkaError)
        if name.lstrip("_").isupper() and isinstance(getattr(KafkaError, name), int)
    }
    found = {name for name, code in codes.items() if family(KafkaError(code))}
    assert found == {name for name, of, _ in TABLE if of is family}


@pytest.mark.parametrize(
    "name", ["INVALID_TIMESTAMP", "INVALID_RECORD", "_INVALID_DIFFERENT_RECORD"]
)
def test_who_is_to_blame_for_a_wrong_time_is_said(name: str) -> None:
    described = kafka_errors.describe_refusal(
        "processed-output", KafkaError(getattr(KafkaError, name))
    )
    assert described.startswith(f"processed-output: {name}")
    assert "clock" in described
    assert "message.timestamp.after.max.ms" in described
    assert "\n" not in described


def test_the_text_of_an_error_decides_nothing() -> None:
    error = KafkaError(KafkaError._TRANSPORT, "Broker: Message size too large, fenced")
    assert not kafka_errors.blames_record(error)
    assert not kafka_errors.is_producer_fenced(error)


def test_an_error_is_described_by_name_and_text() -> None:
    error = KafkaError(KafkaError.NOT_ENOUGH_REPLICAS, "too few")
    assert kafka_errors.error_of(KafkaException(error)) is error
    described = kafka_errors.describe(error)
    assert "NOT_ENOUGH_REPLICAS" in described
    assert "too few" in described
    assert "\n" not in described


def test_the_size_of_an_answer_that_the_client_did_not_take() -> None:
    text = (
        "127.0.0.1:9092/1: Receive failed: Invalid response size 36000123 (0..33554432): "
        "increase receive.message.max.bytes (after 10ms in state UP)"
    )
    assert (
        kafka_errors.size_of_refused_response(KafkaError(KafkaError._BAD_MSG, text)) == 36_000_123
    )
    others = [
        KafkaError(KafkaError._TRANSPORT, text),
        KafkaError(KafkaError._BAD_MSG, "MessageSet at offset 7 failed CRC32C check"),
    ]
    assert [kafka_errors.size_of_refused_response(error) for error in others] == [None, None]
