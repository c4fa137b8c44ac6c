"""What a client error means, as a table of its codes."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafka_processor import kafka_errors

# The contract: refused for a cause in the record itself → publish_error.
RECORD_IS_TO_BLAME = ["MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_RECORD"]
# The contract: other refusals publish nothing, the process waits and tries again.
RECORD_IS_INNOCENT = [
    "TOPIC_AUTHORIZATION_FAILED",
    "UNKNOWN_TOPIC_OR_PART",
    "_UNKNOWN_TOPIC",
    "NOT_ENOUGH_REPLICAS",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    "_MSG_TIMED_OUT",
    "_PURGE_QUEUE",
    "_TRANSPORT",
    "_ALL_BROKERS_DOWN",
    "_TIMED_OUT",
    "_STATE",
    "_INCONSISTENT",
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
    "INVALID_TXN_STATE",
    "LEADER_NOT_AVAILABLE",
    "KAFKA_STORAGE_ERROR",
]
PRODUCER_FENCED = ["_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"]
CONSUMER_ENDED = ["_FATAL", "FENCED_INSTANCE_ID", "INVALID_SESSION_TIMEOUT"]
NO_PERMISSION = [
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
]
REFUSED_LOGIN = ["_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED"]
KNOWN = sorted(
    {
        *RECORD_IS_TO_BLAME,
        *RECORD_IS_INNOCENT,
        *PRODUCER_FENCED,
        *CONSUMER_ENDED,
        *NO_PERMISSION,
        *REFUSED_LOGIN,
    }
)


@pytest.mark.parametrize("name", KNOWN)
def test_each_error_belongs_to_its_families_alone(name: str) -> None:
    error = KafkaError(getattr(KafkaError, name))
    assert kafka_errors.blames_record(error) == (name in RECORD_IS_TO_BLAME)
    assert kafka_errors.is_producer_fenced(error) == (name in PRODUCER_FENCED)
    assert kafka_errors.is_end_of_consumer(error) == (name in CONSUMER_ENDED)
    assert kafka_errors.is_no_permission(error) == (name in NO_PERMISSION)
    assert kafka_errors.is_refused_login(error) == (name in REFUSED_LOGIN)
    assert kafka_errors.is_purged(error) == name.startswith("_PURGE")


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
