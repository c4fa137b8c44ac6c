"""Whatever arrives: one outcome, the one that the contract says, and nothing raw in what leaves."""

import json
import re
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from kafka_processor.metrics import MessageMetrics
from kafka_processor.pipeline import Pipeline
from kafka_processor.summary_printer import SummaryPrinter
from tests.unit import reference
from tests.unit.hostile_events import events, events_with_huge_numbers
from tests.unit.pipeline_runs import (
    EVENT,
    KEY,
    MESSAGE_ID,
    NOW,
    PARTITION,
    Run,
    message,
    run,
    settings,
)

ACCEPTED = frozenset({"2.3.0"})
ERRORS = {"parse_error", "missing_field", "invalid_field", "transform_error"}
TOPICS = {"processed": "processed-output", "filtered": "cleaned-data"}


@given(st.binary() | st.text().map(str.encode) | st.none())
def test_any_bytes_whatever_have_exactly_one_outcome(value: bytes | None) -> None:
    check_against_reference(value)


@given(events())
@example(b"[" * 1_000_000)
@example(b'{"a":' * 200_000)
@example(b'{"ip":"' + b"1" * 1_000_000 + b'"}')
def test_every_outcome_is_the_one_that_the_contract_says(value: bytes) -> None:
    check_against_reference(value)


@given(events_with_huge_numbers())
def test_a_number_that_no_double_holds_is_an_error_wherever_it_stands(value: bytes) -> None:
    check_against_reference(value)


def check_against_reference(value: bytes | None) -> None:
    result = run(value)
    allowed = reference.expect(value, KEY, ACCEPTED)
    if None in allowed and result.outcome in ERRORS:
        return
    fitting = [each for each in allowed if each and each.outcome == result.outcome]
    assert fitting, f"{result.outcome}, allowed: {allowed}"
    expected = fitting[0]
    assert result.published is not None
    assert result.published.topic == TOPICS.get(expected.outcome, "processed-errors")
    assert result.line == {
        "message_id": MESSAGE_ID,
        "outcome": expected.outcome,
        "topic": result.published.topic,
        "processing_time": 0.000004,
        "latency": 0.0,
        "timestamp": "2024-07-10T02:00:25.120Z",
    }
    key = None if expected.user_id is None else expected.user_id.encode()
    assert result.published.key == key
    if expected.outcome == "processed":
        assert result.record == {"message_id": MESSAGE_ID, **(expected.processed or {})}
    elif expected.outcome == "filtered":
        check_cleaned(result, expected)
    else:
        check_error(result, expected)


def check_cleaned(result: Run, expected: reference.Expected) -> None:
    record = result.record
    check_content(record.pop("message_content"), expected.content)
    assert record == {
        "message_id": MESSAGE_ID,
        "user_id": expected.user_id,
        "clean_type": "filtered_app_version",
        "timestamp": "2024-07-10T02:00:25.120Z",
    }


def check_error(result: Run, expected: reference.Expected) -> None:
    record = result.record
    error_message = record.pop("error_message")
    assert 0 < len(error_message) <= 500
    named = re.findall(rf"\b(?:{'|'.join(reference.FIELDS)})\b", error_message)
    assert tuple(named) == expected.fields
    check_content(record.pop("message_content"), expected.content)
    assert record == {
        "message_id": MESSAGE_ID,
        "user_id": expected.user_id,
        "error_type": expected.outcome,
        "source": {
            "topic": "user-login",
            "partition": PARTITION,
            "offset": 42,
            "timestamp": "2024-07-10T02:00:25.120Z",
        },
        "timestamp": "2024-07-10T02:00:25.120Z",
    }


def check_content(content: Any, expected: dict[str, Any] | None) -> None:
    """Numbers are compared as doubles: JSON readers need not know more digits."""
    if content is None or expected is None:
        assert content is expected
        return
    assert content.keys() == expected.keys()
    for name, value in expected.items():
        same = type(value) in (int, float) and float(value) == content[name]
        assert same or (value == content[name] and type(value) is type(content[name]))


distinctive = st.text("0123456789abcdef", min_size=12, max_size=12)
raw_devices = st.one_of(
    distinctive.map("dev-{}".format),
    distinctive.map("dëv-{}-\U0001f600".format),
    distinctive.map("dev-{}".format).map(lambda text: text * 80),
)
raw_addresses = st.one_of(
    st.tuples(*[st.integers(100, 255)] * 4).map(lambda octets: ".".join(map(str, octets))),
    st.tuples(*[st.integers(0x1000, 0xFFFF)] * 8).map(lambda n: ":".join(f"{x:x}" for x in n)),
    st.tuples(*[st.integers(100, 255)] * 4).map(lambda n: "::ffff:" + ".".join(map(str, n))),
    distinctive.map("no-address-{}".format),
    distinctive.map("no-address-{}".format).map(lambda text: text * 60),
)


def _wrapped(value: str) -> st.SearchStrategy[Any]:
    number = int.from_bytes(value.encode()[:7], "big")
    return st.sampled_from([value, value, value, [value], {value: value}, [[{"a": value}]], number])


@st.composite
def events_with_secrets(draw: Any) -> tuple[list[str], bytes]:
    ips, devices = draw(st.lists(raw_addresses, min_size=2, max_size=2)), draw(
        st.lists(raw_devices, min_size=2, max_size=2)
    )  # fmt: skip
    fields: list[tuple[str, Any]] = [
        (name, value) for name, value in EVENT.items() if name not in ("ip", "device_id")
    ]
    fields += [("ip", draw(_wrapped(ip))) for ip in ips[: draw(st.integers(1, 2))]]
    fields += [("device_id", draw(_wrapped(device))) for device in devices]
    for name, wrong in (("app_version", "1.0"), ("timestamp", "soon"), ("locale", None)):
        if draw(st.integers(0, 3)) == 0:
            fields.append((name, wrong))
    fields = draw(st.permutations(fields))
    ascii_only = draw(st.booleans())
    text = ",".join(f"{json.dumps(n)}:{json.dumps(v, ensure_ascii=ascii_only)}" for n, v in fields)
    value: bytes = ("{" + text + "}").encode()
    damage = draw(st.integers(0, 5))
    if damage == 0:
        value = value[: draw(st.integers(0, len(value)))]
    elif damage == 1:
        place = draw(st.integers(0, len(value)))
        value = value[:place] + draw(st.sampled_from([b"\xff", b"\0", b"}", b'"'])) + value[place:]
    return ips + devices, value


@given(events_with_secrets())
def test_raw_addresses_and_device_ids_leave_by_no_way(case: tuple[list[str], bytes]) -> None:
    raw, value = case
    given_settings = settings()
    summary = SummaryPrinter(given_settings, "00000000")
    summary.restore(PARTITION, None, None, 42, 0.0)
    pipeline = Pipeline(given_settings, KEY)

    work = pipeline.work(PARTITION, [message(value)], NOW, {})
    refused = pipeline.work(PARTITION, [message(value)], NOW, {(PARTITION, 42): "too large"})
    left = [part or b"" for _, *parts in work.records + refused.records for part in parts]
    left += MessageMetrics.records(work.lines + refused.lines, 0.1, NOW)
    summary.add(PARTITION, work, 0.0)
    left.append(summary.snapshot(PARTITION)[1].encode())
    left += [record for _, _, record in summary.publish([PARTITION], NOW)]

    for output in left:
        for secret in raw:
            number = str(int.from_bytes(secret.encode()[:7], "big"))
            for form in (secret, json.dumps(secret)[1:-1], number):
                assert form.encode() not in output
