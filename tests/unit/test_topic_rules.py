"""What the configuration of output topics has to be like, as a table."""

from itertools import product

import pytest

from kafka_processor.records import encode
from kafka_processor.summary_printer import SummaryPrinter
from kafka_processor.topics.rules import (
    LARGEST_COUNT,
    TopicConfig,
    config_of_new,
    problems,
    smallest_limits,
    warnings,
)
from tests.unit.pipeline_runs import settings
from tests.unit.summary_runs import Counted, work_of

OF_KAFKA = {
    "cleanup.policy": "delete",
    "max.message.bytes": "1048588",
    "segment.bytes": "1073741824",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": "9223372036854775807",
    "message.timestamp.after.max.ms": "3600000",
}
OUTPUTS = ["processed-output", "processed-errors", "cleaned-data", "summary-output",
           "metrics-output"]  # fmt: skip


def found(topic: str, **changes: str) -> list[str]:
    values = OF_KAFKA | {name.replace("_", "."): value for name, value in changes.items()}
    return list(problems(settings(), {topic: TopicConfig.read(values)}))


@pytest.mark.parametrize("topic", OUTPUTS)
def test_defaults_of_kafka_work(topic: str) -> None:
    assert found(topic) == []


@pytest.mark.parametrize("topic", OUTPUTS)
@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete,compact"])
def test_only_the_summary_may_be_compacted(topic: str, policy: str) -> None:
    lines = found(topic, cleanup_policy=policy)
    if topic == "summary-output":
        assert lines == []
    else:
        [line] = lines
        assert f"topic {topic}: cleanup.policy=" in line
        unkeyed = topic in ("metrics-output", "processed-errors")
        assert ("without a key" in line) == unkeyed


def test_a_summary_that_is_not_compacted_is_warned_of() -> None:
    read = TopicConfig.read
    [line] = warnings(settings(), {"summary-output": read(OF_KAFKA)})
    assert "summary-output: cleanup.policy=delete" in line
    compacted = read(OF_KAFKA | {"cleanup.policy": "compact"})
    assert list(warnings(settings(), {"summary-output": compacted})) == []
    assert list(warnings(settings(), {"processed-output": read(OF_KAFKA)})) == []


@pytest.mark.parametrize("topic", OUTPUTS)
@pytest.mark.parametrize("name", ["max_message_bytes", "segment_bytes"])
def test_a_topic_must_take_its_smallest_records(topic: str, name: str) -> None:
    needed = smallest_limits(settings())[topic]
    assert found(topic, **{name: str(needed)}) == []
    [line] = found(topic, **{name: str(needed - 1)})
    assert f"topic {topic}: {name.replace('_', '.')}={needed - 1} is too small" in line
    assert f"set it to {needed} or more" in line


def test_a_limit_of_5000_bytes_is_enough_everywhere() -> None:
    assert max(smallest_limits(settings()).values()) < 5000


@pytest.mark.parametrize("topic", OUTPUTS)
@pytest.mark.parametrize("limit", ["before", "after"])
def test_timestamp_limits_below_a_second_cannot_work(topic: str, limit: str) -> None:
    name = f"message_timestamp_{limit}_max_ms"
    [line] = found(topic, **{name: "999"})
    assert f"topic {topic}: message.timestamp.{limit}.max.ms=999" in line
    assert found(topic, **{name: "1000"}) == []
    assert found(topic, **{name: "0", "message_timestamp_type": "LogAppendTime"}) == []


def test_the_timestamp_limit_of_older_brokers_is_heeded() -> None:
    old = {name: value for name, value in OF_KAFKA.items() if ".max.ms" not in name}
    config = TopicConfig.read(old | {"message.timestamp.difference.max.ms": "10"})
    [line] = problems(settings(), {"cleaned-data": config})
    assert "message.timestamp.difference.max.ms=10" in line


def test_the_largest_summary_fits() -> None:
    counted = [
        Counted("processed", f"d{n:x<15}", f"{a}{b}a-Xxxx-{n:03}")
        for n, (a, b) in enumerate(product("abcdefghij", repeat=2))
    ]
    own = settings(CONSUMER_GROUP="g" * 249, INPUT_TOPIC="i" * 249)
    summary = SummaryPrinter(own, "0" * 8)
    summary.restore(0, None, None, 0, 0.0)
    summary.add(0, work_of(counted, 0), 0.0)
    [(topic, key, value)] = summary.publish([0], 0)
    digits = len(str(LARGEST_COUNT)) * (32 + 64 + 2 + 5 + 8)
    assert key is not None
    size = len(key) + len(value)
    assert size < smallest_limits(own)[topic] < size + digits + 200  # the error types are missing


@pytest.mark.parametrize("topic", OUTPUTS)
def test_topics_that_are_created_work_whatever_a_cluster_has_as_defaults(topic: str) -> None:
    of_cluster = {
        "cleanup.policy": "compact" if topic != "summary-output" else "delete",
        "max.message.bytes": "100",
        "segment.bytes": "1073741824",
        "message.timestamp.type": "LogAppendTime",
        "message.timestamp.before.max.ms": "1",
        "message.timestamp.after.max.ms": "1",
    }
    config = {topic: TopicConfig.read(of_cluster | config_of_new(settings(), topic))}
    assert list(problems(settings(), config)) == []
    assert list(warnings(settings(), config)) == []


def test_what_an_operator_chooses_is_left_to_the_cluster() -> None:
    set_by_us = {name for topic in OUTPUTS for name in config_of_new(settings(), topic)}
    assert set_by_us == {
        "cleanup.policy",
        "max.message.bytes",
        "message.timestamp.type",
        "message.timestamp.before.max.ms",
        "message.timestamp.after.max.ms",
    }
    assert config_of_new(settings(), "user-login") == {"cleanup.policy": "delete"}
    assert encode(config_of_new(settings(), "summary-output", knows_timestamp_limits=False))
