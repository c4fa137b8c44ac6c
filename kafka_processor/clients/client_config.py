"""The librdkafka configurations, derived from the settings.

Own values first, then what the user's properties file says, then what the settings and the
guarantees fix. Figures are explained where they are not librdkafka's own.
"""

from typing import Any

from kafka_processor.config import Settings

MAX_POLL_INTERVAL = 300.0
"""Seconds the loop may take between two polls; every wait in it is far shorter."""

MAX_RESPONSE = 32 * 1024 * 1024
"""Bytes of one answer of a broker; the client bounds what a zstd batch inflates to by it as well.
Many times what a producer puts into its largest batch; where a larger one is stored,
`InputConsumer` allows more."""
FRAMING = 512
"""Bytes that the client demands of an answer beside the records in it."""

ClientConfig = dict[str, Any]

RECONNECTION: ClientConfig = {
    # With the default of 10,000 a broker that was away for seconds, or connections that were closed
    # a few times, cost up to ten seconds more.
    "reconnect.backoff.max.ms": 1000,
    # When all connections are lost the client would else throw all brokers away and start from
    # bootstrap.servers anew. A producer's next call that sends offsets then waits in vain for the
    # broker it knew (librdkafka issue 5511), and a consumer was seen to fetch some partitions no
    # more. Without it the client connects again to the brokers it knows; where they have moved,
    # consumer.py makes a new one.
    "metadata.recovery.strategy": "none",
}


def connection_config(settings: Settings) -> ClientConfig:
    """What every client needs to reach the brokers; the user's properties file included."""
    config: ClientConfig = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "security.protocol": settings.kafka_security_protocol,
        "sasl.mechanism": settings.kafka_sasl_mechanism,
        "sasl.username": settings.kafka_sasl_username,
        "sasl.password": settings.kafka_sasl_password,
        "ssl.ca.location": settings.kafka_ssl_ca_location,
        "ssl.certificate.location": settings.kafka_ssl_certificate_location,
        "ssl.key.location": settings.kafka_ssl_key_location,
        "ssl.key.password": settings.kafka_ssl_key_password,
    }
    return dict(settings.properties) | {
        name: str(value) for name, value in config.items() if value is not None
    }


def admin_config(settings: Settings) -> ClientConfig:
    """A client that asks questions and holds no state: when it has lost all brokers, it starts from
    bootstrap.servers again."""
    return {"reconnect.backoff.max.ms": 1000} | connection_config(settings)


def consumer_config(settings: Settings) -> ClientConfig:
    session = _milliseconds(settings.session_timeout)
    tuned: ClientConfig = {
        **RECONNECTION,
        # The client's default of 1000 lets a full queue drain and stand still: 13 times slower.
        "fetch.queue.backoff.ms": 2,
        # Of what is compressed several times as much is held: these two are most of the memory.
        "queued.max.messages.kbytes": 32 * 1024,
        "fetch.max.bytes": 2 * 1024 * 1024,
        # A topic made while the process waits, and new partitions, are noticed within 10 s.
        "topic.metadata.refresh.interval.ms": 5000,
        "socket.nagle.disable": True,
        "retry.backoff.ms": 10,
        "heartbeat.interval.ms": max(min(session // 4, 1000), 100),
        "max.poll.interval.ms": max(_milliseconds(MAX_POLL_INTERVAL), session),
    }
    fixed: ClientConfig = {
        "group.id": settings.consumer_group,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        # Where to start is decided in start_offsets.py, so that a gap is seen and named.
        "auto.offset.reset": "error",
        "allow.auto.create.topics": False,
    }
    if settings.instance_id:
        fixed["group.instance.id"] = settings.instance_id
    config = tuned | connection_config(settings) | fixed
    fetched = str(config["fetch.max.bytes"])
    if fetched.isdecimal():  # else the client says what is wrong with it
        response = max(MAX_RESPONSE, int(fetched) + FRAMING)
        config.setdefault("receive.message.max.bytes", response)
    return config


def producer_config(settings: Settings, max_record: int) -> ClientConfig:
    """The producer without its `transactional.id`, which belongs to a process, not to settings.

    `max_record`: bytes that every output topic takes. A batch of records that is larger would be
    refused as a whole, since the limit of a topic is one on batches.
    """
    timeout = _milliseconds(settings.transaction_timeout)
    tuned: ClientConfig = {
        **RECONNECTION,
        # Not felt in latency: a commit sends what waits. In a backlog, in which a batch is long
        # open, larger requests spare the broker much of its work, most with many partitions.
        "linger.ms": 100,
        "compression.type": "lz4",
        "batch.size": 1_000_000,
        "queue.buffering.max.messages": 500_000,
        # Several times what a full batch has (batch.py).
        "queue.buffering.max.kbytes": 128 * 1024,
        "socket.nagle.disable": True,
        # Felt in every transaction that meets the end of the one before. Repeated tries pause for
        # longer and longer all the same (KIP-580).
        "retry.backoff.ms": 3,
        # A record that cannot be delivered fails its transaction before the broker ends that.
        "message.timeout.ms": timeout,
    }
    fixed: ClientConfig = {
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "delivery.report.only.error": True,
    }
    config = tuned | connection_config(settings) | fixed
    batch_size = str(config["batch.size"])
    if batch_size.isdecimal():  # else the client says what is wrong with it
        config["batch.size"] = min(int(batch_size), max_record)
    return config


def reader_config(settings: Settings) -> ClientConfig:
    """A consumer that reads by itself, without a group: `group.id` is demanded but never used."""
    return {
        "fetch.queue.backoff.ms": 2,
        **connection_config(settings),
        "group.id": "kafka-processor-reader",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "allow.auto.create.topics": False,
    }


def probe_config(settings: Settings) -> ClientConfig:
    """A consumer that fetches single offsets, and can read exactly what the group's member can."""
    config = consumer_config(settings)
    config.pop("group.instance.id", None)
    return config | {
        "group.id": "kafka-processor-reader",
        "enable.partition.eof": True,
        # One batch at a time, and few beforehand: statistics that wait in the queue count too.
        "max.partition.fetch.bytes": 1,
        "queued.min.messages": 100,
        "fetch.wait.max.ms": 10,
        "fetch.error.backoff.ms": 2,
    }


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
