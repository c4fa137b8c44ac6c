"""Shows the outcome and times of each message: one line each, below the line of its record."""

from collections import Counter
from typing import Final

from kafka_processor.config import Settings
from kafka_processor.records import MessageDetails, MetricsRecord
from kafka_processor.tail.tailing import View, message_name
from kafka_processor.terminal.printable import printable
from kafka_processor.terminal.screen import (
    BOLD,
    CYAN,
    DIM,
    GAP,
    GREEN,
    MAX_VALUE,
    NO_VALUE,
    RED,
    YELLOW,
    Screen,
)

STYLE_OF_OUTCOME: Final = {"processed": GREEN, "filtered": YELLOW, "skipped": YELLOW}


def metrics_view(screen: Screen, settings: Settings) -> View:
    styled = screen.styled
    id_width = len(settings.input_topic) + 12
    topic_width = max(len(topic) for topic in settings.output_topics[:3])

    def line(details: MessageDetails) -> str:
        message = printable(message_name(details.message_id, details.replay_of), MAX_VALUE)
        topic = printable(details.topic or NO_VALUE, MAX_VALUE)
        style = STYLE_OF_OUTCOME.get(details.outcome, RED)
        return (
            f"  {styled(message.ljust(id_width), CYAN)}  {styled(f'{details.outcome:15}', style)}"
            f"  {topic:{topic_width}}  {duration(details.processing_time):>8}"
            f"  {duration(details.latency):>8}"
        )

    def show(record: MetricsRecord, written: str) -> str:
        head = f"messages: {len(record.message_details):,}"
        if len(record.message_details) > 1:
            outcomes = Counter(details.outcome for details in record.message_details)
            head += f" ({', '.join(f'{n:,} {outcome}' for outcome, n in outcomes.most_common())})"
        head = screen.wrapped(head, len(written) + len(GAP))
        lines = map(line, record.message_details)
        return "\n".join([f"{styled(written, DIM)}{GAP}{styled(head, BOLD)}", *lines])

    heading = (
        f"  {'MESSAGE':{id_width}}  {'OUTCOME':15}  {'WENT TO':{topic_width}}"
        f"  {'WORK':>8}  {'LATENCY':>8}"
    )
    return View(MetricsRecord, heading, show)


def duration(seconds: float | None) -> str:
    """Formats a duration; below 28 hours in at most 8 characters."""
    if seconds is None:
        return NO_VALUE
    for factor, unit in ((1e6, "µs"), (1e3, "ms")):
        if abs(seconds) * factor < 999.95:
            return f"{seconds * factor:.1f} {unit}"
    return f"{seconds:,.1f} s" if abs(seconds) < 1e12 else f"{seconds:.0e} s"
