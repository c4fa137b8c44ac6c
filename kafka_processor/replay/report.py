"""What a replay has found and done, for people and for programs. Holds no value of a message."""

import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from kafka_processor.message_id import Position, id_at
from kafka_processor.replay.candidates import GONE, Candidates, State
from kafka_processor.replay.finding import RULED_OUT
from kafka_processor.replay.selection import REPLAYABLE

WIDTH: Final = 80
EXAMPLES: Final = 5
"""Message ids that the text names, of those that may be many."""
_LABEL_WIDTH: Final = 15


class _Group(NamedTuple):
    """Chosen messages that this run does not send, and how they are reported."""

    title: str
    key: str
    """In the JSON object."""
    states: tuple[State, ...]
    remark: str | None = None
    """Follows their ids in the text; None: they were sent before, and are only counted."""


_GROUPS: Final = (
    _Group(title="already replayed", key="already_replayed", states=(State.REPEATED,)),
    _Group(title="no longer there", key="gone", states=GONE, remark=""),
    _Group(
        title="refused",
        key="refused",
        states=(State.REFUSED,),
        remark=" (by the broker, or unreadable headers)",
    ),
    _Group(
        title="unreadable",
        key="unreadable",
        states=(State.UNREADABLE,),
        remark=" (the client cannot read them)",
    ),
    _Group(
        title="contradicted",
        key="contradicted",
        states=(State.CONTRADICTED,),
        remark=": other records say that they were processed, or failed otherwise: forged?",
    ),
    _Group(
        title="not processed",
        key="not_processed_yet",
        states=(State.PENDING,),
        remark=": the group has not read them yet, so the records about them are forged",
    ),
)


