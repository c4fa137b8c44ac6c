"""The counts of a partition: sums that add up, labels that stay few, a snapshot that fits."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.outcomes import Outcome
from kafka_processor.records import decode_snapshot
from kafka_processor.summary_printer import PartitionCounts, SummaryPrinter
from tests.unit.pipeline_runs import NOW, settings
from tests.unit.summary_runs import (
    ERROR_TYPES,
    Counted,
    batches,
    is_device_type,
    is_locale,
    labels_of,
    work_of,
)

LARGEST = 2**63 - 1
METADATA_LIMIT = 4096
"""The broker's default for `offset.metadata.max.bytes`."""


def record_of(summary: SummaryPrinter, partition: int = 0) -> dict[str, object]:
    [(_, _, value)] = summary.publish([partition], NOW)
    record: dict[str, object] = json.loads(value)
    return record


@given(batches, st.data())
def test_the_sums_add_up_however_messages_are_batched_and_restored(
    given_batches: list[list[Counted]], data: st.DataObject
) -> None:
    summary = SummaryPrinter(settings(), "0123abcd")
    summary.restore(0, None, None, 100, 0.0)
    messages: list[Counted] = []
    for batch in given_batches:
        summary.add(0, work_of(batch, 100 + len(messages)), 0.0)
        messages += batch
        step = data.draw(st.integers(0, 3))
        if step == 0:
            list(summary.publish([0], NOW))
        if step == 1:
            offset, metadata = summary.snapshot(0)
            assert offset == 100 + len(messages)
            summary = SummaryPrinter(settings(), "0123abcd")
            assert summary.restore(0, offset, metadata, offset, 0.0) is None
    summary.add(0, work_of([Counted("processed")], 100 + len(messages)), 0.0)
    messages.append(Counted("processed"))

    processed = [message for message in messages if message.outcome == "processed"]
    of: dict[str, int] = {}
    for message in messages:
        of[message.outcome] = of.get(message.outcome, 0) + 1
    errors = {name: of[name] for name in ERROR_TYPES if name in of}
    assert record_of(summary) == {
        "consumer_group": "kafka-processor",
        "source_topic": "user-login",
        "source_partition": 0,
        "next_offset": 100 + len(messages),
        "counted_since_offset": 100,
        "total_received_count": len(messages),
        "processed_count": len(processed),
        "filtered_count": of.get("filtered", 0),
        "skipped_count": of.get("skipped", 0),
        "error_count": sum(errors.values()),
        "replayed_count": sum(message.replayed for message in messages),
        "error_type_counts": errors,
        "device_type_counts": labels_of(
            [message.device_type for message in processed], 32, is_device_type
        ),
        "locale_counts": labels_of([message.locale for message in processed], 64, is_locale),
        "timestamp": "2024-07-10T02:00:25.120Z",
    }


def labelled(count: int, make: str) -> list[Counted]:
    return [Counted("processed", make.format(n), make.format(n)) for n in range(count)]


def test_labels_after_the_first_64_locales_and_32_device_types_count_as_other() -> None:
    counts = PartitionCounts(0)
    counts.add(work_of([Counted("processed", "1", "")], 0))
    counts.add(work_of(labelled(70, "ru-{:03}"), 1))
    assert counts.locales["__other__"] == 1 + 6
    assert counts.device_types["__other__"] == 1 + 38
    assert [f"ru-{n:03}" in counts.locales for n in (63, 64)] == [True, False]
    assert [f"ru-{n:03}" in counts.device_types for n in (31, 32)] == [True, False]

    counts.add(work_of(labelled(70, "ru-{:03}"), 71))
    assert counts.locales["ru-000"] == 2, "a listed label stays"
    assert counts.locales["__other__"] == 1 + 2 * 6


def restored(metadata: str, offset: int, **given_settings: str) -> dict[str, object]:
    summary = SummaryPrinter(settings(**given_settings), "0123abcd")
    assert summary.restore(0, offset, metadata, offset, 0.0) is None
    return record_of(summary)


