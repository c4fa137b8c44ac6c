"""Records that a topic would refuse for their size are known before they are sent."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_processor.metrics import MessageMetrics
from kafka_processor.pipeline import Pipeline, Work
from kafka_processor.record_limits import MAX_OVERHEAD, RecordLimits, size_alone
from kafka_processor.topics.rules import smallest_limits
from tests.unit.pipeline_runs import KEY, NOW, OFFSET, PARTITION, event, message, settings

PROCESSED, ERRORS, CLEANED = "processed-output", "processed-errors", "cleaned-data"


def zig_zag(number: int) -> bytes:
    """A varint as Kafka's protocol guide has it."""
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


@given(st.one_of(st.none(), st.binary(max_size=300)), st.binary(max_size=70_000))
@example(None, b"")
@example(b"k" * 63, b"v" * 64)
def test_the_size_is_that_of_a_batch_that_holds_the_record_alone(
    key: bytes | None, value: bytes
) -> None:
    body = b"\0" + zig_zag(0) + zig_zag(0)  # attributes, time and offset in the batch
    body += zig_zag(-1) if key is None else zig_zag(len(key)) + key
    body += zig_zag(len(value)) + value + zig_zag(0)  # no headers
    assert size_alone(key, value) == 61 + len(zig_zag(len(body))) + len(body)
    assert size_alone(key, value) <= len(key or b"") + len(value) + MAX_OVERHEAD


def work_of(value: bytes, limits: dict[str, int], **given_settings: str) -> Work:
    pipeline = Pipeline(settings(**given_settings), KEY, limits=RecordLimits(limits))
    return pipeline.work(PARTITION, [message(value)], NOW, {})


@pytest.mark.parametrize(
    ("value", "topic", "outcome"),
    [
        (event(user_id="u" * 900), PROCESSED, "processed"),
        (event(user_id="u" * 900, app_version="1.0"), CLEANED, "filtered"),
        (event(user_id="u" * 900, ip="nowhere"), ERRORS, "transform_error"),
    ],
)
def test_a_record_of_just_the_limit_passes_and_one_byte_more_is_a_publish_error(
    value: bytes, topic: str, outcome: str
) -> None:
    [(_, key, record)] = work_of(value, {}).records
    size = size_alone(key, record)

    passed = work_of(value, {topic: size})
    assert passed.outcomes == {outcome: 1}
    assert passed.records == [(topic, key, record)]

    refused = work_of(value, {topic: size - 1})
    assert refused.outcomes == {"publish_error": 1}
    assert refused.last_failed == f"user-login-{PARTITION}-{OFFSET}"
    assert not refused.device_types
    [(where, error_key, error)] = refused.records
    content = json.loads(error)
    assert where == ERRORS
    assert (content["error_type"], content["message_content"]) == ("publish_error", None)
    assert f"{topic} takes records of at most {size - 1} bytes" in content["error_message"]
    if topic == ERRORS:
        # Without the content it has its user, unless that does not fit either.
        assert size_alone(error_key, error) < size
    else:
        assert content["user_id"] == "u" * 900
        assert error_key == b"u" * 900
    [line] = refused.lines
    assert '"outcome":"publish_error"' in line


def test_limits_are_those_of_each_topic() -> None:
    value = event(user_id="u" * 900)
    assert work_of(value, {ERRORS: 600, CLEANED: 400}).outcomes == {"processed": 1}
    assert work_of(value, {PROCESSED: 600}).outcomes == {"publish_error": 1}


HOSTILE_USERS = ["u" * 1024, "\U0001f600" * 1024, "\x01" * 1024]


@pytest.mark.parametrize("user_id", HOSTILE_USERS, ids=["ascii", "4 bytes each", "6 bytes each"])
@pytest.mark.parametrize("changes", [{}, {"app_version": "1.0"}, {"ip": "nowhere"}])
@pytest.mark.parametrize("names", [{}, {"INPUT_TOPIC": "i" * 249, "PROCESSED_TOPIC": "p" * 249}])
def test_an_error_record_fits_wherever_the_start_has_let_us_begin(
    user_id: str, changes: dict[str, str], names: dict[str, str]
) -> None:
    limit = smallest_limits(settings(**names))[ERRORS]
    processed = names.get("PROCESSED_TOPIC", PROCESSED)
    limits = {processed: 600, CLEANED: 400, ERRORS: limit}
    pipeline = Pipeline(settings(**names), KEY, limits=RecordLimits(limits))
    replay_of = f"{names.get('INPUT_TOPIC', 'user-login')}-{PARTITION}-1".encode()
    value = event(user_id=user_id, **changes)
    [(topic, key, record)] = pipeline.work(
        PARTITION, [message(value, 2**63 - 1, headers=[("replay-of", replay_of)])], NOW, {}
    ).records
    assert topic == ERRORS
    assert size_alone(key, record) <= limit
    assert json.loads(record)["error_type"] == "publish_error"
    assert json.loads(record)["user_id"] is None
    assert key is None


def test_metrics_records_are_split_to_fit_their_topic() -> None:
    lines = (
        Pipeline(settings(), KEY)
        .work(PARTITION, [message(event(), offset) for offset in range(1000)], NOW, {})
        .lines
    )
    limit = smallest_limits(settings())["metrics-output"]
    for max_bytes in (limit - MAX_OVERHEAD, 5_000, 100_000):
        values = list(MessageMetrics.records(lines, 0.001, NOW, max_bytes))
        assert max(map(len, values)) <= max_bytes
        details = [each for value in values for each in json.loads(value)["message_details"]]
        assert [each["message_id"] for each in details] == [
            f"user-login-{PARTITION}-{offset}" for offset in range(1000)
        ]


def test_a_changed_limit_counts_from_then_on() -> None:
    limits = RecordLimits({PROCESSED: 600})
    pipeline = Pipeline(settings(), KEY, limits=limits)
    messages = [message(event(user_id="u" * 900))]
    assert pipeline.work(PARTITION, messages, NOW, {}).outcomes == {"publish_error": 1}
    assert limits.has_refused
    limits.update({PROCESSED: 5_000})
    assert pipeline.work(PARTITION, messages, NOW, {}).outcomes == {"processed": 1}
