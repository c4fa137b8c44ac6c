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

MANY: Final = 0.1
MOST: Final = 0.5
"""Shares of the last minute's messages that failed, or were skipped."""
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


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What health is judged by. Times in seconds, `rate` in messages a second."""

    trouble: str
    """Why nothing can be read; empty if it can."""
    missing: Sequence[str]
    """Topics that are not there."""
    unread: Sequence[str]
    """Why each topic that is there has not been read to its end yet, or cannot be."""
    group: Group
    rate: float
    messages: int
    failed: int
    skipped: int
    """In the last minute."""
    quiet_for: float | None
    """Since the last outcome, as far as is read; None: none was seen."""


class _Finding(NamedTuple):
    level: Level
    reason: str


def judge(signs: Signs) -> Health:
    """The worst of what is found decides, and is named first."""
    if unknown := [signs.trouble] if signs.trouble else list(signs.unread):
        return Health("unknown", WORDS["unknown"], unknown)
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
    yield from _of_backlog(signs, _waiting(signs.group))
    yield from _of_share(signs, signs.failed, "failed")
    yield from _of_share(signs, signs.skipped, "were too old and skipped")


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


def _of_backlog(signs: Signs, waiting: int) -> Iterator[_Finding]:
    quiet_for = STANDSTILL if signs.quiet_for is None else signs.quiet_for
    if not waiting:
        if quiet_for > QUIET and not signs.missing:
            yield _Finding("idle", "No message comes in, and none waits.")
    elif signs.rate == 0 and quiet_for > QUIET:
        stands: Level = "trouble" if quiet_for >= STANDSTILL else "warning"
        yield _Finding(stands, f"{waiting:,} messages wait, and none is handled.")
    elif signs.rate and (wait := waiting / signs.rate) > LONG_WAIT:
        level: Level = "trouble" if wait > VERY_LONG_WAIT else "warning"
        yield _Finding(level, f"{waiting:,} messages wait, {_duration(wait)} of work.")


def _of_share(signs: Signs, count: int, what: str) -> Iterator[_Finding]:
    if signs.messages < FEW_MESSAGES:
        return
    share = count / signs.messages
    if share > MANY:
        level: Level = "trouble" if share > MOST else "warning"
        yield _Finding(level, f"{share:.0%} of the last minute's messages {what}.")


def _waiting(group: Group) -> int:
    """One offset alone may be the end of a transaction, and no message."""
    return sum(lag for lag in group.lags().values() if lag > 1)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
