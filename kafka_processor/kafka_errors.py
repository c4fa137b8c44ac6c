"""What a client error means to us, read from its code and flags, never from its text: but for the
address of a broker, which the client tells nowhere else.

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
_NO_CONNECTION: Final = frozenset({KafkaError._TRANSPORT, KafkaError._RESOLVE})
_FROM_METADATA: Final = re.compile(r"(?:^|\s)(?:GroupCoordinator: )?(\S+:\d+)(?:/\d+)?: ")
"""How the client names a broker that it knows from metadata, `host:port/node id`; it writes
`host:port/bootstrap` for an address of bootstrap.servers."""
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


def unreachable_address(error: KafkaError) -> str | None:
    """The address of a broker, known from metadata, to which there is no connection; else None."""
    if error.code() not in _NO_CONNECTION:
        return None
    found = _FROM_METADATA.search(error.str())
    return found[1] if found else None


def is_purged(error: KafkaError) -> bool:
    """The report of a record that we have thrown away ourselves."""
    return error.code() in _PURGED
