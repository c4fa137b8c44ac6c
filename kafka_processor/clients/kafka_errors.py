"""What a client error means to us, read from its code and flags, and not from its text; but for
two things that the client says nowhere else: the address of a broker, and the size of a response
that it refuses.

The three flags are librdkafka's: `fatal()`, `txn_requires_abort()`, `retriable()`.
"""

import re
from typing import Final

from confluent_kafka import KafkaError, KafkaException

_RECORD_IS_TO_BLAME: Final = frozenset(
    {
        # The batch exceeds the topic's max.message.bytes, or the record the client's own
        # message.max.bytes. How large a record is depends on the message that it is about.
        KafkaError.MSG_SIZE_TOO_LARGE,
        # The batch exceeds the topic's segment.bytes.
        KafkaError.RECORD_LIST_TOO_LARGE,
    }
)
_WRONG_TIME: Final = (
    "the clock of this machine or of the broker is wrong, or the topic's "
    "message.timestamp.before.max.ms or message.timestamp.after.max.ms is too small"
)
_ENVIRONMENT_HINTS: Final = {
    # Whoever writes a record sets its timestamp, and that is this process, not the message.
    KafkaError.INVALID_TIMESTAMP: _WRONG_TIME,
    # Kafka says so of a record without a key in a compacted topic, and of a malformed batch; the
    # client, where a broker refuses several records of a batch, for their timestamps too; some
    # brokers, of a record that does not match a schema. Our records are well-formed, and valid in
    # a topic that is neither compacted nor bound to a schema.
    KafkaError.INVALID_RECORD: f"{_WRONG_TIME}; or its cleanup.policy is compact, which demands a "
    "key; or the broker checks records against a schema",
    # The same of the other records of that batch.
    KafkaError._INVALID_DIFFERENT_RECORD: f"{_WRONG_TIME}, for another record of its batch",
}
_PRODUCER_NEVER_STARTS: Final = frozenset(
    {
        # The broker is too old for transactions that include a group's offsets (KIP-447).
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._UNSUPPORTED_FEATURE,
        # The client refuses its configuration.
        KafkaError._INVALID_ARG,
    }
)
_PRODUCER_FENCED: Final = frozenset(
    {
        # A newer producer has the transactional id, as the client (first) and the broker say it.
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        # The same from brokers before KIP-588, or the broker ended an overdue transaction.
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)
_MEMBER_FENCED: Final = frozenset(
    {
        # The client's consumer has exactly one fatal error: a newer member has our
        # group.instance.id (KIP-345).
        KafkaError._FATAL,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
_ENDS_CONSUMER: Final = frozenset(
    {
        *_MEMBER_FENCED,
        # Each is the coordinator's answer to a join, and stays the same until somebody changes a
        # setting of this process, of the group's other members or of the broker:
        # SESSION_TIMEOUT is outside the broker's group.min/max.session.timeout.ms.
        KafkaError.INVALID_SESSION_TIMEOUT,
        # Other members do not know our way of assigning partitions.
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        # The group has as many members as the broker's group.max.size allows.
        KafkaError.GROUP_MAX_SIZE_REACHED,
        # The broker does not take the name in CONSUMER_GROUP.
        KafkaError.INVALID_GROUP_ID,
    }
)
_REFUSED_LOGIN: Final = frozenset(
    {
        # Wrong name or password, as the client and the broker say it.
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        # No trust between the certificates, or one side does not speak TLS.
        KafkaError._SSL,
    }
)
_NO_PERMISSION: Final = frozenset(
    {
        # One for each kind of resource that this process needs a right on; `CLUSTER` is the right
        # to create topics, and on old brokers to produce idempotently.
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
_NO_CONNECTION: Final = frozenset({KafkaError._TRANSPORT, KafkaError._RESOLVE})
_FROM_METADATA: Final = re.compile(r"(?:^|\s)(?:GroupCoordinator: )?(\S+:\d+)(?:/\d+)?: ")
"""How the client names a broker that it knows from metadata, `host:port/node id`; it writes
`host:port/bootstrap` for an address of bootstrap.servers."""
_PURGED: Final = frozenset(
    {
        # Both come of our own `purge` alone, from the queue and from requests under way.
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
    }
)


def error_of(exception: KafkaException) -> KafkaError:
    error: KafkaError = exception.args[0]
    return error


def describe(error: KafkaError) -> str:
    return f"{error.name()}: {error.str()}"


def describe_refusal(topic: str, error: KafkaError) -> str:
    """Why a topic did not take a record, with what an operator should look at if that is known."""
    hint = _ENVIRONMENT_HINTS.get(error.code())
    return f"{topic}: {describe(error)}" + (f" ({hint})" if hint else "")


def blames_record(error: KafkaError) -> bool:
    """Whether the broker refuses the record for a cause in the message that it is about.

    Every other refusal has a cause that the operator can remove, and all records wait for that.
    """
    return error.code() in _RECORD_IS_TO_BLAME


def never_starts(error: KafkaError) -> bool:
    """Whether a producer that fails to start with this error would fail each time."""
    return error.code() in _PRODUCER_NEVER_STARTS


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


def unreachable_address(error: KafkaError) -> str | None:
    """The address of a broker, known from metadata, to which there is no connection; else None."""
    if error.code() not in _NO_CONNECTION:
        return None
    found = _FROM_METADATA.search(error.str())
    return found[1] if found else None


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
