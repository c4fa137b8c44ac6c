"""Works to count, and the counts that a summary record should hold of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, get_args

from hypothesis import strategies as st

from kafka_processor.outcomes import ErrorType, Outcome
from kafka_processor.pipeline import Work

ERROR_TYPES: tuple[ErrorType, ...] = get_args(ErrorType)
LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
DIGITS = frozenset("0123456789")


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


def is_device_type(text: str) -> bool:
    """The contract's rule, without a regular expression."""
    return (
        1 <= len(text) <= 16 and text[0] in LETTERS and set(text) <= LETTERS | DIGITS | set(" ._-")
    )


def is_locale(text: str) -> bool:
    first, *others = text.replace("-", "_").split("_")
    if others and len(others[0]) == 4 and set(others[0]) <= LETTERS:
        del others[0]
    if others:
        region = others.pop(0)
        is_letters = len(region) == 2 and set(region) <= LETTERS
        if not (is_letters or (len(region) == 3 and set(region) <= DIGITS)):
            return False
    return len(first) in (2, 3) and set(first) <= LETTERS and not others


def labels_of(labels: Sequence[str], limit: int, is_label: Callable[[str], bool]) -> dict[str, int]:
    """The contract's rule, label by label."""
    counts: dict[str, int] = {}
    for label in labels:
        listed = [name for name in counts if name != "__other__"]
        name = (
            label if is_label(label) and (label in counts or len(listed) < limit) else "__other__"
        )
        counts[name] = counts.get(name, 0) + 1
    return counts


many_labels = st.integers(0, 90).map("ru-{:03}".format)
odd_labels = st.sampled_from(
    ["RU", "ru", "", " ", "é", "a" * 16, "a" * 17, "a b", "en.US", "en_US", "a\n", "\u0661",
     "__other__", "x" * 1024, '"', "\u0000", "zh-Hant-TW", "es_419", "593-47-5928", "ru-RU\n"]
)  # fmt: skip
labels = many_labels | odd_labels
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(
    ["processed", "processed", "processed", "filtered", "skipped", *ERROR_TYPES]
)
messages = st.builds(Counted, outcomes, labels, labels, st.booleans())
batches = st.lists(st.lists(messages, min_size=1, max_size=40), max_size=8)
