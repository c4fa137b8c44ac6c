"""The demo's account says so when something is lost, doubled or counted wrongly."""

from collections import Counter

import pytest

from dev.demo_account import Account, close_account
from dev.demo_ledger import Ledger
from dev.demo_screen import printable
from kafka_processor.config import load_settings
from kafka_processor.outcomes import Outcome
from kafka_processor.records import (
    ErrorRecord,
    MessageDetails,
    MetricsRecord,
    ProcessedRecord,
    Source,
    SummaryRecord,
    encode,
)

NOW = 1_720_576_825.0
TIME = "2024-07-10T02:00:25.000Z"
SENT = Counter({"processed": 2, "skipped": 1, "parse_error": 1})


def ledger(
    processed: tuple[int, ...] = (0, 1),
    skipped: tuple[int, ...] = (2,),
    failed: tuple[int, ...] = (3,),
    received: int = 4,
    summary: dict[str, int] | None = None,
) -> Ledger:
    """What a reader has seen: the outcome of each offset, and the summary."""
    seen = Ledger(load_settings({}))

    def take(topic: str, value: bytes, offset: int = 0) -> None:
        seen.take(topic, (0, offset), value, round(NOW * 1000), NOW + 0.02)

    for offset in range(received):
        take("user-login", b"{}", offset)
    for offset in processed:
        fields = dict.fromkeys(ProcessedRecord.__struct_fields__[:-1], "x")
        record = ProcessedRecord(**fields | {"message_id": f"user-login-0-{offset}"})
        take("processed-output", encode(record))
    source = Source(topic="user-login", partition=0, offset=0, timestamp=None)
    for offset in failed:
        error = ErrorRecord(
            message_id=f"user-login-0-{offset}",
            user_id=None,
            error_type="parse_error",
            error_message="not JSON",
            message_content=None,
            source=source,
            timestamp=TIME,
        )
        take("processed-errors", encode(error))
    outcomes: dict[int, Outcome] = dict.fromkeys(skipped, "skipped")
    lines = [
        MessageDetails(
            message_id=f"user-login-0-{offset}",
            outcome=outcomes.get(offset, "processed"),
            topic=None,
            processing_time=0.0,
            latency=0.1,
            timestamp=TIME,
        )
        for offset in range(received)
    ]
    take("metrics-output", encode(MetricsRecord(lines)))
    counts = {"processed": 2, "filtered": 0, "skipped": 1, "parse_error": 1} | (summary or {})
    errors = {"parse_error": counts["parse_error"]}
    total = sum(counts.values())
    summary_record = SummaryRecord(
        consumer_group="group",
        source_topic="user-login",
        source_partition=0,
        next_offset=4,
        counted_since_offset=0,
        total_received_count=total,
        processed_count=counts["processed"],
        filtered_count=counts["filtered"],
        skipped_count=counts["skipped"],
        error_count=errors["parse_error"],
        replayed_count=0,
        error_type_counts=errors,
        device_type_counts={},
        locale_counts={},
        timestamp=TIME,
    )
    take("summary-output", encode(summary_record))
    return seen


def account(seen: Ledger, sent: Counter[str] = SENT, unacknowledged: int = 0) -> Account:
    return close_account(sent, unacknowledged, seen, ())


def test_an_account_without_problems() -> None:
    seen = ledger()
    assert account(seen).problems == ()
    assert account(seen).found == SENT
    assert seen.is_complete(4) and not seen.is_complete(5)


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        (ledger(processed=(0,)), "1 messages have no outcome"),
        (ledger(failed=()), "parse_error: 1 were expected, 0 are in the topics"),
        (ledger(processed=(0, 1, 1)), "1 messages have more than one outcome"),
        # One lost and another doubled: the numbers alone would add up.
        (ledger(processed=(0, 0)), "1 messages have no outcome"),
        (ledger(processed=(0, 0)), "1 messages have more than one outcome"),
        (ledger(received=5), "4 sent, but the input topic holds 5"),
        (ledger(summary={"processed": 3}), "processed: 2 are in the topics, 3 in the summary"),
    ],
)
def test_what_is_wrong_is_named(seen: Ledger, problem: str) -> None:
    assert problem in account(seen).problems


def test_events_without_acknowledgement_are_a_problem() -> None:
    assert "3 events were not acknowledged by the broker" in account(ledger(), SENT, 3).problems


def test_latency_is_from_the_message_to_the_reading_of_its_record() -> None:
    assert ledger().percentile(0.5) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"\x1b[2J\x07", "\\x1b[2J\\x07"),
        (b"caf\xc3\xa9 \xff", "café \\xff"),
        ("a\u202eb\nc", "a\\u202eb\\nc"),
        ("\ud800", "\\ud800"),
        (None, "(null value)"),
        (b"", "(empty)"),
    ],
)
def test_values_are_safe_to_show(value: str | bytes | None, shown: str) -> None:
    assert printable(value) == shown


def test_long_values_are_cut() -> None:
    assert len(printable(b"[" * 100_000, 200)) == 200
