"""Is it well? A word and its reasons, for a glance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from kafka_processor.dashboard.group import Group

Level = Literal["well", "idle", "warning", "trouble", "unknown"]
WORDS: Final[dict[Level, str]] = {
    "well": "Healthy",
    "idle": "Idle",
    "warning": "Warning",
    "trouble": "Trouble",
    "unknown": "Waiting",
}

MANY_ERRORS: Final = 0.1
MOST_ERRORS: Final = 0.5
"""Shares of the last minute's messages that failed."""
FEW_MESSAGES: Final = 20
"""Of less in a minute a share says nothing."""
LONG_WAIT: Final = 5.0
VERY_LONG_WAIT: Final = 60.0
"""Seconds of work that wait."""
STANDSTILL: Final = 30.0
"""Seconds without any outcome while messages wait."""
QUIET: Final = 10.0
"""Seconds without a message after which it is idle."""


class Health(Struct):
    level: Level
    word: str
    reasons: list[str]


@dataclass(frozen=True)
class Signs:
    """What health is judged by. Times in seconds, `rate` in messages a second."""

    trouble: str
    """Why nothing can be read; empty if it can."""
    missing: Sequence[str]
    """Topics that are not there."""
    group: Group
    rate: float
    messages: int
    failed: int
    """In the last minute."""
    quiet_for: float | None
    """Since the last outcome; None: none was seen."""


class _Finding(NamedTuple):
    level: Level
    reason: str


def judge(signs: Signs) -> Health:
    """The worst of what is found decides, and is named first."""
    if signs.trouble:
        return Health("unknown", WORDS["unknown"], [signs.trouble])
    order: list[Level] = ["trouble", "unknown", "warning", "idle", "well"]
    findings = sorted(_findings(signs), key=lambda each: order.index(each.level))
    worst = findings[0].level if findings else "well"
    reasons = [each.reason for each in findings] or ["Messages are handled as they come."]
    return Health(worst, WORDS[worst], reasons)


def _findings(signs: Signs) -> Iterator[_Finding]:
    for topic in signs.missing:
        yield _Finding(
            "unknown", f"There is no topic {topic} yet; kafka-processor makes it at its start."
        )
    yield from _of_group(signs)
    yield from _of_errors(signs)
    is_quiet = signs.quiet_for is None or signs.quiet_for > QUIET
    if is_quiet and not signs.missing and not _waiting(signs.group):
        yield _Finding("idle", "No message comes in, and none waits.")


def _of_group(signs: Signs) -> Iterator[_Finding]:
    group, waiting = signs.group, _waiting(signs.group)
    if group.problem:
        yield _Finding("warning", group.problem)
        return
    if not group.state:
        return
    if not group.members:
        what = f"and {waiting:,} messages wait" if waiting else "and nothing waits"
        yield _Finding("trouble" if waiting else "warning", f"No process is running, {what}.")
        return
    if group.state == "rebalancing":
        yield _Finding("warning", "The partitions are being shared out anew.")
    elif unowned := len(group.ends.keys() - {p for m in group.members for p in m.partitions}):
        yield _Finding("warning", f"{unowned} partitions belong to no process.")
    if not waiting:
        return
    if signs.rate == 0 and (signs.quiet_for is None or signs.quiet_for > STANDSTILL):
        yield _Finding("trouble", f"{waiting:,} messages wait, and none is handled.")
    elif signs.rate and (wait := waiting / signs.rate) > LONG_WAIT:
        level: Level = "trouble" if wait > VERY_LONG_WAIT else "warning"
        yield _Finding(level, f"{waiting:,} messages wait, {_duration(wait)} of work.")


def _of_errors(signs: Signs) -> Iterator[_Finding]:
    if signs.messages < FEW_MESSAGES:
        return
    share = signs.failed / signs.messages
    if share > MANY_ERRORS:
        level: Level = "trouble" if share > MOST_ERRORS else "warning"
        yield _Finding(level, f"{share:.0%} of the last minute's messages failed.")


def _waiting(group: Group) -> int:
    """One offset alone may be the end of a transaction, and no message."""
    return sum(lag for lag in group.lags().values() if lag > 1)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