class Report:
    def __init__(
        self,
        input_topic: str,
        candidates: Candidates,
        why_not: Mapping[Position, str],
        repeats_left_out: int,
        unknown_records: Mapping[str, int],
        *,
        is_dry_run: bool,
        stopped: str | None = None,
        forged_copies: Collection[Position] = (),
        forged_copies_found: int = 0,
    ) -> None:
        """`why_not`: named messages that are not candidates. `stopped`: why the replay ended early.
        `forged_copies`: the first of them."""
        self._topic = input_topic
        self._candidates = candidates
        self._why_not = dict(why_not)
        self._repeats_left_out = repeats_left_out
        self._unknown_records = unknown_records
        self._is_dry_run = is_dry_run
        self._stopped = stopped
        self._forged_copies = list(forged_copies)
        self._forged_copies_found = forged_copies_found
        self._counts = candidates.counts()
        self._state = State.WAITING if is_dry_run else State.SENT
        """Of the messages that this run sends, or would send."""

    @property
    def sent(self) -> int:
        return self._count(State.SENT)

    @property
    def _waiting(self) -> int:
        return self._count(State.WAITING)

    @property
    def is_complete(self) -> bool:
        """Whether every chosen message was sent, now or before, or in a dry run can be."""
        unsent = 0 if self._is_dry_run else self._waiting
        left = sum(self._count(*group.states) for group in _GROUPS if group.remark is not None)
        return not (self._stopped or self._why_not or unsent or left)

    def for_programs(self) -> dict[str, Any]:
        """Returns one JSON object, always with every key."""
        return {
            "input_topic": self._topic,
            "dry_run": self._is_dry_run,
            "complete": self.is_complete,
            "stopped": self._stopped,
            "chosen": self._chosen(),
            "to_be_sent": self._waiting,
            "sent": self.sent,
            **{group.key: self._count(*group.states) for group in _GROUPS},
            "forged_copies": self._forged_copies_found,
            "repeats_left_out": self._repeats_left_out,
            "unknown_records": dict(self._unknown_records),
            "by_outcome": {o: n for o in REPLAYABLE if (n := self._count(self._state, outcome=o))},
            "by_partition": {str(p): n for p, n in self._by_partition(self._state).items()},
            "examples": list(self._ids(self._state, limit=EXAMPLES)),
            **{
                f"{group.key}_ids": list(self._ids(*group.states))
                for group in _GROUPS
                if group.remark is not None
            },
            "forged_copy_ids": [self._id(position) for position in self._forged_copies],
            "not_replayed": {self._id(position): why for position, why in self._why_not.items()},
        }

    def for_people(self) -> str:
        lines = list(self._table()) if self._chosen() else ["no message was chosen"]
        if self._count(self._state):
            counts = self._by_partition(self._state).items()
            lines += [
                "",
                _labelled("by partition", ", ".join(f"{p}: {n:,}" for p, n in counts)),
                _labelled("such as", self._named(self._state)),
            ]
        lines += self._remarks()
        if self._is_dry_run and self._waiting:
            lines += ["", f"dry run: nothing was sent. --send sends {_messages(self._waiting)}."]
        elif self._is_dry_run:
            lines += ["", "dry run: there is nothing to send."]
        elif self.sent or self._waiting:
            but = f", {self._waiting:,} not" if self._waiting else ""
            lines += ["", f"{_messages(self.sent)} sent{but}."]
        elif self._chosen():
            lines += ["", "nothing was left to send."]
        return "\n".join(lines)

    def _table(self) -> Iterator[str]:
        columns: dict[str, tuple[State, ...]] = {
            "would be sent" if self._is_dry_run else "sent": (self._state,)
        }
        for group in _GROUPS:
            if group.remark is None or self._count(*group.states):
                columns[group.title] = group.states
        if not self._is_dry_run and self._waiting:
            columns["not sent"] = (State.WAITING,)
        yield f"{_messages(self._chosen())} chosen in {self._topic}"
        yield ""
        yield " " * _LABEL_WIDTH + "".join(f"  {title:>15}" for title in columns)
        rows = {
            outcome: [self._count(*states, outcome=outcome) for states in columns.values()]
            for outcome in REPLAYABLE
        }
        for outcome, counts in rows.items():
            if any(counts):
                yield _row(outcome, counts)
        if len({outcome for _, outcome, _ in self._counts}) > 1:
            yield _row("all", [self._count(*states) for states in columns.values()])

    def _remarks(self) -> Iterator[str]:
        remarks = [
            _labelled(group.title, self._named(*group.states) + group.remark)
            for group in _GROUPS
            if group.remark is not None and self._count(*group.states)
        ]
        if self._forged_copies_found:
            named = self._first(self._forged_copies, self._forged_copies_found)
            why = "they name a message in replay-of and have another key or value"
            remarks.append(_labelled("no copies", f"{named}: {why}"))
        for position, why in islice(self._why_not.items(), EXAMPLES):
            remarks.append(_labelled("not replayed", f"{self._id(position)}: {why}"))
        if len(self._why_not) > EXAMPLES:
            more = len(self._why_not) - EXAMPLES
            remarks.append(_labelled("", f"and {more:,} more (all with --json)"))
        if self._repeats_left_out:
            left_out = f"{self._repeats_left_out:,} that are repeats themselves"
            remarks.append(_labelled("left out", f"{left_out} (--include-repeats takes them too)"))
        for topic, count in self._unknown_records.items():
            remarks.append(
                _labelled("passed over", f"{count:,} records of another form in {topic}")
            )
        if remarks:
            yield ""
            yield from remarks

    def _chosen(self) -> int:
        return sum(n for (_, _, state), n in self._counts.items() if state != State.NOT_CHOSEN)

    def _count(self, *states: State, outcome: str | None = None) -> int:
        return sum(
            count
            for (_, its_outcome, state), count in self._counts.items()
            if state in states and outcome in (None, its_outcome)
        )

    def _by_partition(self, state: State) -> dict[int, int]:
        counts: Counter[int] = Counter()
        for (partition, _, its_state), count in self._counts.items():
            if its_state == state:
                counts[partition] += count
        return dict(sorted(counts.items()))

    def _ids(self, *states: State, limit: int | None = None) -> Iterator[str]:
        return map(self._id, islice(self._candidates.positions(*states), limit))

    def _id(self, position: Position) -> str:
        return id_at(self._topic, *position)

    def _named(self, *states: State) -> str:
        hint = "" if states == (self._state,) else " (all with --json)"
        return self._first(self._candidates.positions(*states), self._count(*states), hint)

    def _first(self, positions: Iterable[Position], count: int, hint: str = "") -> str:
        named = ", ".join(map(self._id, islice(positions, EXAMPLES)))
        more = count - EXAMPLES
        return f"{named} and {more:,} more{hint}" if more > 0 else named


def _messages(count: int) -> str:
    return f"{count:,} message" if count == 1 else f"{count:,} messages"


def _row(label: str, counts: list[int]) -> str:
    return f"{label:{_LABEL_WIDTH}}" + "".join(f"  {count:>15,}" for count in counts)


def _labelled(label: str, text: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=f"{label:{_LABEL_WIDTH}}  ",
        subsequent_indent=" " * (_LABEL_WIDTH + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def with_named_ones(
    why_not: Mapping[Position, str], candidates: Candidates, named: frozenset[Position]
) -> dict[Position, str]:
    """Adds the named candidates that the message itself has ruled out."""
    ruled_out = {p: RULED_OUT for p in named if candidates.state_of(p) == State.NOT_CHOSEN}
    return dict(sorted({**why_not, **ruled_out}.items()))
