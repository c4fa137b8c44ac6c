"""The librdkafka configurations, derived from the settings.

Precedence, lowest first: tuned values, the user's properties file, settings, and values that the
delivery guarantee requires. Values that differ from librdkafka's defaults have a reason.
"""

from typing import Any

from kafka_processor.config import Settings

MAX_POLL_INTERVAL = 300.0
"""Seconds between two polls of the loop; every wait in it is far shorter."""

MAX_RESPONSE = 32 * 1024 * 1024
"""Bytes of one response of a broker; the client also bounds the decompressed size of a zstd batch
by it. Many times the largest batch of a producer; for a larger one `InputConsumer` raises it."""
FRAMING = 512
"""Bytes of a response that the client requires in addition to the records."""

ClientConfig = dict[str, Any]

RECONNECTION: ClientConfig = {
    # With the default of 10,000, short outages and closed connections cost up to ten seconds more.
    "reconnect.backoff.max.ms": 1000,
    # By default the client forgets all brokers once all connections are lost, and bootstraps again.
    # A producer's next call that sends offsets then waits forever for the broker that it knew
    # (librdkafka issue 5511), and a consumer may stop fetching some partitions. With this setting
    # it reconnects to the brokers it knows; if they have moved, consumer.py replaces the client.
    "metadata.recovery.strategy": "none",
}


def connection_config(settings: Settings) -> ClientConfig:
    """Returns what every client needs to connect, including the user's properties file."""
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
    """For a client without state: once it has lost all brokers, it bootstraps again."""
    return {"reconnect.backoff.max.ms": 1000} | connection_config(settings)


def consumer_config(settings: Settings) -> ClientConfig:
    session = _milliseconds(settings.session_timeout)
    tuned: ClientConfig = {
        **RECONNECTION,
        # With the default of 1000 a full queue drains before fetching resumes: 13 times slower.
        "fetch.queue.backoff.ms": 2,
        # Compressed data takes several times as much: these two determine most of the memory.
        "queued.max.messages.kbytes": 32 * 1024,
        "fetch.max.bytes": 2 * 1024 * 1024,
        # A topic created while the process waits, and new partitions, are noticed within 10 s.
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
        # membership/start_offsets.py decides start offsets, so that a gap is noticed and logged.
        "auto.offset.reset": "error",
        "allow.auto.create.topics": False,
    }
    if settings.instance_id:
        fixed["group.instance.id"] = settings.instance_id
    config = tuned | connection_config(settings) | fixed
    fetched = str(config["fetch.max.bytes"])
    if fetched.isdecimal():  # otherwise the client reports what is wrong with it
        response = max(MAX_RESPONSE, int(fetched) + FRAMING)
        config.setdefault("receive.message.max.bytes", response)
    return config


def producer_config(settings: Settings, max_record: int) -> ClientConfig:
    """Returns the configuration without `transactional.id`, which belongs to a process.

    `max_record`: bytes that every output topic accepts. The limit of a topic applies to batches, so
    a larger batch would be refused as a whole.
    """
    timeout = _milliseconds(settings.transaction_timeout)
    tuned: ClientConfig = {
        **RECONNECTION,
        # Does not add latency: a commit flushes. In a backlog, where batches are open for long,
        # larger requests save the broker much work, most with many partitions.
        "linger.ms": 100,
        "compression.type": "lz4",
        "batch.size": 1_000_000,
        "queue.buffering.max.messages": 500_000,
        # Several times the size of a full batch (delivery/batch.py).
        "queue.buffering.max.kbytes": 128 * 1024,
        "socket.nagle.disable": True,
        # Delays every transaction that begins while the last one is completing. Repeated attempts
        # still back off exponentially (KIP-580).
        "retry.backoff.ms": 3,
        # An undeliverable record fails its transaction before the broker aborts that.
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
    if batch_size.isdecimal():  # otherwise the client reports what is wrong with it
        config["batch.size"] = min(int(batch_size), max_record)
    return config


def reader_config(settings: Settings) -> ClientConfig:
    """For a consumer without a group: `group.id` is required but not used."""
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
    """For a consumer that fetches single offsets, with the limits of the group's member."""
    config = consumer_config(settings)
    config.pop("group.instance.id", None)
    return config | {
        "group.id": "kafka-processor-reader",
        "enable.partition.eof": True,
        # One batch at a time, and little prefetching: queued statistics count as well.
        "max.partition.fetch.bytes": 1,
        "queued.min.messages": 100,
        "fetch.wait.max.ms": 10,
        "fetch.error.backoff.ms": 2,
    }


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