def test_stored_counts_of_what_is_no_longer_a_label_are_kept_as_other() -> None:
    invented = {f"x{n}-y{n}": 1 for n in range(60)}
    locales = {**invented, "RU": 7, "__other__": 2, "593-47-5928": 1, "ru RU": 1}
    counts = PartitionCounts(0)
    counts.next_offset = 71
    counts.kinds["processed"] = 71
    counts.locales, counts.device_types = dict(locales), {"android": 70, "1.2.3.4": 1}
    metadata = counts.snapshot("0123abcd")
    assert restored(metadata, 71)["locale_counts"] == {"__other__": 64, "RU": 7}
    assert restored(metadata, 71)["device_type_counts"] == {"__other__": 1, "android": 70}
    record = restored(metadata, 71, LOCALE_LABELS="TX,US", DEVICE_TYPE_LABELS="iOS, android")
    assert record["locale_counts"] == {"__other__": 71}
    assert record["device_type_counts"] == {"__other__": 1, "android": 70}


def test_with_a_fixed_list_exactly_its_items_are_listed() -> None:
    summary = SummaryPrinter(settings(LOCALE_LABELS="RU, pt_BR", DEVICE_TYPE_LABELS="iOS"), "0" * 8)
    summary.restore(0, None, None, 0, 0.0)
    invented = [Counted("processed", f"device {n}", f"x{chr(97 + n % 26)}") for n in range(70)]
    real = [Counted("processed", "iOS", "pt_BR"), Counted("processed", "ios", "RU")]
    summary.add(0, work_of(invented + real, 0), 0.0)
    record = record_of(summary)
    assert record["locale_counts"] == {"__other__": 70, "pt_BR": 1, "RU": 1}
    assert record["device_type_counts"] == {"__other__": 71, "iOS": 1}


def test_labels_stay_fixed_when_the_topic_is_created_again() -> None:
    summary = SummaryPrinter(settings(DEVICE_TYPE_LABELS="iOS"), "0" * 8)
    summary.restore(0, None, None, 0, 0.0)
    summary.restart(0)
    summary.add(0, work_of([Counted("processed", "Secret", "RU")], 0), 0.0)
    assert record_of(summary)["device_type_counts"] == {"__other__": 1}


def largest_counts() -> PartitionCounts:
    """As many digits as there can be: all messages sum up to the largest offset.

    64 + 1 locales of 18 digits are 6.5e18 processed messages, which are 3 device types of 19
    digits and 30 of 18; what remains are 5 errors of 18 digits and two outcomes of 19.
    """
    counts = PartitionCounts(LARGEST, "iO/A+LWe")
    counts.replayed = LARGEST
    locales = [f"zzz-Hant-{n:03}" for n in range(64)]
    names = [f"sixteen c.ars_{n:02}" for n in range(32)]
    assert all(is_locale(name) for name in locales)
    assert not any(is_locale(name + letter) for name in locales for letter in "a1-_")
    assert all(is_device_type(name) and len(name) == 16 for name in names)
    counts.locales = dict.fromkeys([*locales, "__other__"], 10**17)
    counts.kinds["processed"] = processed = sum(counts.locales.values())
    counts.device_types = dict.fromkeys([*names, "__other__"], 10**17)
    for name in names[:3]:
        counts.device_types[name] = 10**18
    counts.errors.update(dict.fromkeys(ERROR_TYPES, 10**17))
    counts.kinds.update(filtered=10**18, skipped=10**18)
    spare = processed - sum(counts.device_types.values())
    assert spare >= 0
    counts.device_types["__other__"] += spare
    assert counts.kinds.total() + counts.errors.total() <= LARGEST
    assert processed + 2 * 10**18 + 5 * 10**17 + 10**18 > LARGEST, "no digit more"
    return counts


def test_the_worst_snapshot_fits_into_the_metadata_of_an_offset() -> None:
    counts = largest_counts()
    text = counts.snapshot("0123abcd")
    assert len(text.encode()) <= METADATA_LIMIT


def test_the_worst_snapshot_comes_back_whole() -> None:
    counts = largest_counts()
    again = PartitionCounts(0)
    again.take_up(decode_snapshot(counts.snapshot("0123abcd")))
    assert vars(again) == vars(counts)


def test_no_more_labels_than_the_worst_case_has_are_ever_kept() -> None:
    counts = PartitionCounts(0)
    for batch in range(20):
        letter = chr(97 + batch)
        counts.add(work_of(labelled(100, f"{letter}x-{{:03}}"), 100 * batch))
    assert len(counts.locales) == 65
    assert len(counts.device_types) == 33


@pytest.mark.parametrize("outcome", ["filtered", "skipped", *ERROR_TYPES])
def test_labels_count_processed_messages_alone(outcome: Outcome) -> None:
    counts = PartitionCounts(0)
    counts.add(work_of([Counted(outcome)], 0))
    assert counts.locales == counts.device_types == {}
