"""Works to count, and the counts that a summary record should hold of them."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from kafka_processor.pipeline import Work
from kafka_processor.records import ErrorType, Outcome

ERROR_TYPES: tuple[ErrorType, ...] = (
    "parse_error",
    "missing_field",
    "invalid_field",
    "transform_error",
    "publish_error",
)
SHORT = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"


class Counted(NamedTuple):
    """A message as far as it counts."""

    outcome: Outcome
    device_type: str = "android"
    locale: str = "RU"
    replayed: bool = False


def work_of(messages: Sequence[Counted], first_offset: int) -> Work:
    processed = [message for message in messages if message.outcome == "processed"]
    return Work(
        next_offset=first_offset + len(messages),
        lines=["a line"] * len(messages),
        outcomes=Counter(message.outcome for message in messages),
        device_types=Counter(message.device_type for message in processed),
        locales=Counter(message.locale for message in processed),
        replayed=sum(message.replayed for message in messages),
    )


def labels_of(labels: Sequence[str], limit: int) -> dict[str, int]:
    """The contract's rule, label by label."""
    counts: dict[str, int] = {}
    for label in labels:
        fits = 1 <= len(label) <= 16 and set(label) <= set(SHORT)
        listed = [name for name in counts if name != "__other__"]
        name = label if fits and (label in counts or len(listed) < limit) else "__other__"
        counts[name] = counts.get(name, 0) + 1
    return counts


many_labels = st.integers(0, 90).map("label-{}".format)
odd_labels = st.sampled_from(
    ["RU", "ru", "", " ", "é", "a" * 16, "a" * 17, "a b", "en.US", "en_US", "a\n", "\u0661",
     "__other__", "x" * 1024, '"', "\u0000"]
)  # fmt: skip
labels = many_labels | odd_labels
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(
    ["processed", "processed", "processed", "filtered", "skipped", *ERROR_TYPES]
)
messages = st.builds(Counted, outcomes, labels, labels, st.booleans())
batches = st.lists(st.lists(messages, min_size=1, max_size=40), max_size=8)
