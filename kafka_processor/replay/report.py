"""What a replay has found and done, for people and for programs. No value of a message in it."""

import textwrap
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from kafka_processor.message_id import Position, id_at
from kafka_processor.replay.candidates import GONE, Candidates, State
from kafka_processor.replay.finding import RULED_OUT
from kafka_processor.replay.selection import REPLAYABLE

WIDTH: Final = 80
EXAMPLES: Final = 5
"""Message ids that the text names, of those that may be many."""
_LABEL_WIDTH: Final = 15
DISTRUSTED: Final = (State.CONTRADICTED, State.PENDING)
"""Not sent on the word of their records."""


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
        """`why_not`: messages that were named and are no candidates. `stopped`: what ended it
        before it was done. `forged_copies`: the first of them."""
        self._forged_copies = list(forged_copies)
        self._forged_copies_found = forged_copies_found
        self._topic = input_topic
        self._candidates = candidates
        self._repeats_left_out = repeats_left_out
        self._unknown_records = unknown_records
        self._is_dry_run = is_dry_run
        self._stopped = stopped
        self._counts = candidates.counts()
        self._state = State.WAITING if is_dry_run else State.SENT
        """Of what this run sends, or would."""
        self._why_not = dict(why_not)

    @property
    def sent(self) -> int:
        return self._count(State.SENT)

    @property
    def is_complete(self) -> bool:
        """Whether everything that was chosen was sent, or was before, or (dry run) can be."""
        unsent = () if self._is_dry_run else (State.WAITING,)
        left = self._count(*GONE, State.REFUSED, State.UNREADABLE, *DISTRUSTED, *unsent)
        return not (self._stopped or self._why_not or left)

    def for_programs(self) -> dict[str, Any]:
        """One JSON object; every key is always there."""
        return {
            "input_topic": self._topic,
            "dry_run": self._is_dry_run,
            "complete": self.is_complete,
            "stopped": self._stopped,
            "chosen": self._chosen(),
            "to_be_sent": self._count(State.WAITING),
            "sent": self.sent,
            "already_replayed": self._count(State.REPEATED),
            "gone": self._count(*GONE),
            "refused": self._count(State.REFUSED),
            "unreadable": self._count(State.UNREADABLE),
            "contradicted": self._count(State.CONTRADICTED),
            "not_processed_yet": self._count(State.PENDING),
            "forged_copies": self._forged_copies_found,
            "repeats_left_out": self._repeats_left_out,
            "unknown_records": dict(self._unknown_records),
            "by_outcome": {o: n for o in REPLAYABLE if (n := self._count(self._state, outcome=o))},
            "by_partition": {str(p): n for p, n in self._by_partition(self._state).items()},
            "examples": list(self._ids(self._state, limit=EXAMPLES)),
            "gone_ids": list(self._ids(*GONE)),
            "refused_ids": list(self._ids(State.REFUSED)),
            "unreadable_ids": list(self._ids(State.UNREADABLE)),
            "contradicted_ids": list(self._ids(State.CONTRADICTED)),
            "not_processed_yet_ids": list(self._ids(State.PENDING)),
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
        if self._is_dry_run and self._count(State.WAITING):
            lines += ["", f"dry run: nothing was sent. --send sends {_messages(self._waiting)}."]
        elif self._is_dry_run:
            lines += ["", "dry run: there is nothing to send."]
        elif self.sent or self._waiting:
            but = f", {self._waiting:,} not" if self._waiting else ""
            lines += ["", f"{_messages(self.sent)} sent{but}."]
        elif self._chosen():
            lines += ["", "nothing was left to send."]
        return "\n".join(lines)

    @property
    def _waiting(self) -> int:
        return self._count(State.WAITING)

    def _table(self) -> Iterator[str]:
        columns = {
            "would be sent" if self._is_dry_run else "sent": (self._state,),
            "already replayed": (State.REPEATED,),
            "no longer there": GONE,
            "refused": (State.REFUSED,),
            "unreadable": (State.UNREADABLE,),
            "contradicted": (State.CONTRADICTED,),
            "not processed": (State.PENDING,),
            "not sent": () if self._is_dry_run else (State.WAITING,),
        }
        shown = {
            title: states
            for title, states in columns.items()
            if title in ("would be sent", "sent", "already replayed") or self._count(*states)
        }
        yield f"{_messages(self._chosen())} chosen in {self._topic}"
        yield ""
        yield " " * _LABEL_WIDTH + "".join(f"  {title:>15}" for title in shown)
        for outcome in REPLAYABLE:
            counts = [self._count(*states, outcome=outcome) for states in shown.values()]
            if any(counts):
                yield _row(outcome, counts)
        if sum(any(o == outcome for _, o, _ in self._counts) for outcome in REPLAYABLE) > 1:
            yield _row("all", [self._count(*states) for states in shown.values()])

    def _remarks(self) -> Iterator[str]:
        remarks = []
        if self._count(*GONE):
            remarks.append(_labelled("no longer there", self._named(*GONE)))
        if self._count(State.REFUSED):
            named = self._named(State.REFUSED)
            remarks.append(_labelled("refused", f"{named} (by the broker, or unreadable headers)"))
        if self._count(State.UNREADABLE):
            named = self._named(State.UNREADABLE)
            remarks.append(_labelled("unreadable", f"{named} (the client cannot read them)"))
        if self._count(State.CONTRADICTED):
            named = self._named(State.CONTRADICTED)
            why = "other records say that they were processed, or failed otherwise: forged?"
            remarks.append(_labelled("contradicted", f"{named}: {why}"))
        if self._count(State.PENDING):
            named = self._named(State.PENDING)
            why = "the group has not read them yet, so the records about them are forged"
            remarks.append(_labelled("not processed", f"{named}: {why}"))
        if self._forged_copies_found:
            named = ", ".join(map(self._id, self._forged_copies[:EXAMPLES]))
            more = self._forged_copies_found - EXAMPLES
            named += f" and {more:,} more" if more > 0 else ""
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
        named = ", ".join(self._ids(*states, limit=EXAMPLES))
        more = self._count(*states) - EXAMPLES
        if more <= 0:
            return named
        hint = " (all with --json)" if states in (GONE, *((each,) for each in DISTRUSTED)) else ""
        return f"{named} and {more:,} more{hint}"


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
    """Also the candidates that were named and that the message itself ruled out."""
    ruled_out = {p: RULED_OUT for p in named if candidates.state_of(p) == State.NOT_CHOSEN}
    return dict(sorted({**why_not, **ruled_out}.items()))
