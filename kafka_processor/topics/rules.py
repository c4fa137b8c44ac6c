"""Which configurations of an output topic allow its records to be published."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from kafka_processor.config import Settings
from kafka_processor.event.labels import MAX_DEVICE_TYPES, MAX_LOCALES, OTHER
from kafka_processor.message_id import id_at
from kafka_processor.metrics import MessageMetrics, topics_of_outcomes
from kafka_processor.outcomes import ERROR_TYPES
from kafka_processor.record_limits import DEFAULT_LIMIT, size_alone
from kafka_processor.records import (
    CleanedRecord,
    ErrorRecord,
    ProcessedRecord,
    Source,
    SummaryRecord,
    encode,
)

SHORTEST_TIMESTAMP_LIMIT: Final = 1000
"""Milliseconds. A batch is open for 0.2 s, and clocks differ by some tens of milliseconds."""
LARGEST_COUNT: Final = 10**12
"""More messages than a partition ever sees."""
_LARGEST_OFFSET: Final = 2**63 - 1
_LARGEST_PARTITION: Final = 2**31 - 1
_TIME: Final = "2000-01-01T00:00:00.000Z"
_LONGEST_DEVICE_TYPE: Final = 16
_LONGEST_LOCALE: Final = len("xxx-Xxxx-000")


@dataclass(frozen=True)
class TopicConfig:
    """The configuration of one topic; Kafka's defaults for what the broker does not report."""

    cleanup_policy: frozenset[str] = frozenset({"delete"})
    max_message_bytes: int = DEFAULT_LIMIT
    segment_bytes: int = 2**30
    checks_timestamps: bool = True
    """False if the broker sets the timestamps of records itself."""
    timestamp_limits: Mapping[str, int] | None = None
    """Milliseconds, by the name of the limit."""

    @classmethod
    def read(cls, values: Mapping[str, str]) -> "TopicConfig":
        """Returns the configuration from the broker's entries."""
        limits = {name: int(values[name]) for name in _TIMESTAMP_LIMITS if values.get(name)}
        return cls(
            frozenset(part.strip() for part in values["cleanup.policy"].split(",")),
            int(values["max.message.bytes"]),
            int(values["segment.bytes"]),
            values.get("message.timestamp.type") != "LogAppendTime",
            limits,
        )

    @property
    def largest_batch(self) -> int:
        """Bytes; the broker refuses larger batches for one of the two limits."""
        return min(self.max_message_bytes, self.segment_bytes)


_TIMESTAMP_LIMITS: Final = (
    "message.timestamp.before.max.ms",
    "message.timestamp.after.max.ms",
    "message.timestamp.difference.max.ms",  # both in one, until Kafka 3.6
)


_OF_NEW_OUTPUT: Final = {
    # Kafka's own defaults, so that the cluster's defaults do not prevent publishing. Replication,
    # min.insync.replicas, compression.type and retention are the choice of the operator.
    "message.timestamp.type": "CreateTime",
    "max.message.bytes": str(DEFAULT_LIMIT),
}
_TIMESTAMP_LIMITS_OF_NEW_OUTPUT: Final = {
    "message.timestamp.before.max.ms": str(2**63 - 1),
    "message.timestamp.after.max.ms": str(60 * 60 * 1000),
}


def config_of_new(
    settings: Settings, topic: str, *, knows_timestamp_limits: bool = True
) -> dict[str, str]:
    """Returns the configuration for a topic to be created.

    `knows_timestamp_limits`: whether the broker has them, as brokers from 3.6 on (KIP-937).
    """
    policy = {"cleanup.policy": "compact" if topic == settings.summary_topic else "delete"}
    if topic == settings.input_topic:
        return policy  # its producers are not ours, nor are the limits of its records
    limits = _TIMESTAMP_LIMITS_OF_NEW_OUTPUT if knows_timestamp_limits else {}
    return policy | _OF_NEW_OUTPUT | limits


def problems(settings: Settings, configs: Mapping[str, TopicConfig]) -> Iterator[str]:
    """Yields a line for each misconfiguration that prevents publishing."""
    needs = smallest_limits(settings)
    for topic, config in configs.items():
        if topic != settings.summary_topic and "compact" in config.cleanup_policy:
            unkeyed = topic in (settings.metrics_topic, settings.errors_topic)
            why = (
                "refuses records without a key"
                if unkeyed
                else "deletes all but the last record of each user"
            )
            yield (
                f"topic {topic}: cleanup.policy={','.join(sorted(config.cleanup_policy))} {why}; "
                "set it to delete"
            )
        if config.largest_batch < needs[topic]:
            limit = "max.message.bytes"
            if config.segment_bytes < config.max_message_bytes:
                limit = "segment.bytes"
            yield (
                f"topic {topic}: {limit}={config.largest_batch} is too small for its records; "
                f"set it to {needs[topic]} or more"
            )
        for name, limit_ms in (config.timestamp_limits or {}).items():
            if config.checks_timestamps and limit_ms < SHORTEST_TIMESTAMP_LIMIT:
                yield (
                    f"topic {topic}: {name}={limit_ms} refuses records that take longer to arrive; "
                    f"set it to {SHORTEST_TIMESTAMP_LIMIT} or more"
                )


