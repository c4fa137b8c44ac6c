"""Shows the running counts of each input partition, and the sum of all partitions seen."""

from collections.abc import Iterator, Mapping
from typing import Final

from kafka_processor.config import Settings
from kafka_processor.event.labels import IsLabel, add_counts, is_device_type, is_locale, labels
from kafka_processor.records import SummaryRecord
from kafka_processor.tail.tailing import View
from kafka_processor.terminal.printable import printable
from kafka_processor.terminal.screen import (
    BOLD,
    CYAN,
    DIM,
    GAP,
    GREEN,
    MAX_VALUE,
    RED,
    YELLOW,
    Screen,
)

_Key = tuple[str, str, int]
MAX_KEYS: Final = 2_000
"""Most recent groups and partitions that are kept: forged records may name any number."""
MAX_ROWS: Final = 5
MAX_LABEL: Final = 16
MAX_ERROR_TYPES: Final = 10
MAX_BAR: Final = 20
WIDTH_OF_A_PIPE: Final = 100


def summary_view(screen: Screen, settings: Settings) -> View:
    is_device = labels(is_device_type, settings.device_type_labels)
    is_place = labels(is_locale, settings.locale_labels)
    latest: dict[_Key, SummaryRecord] = {}

    def show(record: SummaryRecord, written: str) -> str:
        # The three parts of the record's key. Another group counts the same input again.
        key = record.consumer_group, record.source_topic, record.source_partition
        record.device_type_counts = _labelled(record.device_type_counts, is_device)
        record.locale_counts = _labelled(record.locale_counts, is_place)
        latest.pop(key, None)
        latest[key] = record
        if len(latest) > MAX_KEYS:
            del latest[next(iter(latest))]
        of_group = [
            each for each in latest.values() if each.consumer_group == record.consumer_group
        ]
        return "\n".join(
            [
                _head(screen, record, written),
                *_block(screen, record),
                *_further_counts(screen, record),
                _sum(screen, of_group),
            ]
        )

    return View(SummaryRecord, "", show)


def _labelled(counts: Mapping[str, int], is_label: IsLabel) -> dict[str, int]:
    """Replaces everything that is not a label, since records may be forged."""
    labelled: dict[str, int] = {}
    add_counts(labelled, counts, is_label, len(counts))
    return labelled


def _head(screen: Screen, record: SummaryRecord, written: str) -> str:
    partition = printable(f"{record.source_topic}-{record.source_partition}", MAX_VALUE)
    rest = printable(
        f"next offset {record.next_offset:,}, group {record.consumer_group}", MAX_VALUE
    )
    return f"{screen.styled(written, DIM)}  {screen.styled(partition, CYAN)}  {rest}"


def _block(screen: Screen, record: SummaryRecord) -> Iterator[str]:
    """Yields lines with the counts, device types and locales side by side."""
    counts = (
        ("total", record.total_received_count, BOLD),
        ("processed", record.processed_count, GREEN),
        ("filtered", record.filtered_count, YELLOW),
        ("skipped", record.skipped_count, YELLOW),
        ("error", record.error_count, RED),
    )
    digits = max(len(f"{count:,}") for _, count, _ in counts)
    # 10: the longest name and a space; three gaps, including the one on the left.
    width = ((screen.width or WIDTH_OF_A_PIPE) - 10 - digits - 3 * len(GAP)) // 2
    devices, locales = _bars(record.device_type_counts, width), _bars(record.locale_counts, width)
    for (name, count, style), device, locale in zip(counts, devices, locales, strict=True):
        cell = screen.styled(f"{name:9} {count:>{digits},}", style)
        yield f"{GAP}{cell}{GAP}{device:{width}}{GAP}{locale}".rstrip()


def _bars(counts: Mapping[str, int], width: int) -> list[str]:
    """Returns MAX_ROWS lines: the most frequent labels, and the sum of the others."""
    if not counts:
        return [""] * MAX_ROWS
    by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    largest = max(by_count[0][1], 1)
    rows = [(printable(label, MAX_LABEL), count / largest, count) for label, count in by_count]
    if len(rows) > MAX_ROWS:
        left = rows[MAX_ROWS - 1 :]
        rows[MAX_ROWS - 1 :] = [(f"{len(left)} others", 0.0, sum(count for _, _, count in left))]
    label_width = max(len(label) for label, _, _ in rows)
    digits = max(len(f"{count:,}") for _, _, count in rows)
    longest = max(min(MAX_BAR, width - label_width - digits - 2), 1)
    lines = [
        f"{label:{label_width}} {_bar(share, longest):{longest}} {count:>{digits},}"
        for label, share, count in rows
    ]
    return lines + [""] * (MAX_ROWS - len(lines))


def _bar(share: float, longest: int) -> str:
    return "█" * round(share * longest) or ("▏" if share > 0 else "")


def _further_counts(screen: Screen, record: SummaryRecord) -> Iterator[str]:
    errors = [
        f"{printable(name, MAX_LABEL)} {count:,}"
        for name, count in record.error_type_counts.items()
    ]
    if len(errors) > MAX_ERROR_TYPES:
        errors[MAX_ERROR_TYPES:] = [f"{len(errors) - MAX_ERROR_TYPES} others"]
    if errors:
        yield GAP + screen.wrapped(f"errors: {', '.join(errors)}", len(GAP))
    if record.counted_since_offset:
        yield f"{GAP}counted since offset {record.counted_since_offset:,}"
    if record.replayed_count:
        yield f"{GAP}of the total, sent by a replay: {record.replayed_count:,}"


def _sum(screen: Screen, records: list[SummaryRecord]) -> str:
    """Returns the sum over the latest record of each partition that was seen."""
    total = sum(each.total_received_count for each in records)
    parts = {
        "processed": sum(each.processed_count for each in records),
        "filtered": sum(each.filtered_count for each in records),
        "skipped": sum(each.skipped_count for each in records),
        "error": sum(each.error_count for each in records),
    }
    adds_up = total == sum(parts.values())
    seen = "1 partition seen" if len(records) == 1 else f"{len(records)} partitions seen"
    text = f"{seen}: {total:,} {'=' if adds_up else '≠'} "
    text += " + ".join(f"{count:,} {name}" for name, count in parts.items())
    return GAP + screen.styled(screen.wrapped(text, len(GAP)), BOLD if adds_up else RED)
