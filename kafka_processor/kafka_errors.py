"""What a client error means to us, read from its code and flags, and not from its text (with one
exception, which has no code of its own: `size_of_refused_response`).

The three flags are librdkafka's: `fatal()`, `txn_requires_abort()`, `retriable()`.
"""

import re
from typing import Final

from confluent_kafka import KafkaError, KafkaException

_RECORD_IS_TO_BLAME: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
    }
)
_PRODUCER_FENCED: Final = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)
_MEMBER_FENCED: Final = frozenset({KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID})
_ENDS_CONSUMER: Final = frozenset(
    {
        *_MEMBER_FENCED,
        KafkaError.INVALID_SESSION_TIMEOUT,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        KafkaError.GROUP_MAX_SIZE_REACHED,
        KafkaError.INVALID_GROUP_ID,
    }
)
_REFUSED_LOGIN: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._SSL,
    }
)
_NO_PERMISSION: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_UNREADABLE: Final = frozenset(
    {
        # Bytes that no codec understands, or more of them than receive.message.max.bytes.
        KafkaError._BAD_COMPRESSION,
        # A wrong checksum, where check.crcs is on.
        KafkaError._BAD_MSG,
        # A codec that the client was built without, or an unknown message format.
        KafkaError._NOT_IMPLEMENTED,
    }
)
_REFUSED_RESPONSE: Final = re.compile(
    r"Invalid response size ([0-9]{1,10}) .*receive\.message\.max\.bytes"
)
_PURGED: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})


def error_of(exception: KafkaException) -> KafkaError:
    error: KafkaError = exception.args[0]
    return error


def describe(error: KafkaError) -> str:
    return f"{error.name()}: {error.str()}"


def blames_record(error: KafkaError) -> bool:
    """The broker refuses the record for a cause in the record itself."""
    return error.code() in _RECORD_IS_TO_BLAME


def is_producer_fenced(error: KafkaError) -> bool:
    """Our transactional id has a newer owner, or the broker ended our transaction meanwhile."""
    return error.code() in _PRODUCER_FENCED


def is_end_of_consumer(error: KafkaError) -> bool:
    """The group will not have this member again."""
    return error.code() in _ENDS_CONSUMER


def is_fenced_member(error: KafkaError) -> bool:
    """Our INSTANCE_ID, if we have one, belongs to another member; as the client's own error that
    is any fatal one."""
    return error.code() in _MEMBER_FENCED


def is_refused_login(error: KafkaError) -> bool:
    return error.code() in _REFUSED_LOGIN


def is_no_permission(error: KafkaError) -> bool:
    return error.code() in _NO_PERMISSION


def is_unreadable(error: KafkaError) -> bool:
    """The client cannot take a batch of records apart, and will not be able to later.

    Of a partition. Lack of memory (`_CRIT_SYS_RESOURCE`), and errors that the broker reports, such
    as a damaged file of its own (`INVALID_MSG`), may be over later: another replica may be whole.
    """
    return error.code() in _UNREADABLE


def is_purged(error: KafkaError) -> bool:
    """The report of a record that we have thrown away ourselves."""
    return error.code() in _PURGED


def size_of_refused_response(error: KafkaError) -> int | None:
    """Bytes of a broker's answer that is larger than `receive.message.max.bytes`.

    The client closes the connection then, and asks for the same again.
    """
    if error.code() != KafkaError._BAD_MSG:
        return None
    found = _REFUSED_RESPONSE.search(error.str())
    return int(found.group(1)) if found else None