def warnings(settings: Settings, configs: Mapping[str, TopicConfig]) -> Iterator[str]:
    summary = configs.get(settings.summary_topic)
    if summary and "compact" not in summary.cleanup_policy:
        yield (
            f"topic {settings.summary_topic}: cleanup.policy={','.join(summary.cleanup_policy)} "
            "deletes the last counts of a partition without new messages; set it to compact"
        )


def smallest_limits(settings: Settings) -> dict[str, int]:
    """Returns, by output topic, the bytes that it must accept in one batch.

    For `processed-output` and `cleaned-data`, whose records are as large as their messages, the
    size of the shortest record; for the others, the largest that a record can be at its smallest.
    """
    records = {
        settings.processed_topic: (b"u", encode(_shortest_processed(settings))),
        settings.cleaned_topic: (b"u", encode(_shortest_cleaned(settings))),
        settings.errors_topic: (None, encode(_smallest_error(settings))),
        settings.summary_topic: (
            f"{settings.consumer_group}/{settings.input_topic}-{_LARGEST_PARTITION}".encode(),
            encode(_largest_summary(settings)),
        ),
    }
    if settings.metrics_topic:
        records[settings.metrics_topic] = (None, _largest_line(settings))
    return {topic: size_alone(key, value) for topic, (key, value) in records.items()}


def _shortest_processed(settings: Settings) -> ProcessedRecord:
    version = min(settings.accepted_app_versions, key=len)
    return ProcessedRecord(
        message_id=id_at(settings.input_topic, 0, 0),
        user_id="u",
        app_version=version,
        device_type="d",
        ip="::",
        locale="l",
        device_id="0" * 64,
        key_id="0" * 8,
        timestamp=_TIME,
    )


def _shortest_cleaned(settings: Settings) -> CleanedRecord:
    content = dict.fromkeys(
        ("user_id", "ip", "app_version", "device_type", "timestamp", "locale"), "0"
    )
    return CleanedRecord(
        message_id=id_at(settings.input_topic, 0, 0),
        user_id="u",
        clean_type="filtered_app_version",
        message_content={**content},
        timestamp=_TIME,
    )


def _longest_id(settings: Settings) -> str:
    return id_at(settings.input_topic, _LARGEST_PARTITION, _LARGEST_OFFSET)


def _smallest_error(settings: Settings) -> ErrorRecord:
    """A `publish_error` without a user, for the longest message id."""
    longest_topic = max(settings.output_topics, key=len)
    return ErrorRecord(
        message_id=_longest_id(settings),
        user_id=None,
        error_type="publish_error",
        error_message=(
            f"{longest_topic} takes records of at most {2**31} bytes, this one has {2**31}"
        ),
        message_content=None,
        source=Source(
            topic=settings.input_topic,
            partition=_LARGEST_PARTITION,
            offset=_LARGEST_OFFSET,
            timestamp=_TIME,
        ),
        timestamp=_TIME,
        replay_of=_longest_id(settings),
    )


def _largest_line(settings: Settings) -> bytes:
    """A metrics record with a single line."""
    metrics, id_ = MessageMetrics(settings), _longest_id(settings)
    outcome = max(
        topics_of_outcomes(settings).items(), key=lambda item: len(item[0]) + len(item[1] or "")
    )[0]
    [value] = metrics.records([metrics.line(id_, outcome, 2**53, id_)], 1e6, 0)
    return value


def _largest_summary(settings: Settings) -> SummaryRecord:
    def counts(labels: int, length: int) -> dict[str, int]:
        names = chain([OTHER], (f"{n:x<{length}}" for n in range(labels)))
        return dict.fromkeys(names, LARGEST_COUNT)

    return SummaryRecord(
        consumer_group=settings.consumer_group,
        source_topic=settings.input_topic,
        source_partition=_LARGEST_PARTITION,
        next_offset=_LARGEST_OFFSET,
        counted_since_offset=_LARGEST_OFFSET,
        total_received_count=LARGEST_COUNT,
        processed_count=LARGEST_COUNT,
        filtered_count=LARGEST_COUNT,
        skipped_count=LARGEST_COUNT,
        error_count=LARGEST_COUNT,
        replayed_count=LARGEST_COUNT,
        error_type_counts=dict.fromkeys(ERROR_TYPES, LARGEST_COUNT),
        device_type_counts=counts(MAX_DEVICE_TYPES, _LONGEST_DEVICE_TYPE),
        locale_counts=counts(MAX_LOCALES, _LONGEST_LOCALE),
        timestamp=_TIME,
    )
