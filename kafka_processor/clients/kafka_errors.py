"""What a client error means to us.

Read from its code and its flags (librdkafka's `fatal()`, `txn_requires_abort()`, `retriable()`).
Its text is parsed only for what the client reports nowhere else: the address of a broker, and the
size of a response that it refuses.
"""

import re
from typing import Final

from confluent_kafka import KafkaError, KafkaException

_RECORD_IS_TO_BLAME: Final = frozenset(
    {
        # The batch exceeds the topic's max.message.bytes, or the record the client's own
        # message.max.bytes. The size of a record depends on its message.
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
    # The producer sets the timestamp of a record: this process, not the message.
    KafkaError.INVALID_TIMESTAMP: _WRONG_TIME,
    # Kafka reports it for a record without a key in a compacted topic, and for a malformed batch;
    # the client, if a broker refuses several records of a batch, also for their timestamps; some
    # brokers, for a record that does not match a schema. Our records are well-formed, and valid in
    # a topic that is neither compacted nor bound to a schema.
    KafkaError.INVALID_RECORD: f"{_WRONG_TIME}; or its cleanup.policy is compact, which requires a "
    "key; or the broker validates records against a schema",
    # The same, for the other records of that batch.
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
        # A newer producer has the transactional id: reported by the client, and by the broker.
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        # The same from brokers before KIP-588; or the broker aborted an overdue transaction.
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
        # Each is the coordinator's response to a join, and stays the same until a setting of this
        # process, of the group's other members or of the broker changes:
        # SESSION_TIMEOUT is outside the broker's group.min/max.session.timeout.ms.
        KafkaError.INVALID_SESSION_TIMEOUT,
        # Other members do not support our assignment strategy.
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        # The group has as many members as the broker's group.max.size allows.
        KafkaError.GROUP_MAX_SIZE_REACHED,
        # The broker does not accept the name in CONSUMER_GROUP.
        KafkaError.INVALID_GROUP_ID,
    }
)
_REFUSED_LOGIN: Final = frozenset(
    {
        # Wrong name or password: reported by the client, and by the broker.
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        # A certificate is not trusted, or one side does not use TLS.
        KafkaError._SSL,
    }
)
_NO_PERMISSION: Final = frozenset(
    {
        # One for each kind of resource. CLUSTER: to create topics, and on old brokers to produce
        # idempotently.
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_UNREADABLE: Final = frozenset(
    {
        # Corrupt data, or more than receive.message.max.bytes when decompressed.
        KafkaError._BAD_COMPRESSION,
        # A wrong checksum, if check.crcs is on.
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
"""A broker that the client knows from metadata: `host:port/node id`. For an address of
bootstrap.servers it writes `host:port/bootstrap`."""
_PURGED: Final = frozenset(
    {
        # Both result only from our own `purge`, of the queue and of requests in flight.
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
    }
)
CHECK_LOGIN: Final = "check KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_* and KAFKA_SSL_*"
"""What to do about a refused login."""


def error_of(exception: KafkaException) -> KafkaError:
    error: KafkaError = exception.args[0]
    return error


def describe(error: KafkaError) -> str:
    return f"{error.name()}: {error.str()}"


def describe_refusal(topic: str, error: KafkaError) -> str:
    """Says why a topic refused a record, with a hint for the operator if the cause is known."""
    hint = _ENVIRONMENT_HINTS.get(error.code())
    return f"{topic}: {describe(error)}" + (f" ({hint})" if hint else "")


def blames_record(error: KafkaError) -> bool:
    """Whether the broker refuses the record because of its message.

    An operator can remove the cause of every other refusal; all records wait for that.
    """
    return error.code() in _RECORD_IS_TO_BLAME


def never_starts(error: KafkaError) -> bool:
    """Whether a producer that fails to start with this error would fail each time."""
    return error.code() in _PRODUCER_NEVER_STARTS


def is_producer_fenced(error: KafkaError) -> bool:
    """Our transactional id has a newer owner, or the broker has aborted our transaction."""
    return error.code() in _PRODUCER_FENCED


def is_end_of_consumer(error: KafkaError) -> bool:
    """The group will not accept this member again."""
    return error.code() in _ENDS_CONSUMER


def is_fenced_member(error: KafkaError) -> bool:
    """Our INSTANCE_ID, if set, belongs to another member; the client reports it as fatal."""
    return error.code() in _MEMBER_FENCED


def is_refused_login(error: KafkaError) -> bool:
    return error.code() in _REFUSED_LOGIN


def is_no_permission(error: KafkaError) -> bool:
    return error.code() in _NO_PERMISSION


def is_unreadable(error: KafkaError) -> bool:
    """The client cannot decode a batch of a partition, and will never be able to.

    Not among them: lack of memory (`_CRIT_SYS_RESOURCE`), and errors that the broker reports, such
    as a damaged file (`INVALID_MSG`), since another replica may be intact.
    """
    return error.code() in _UNREADABLE


def unreachable_address(error: KafkaError) -> str | None:
    """Returns the advertised address of a broker that cannot be connected to, or None."""
    if error.code() not in _NO_CONNECTION:
        return None
    found = _FROM_METADATA.search(error.str())
    return found[1] if found else None


def is_purged(error: KafkaError) -> bool:
    """The delivery report of a record that we have purged ourselves."""
    return error.code() in _PURGED


def size_of_refused_response(error: KafkaError) -> int | None:
    """Returns the bytes of a response that exceeds `receive.message.max.bytes`, or None.

    The client then closes the connection, and sends the same request again.
    """
    if error.code() != KafkaError._BAD_MSG:
        return None
    found = _REFUSED_RESPONSE.search(error.str())
    return int(found.group(1)) if found else None
