"""The loop between fakes: whatever happens in whatever order, the invariants of docs/delivery.md.

After each step what a read_committed reader sees is compared with what was committed, and both with
what was sent.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kafka_processor.delivery.batch import MAX_AGE
from kafka_processor.errors import ConsumerEndedError
from kafka_processor.loop_state import State
from kafka_processor.pipeline import Pipeline
from kafka_processor.processor import Processor
from kafka_processor.reading import POLL_INTERVAL
from kafka_processor.records import Snapshot, decode_snapshot
from kafka_processor.recovery import MAX_PAUSE
from kafka_processor.summary_printer import SummaryPrinter
from kafka_processor.transformer import key_id
from tests.support.fakes import (
    FakeBroker,
    FakeInput,
    FakeMessage,
    FakeOutput,
    FakeTime,
    FakeTopic,
    Fate,
    unused,
)
from tests.unit.pipeline_runs import KEY, event, settings

PARTITIONS = 3
SETTINGS = settings(MAX_MESSAGE_AGE="0", SUMMARY_PUBLISH_INTERVAL="4", INSTANCE_ID="one")
SIZES = {
    "reading.MAX_SLICE": 5,
    "membership.polled.MAX_SLICE": 3,
    "processor.BACKLOG": 2,
    "current_batch.MAX_BUFFERED": 8,
    "delivery.batch.MAX_LINES": 4,
}
"""Small, so that a few messages fill what thousands do."""
TURNS = 3_000
"""Enough to get over anything that has happened."""
STOP_TIMEOUT = 2.5

numbers = st.integers(0, PARTITIONS - 1)
some = st.sets(numbers, min_size=1)
kinds = st.lists(
    st.sampled_from(["good", "good", "good", "filtered", "missing_field", "large"]),
    min_size=1,
    max_size=6,
)
fates = st.sampled_from([Fate.COMMITTED, Fate.COMMITTED, Fate.COMMITTED, *Fate])


class Silent:
    """A log that nobody reads."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def value_of(kind: str, user: str) -> bytes:
    changes: dict[str, Any] = {"user_id": user}
    if kind == "filtered":
        changes["app_version"] = "1.0.0"
    if kind == "missing_field":
        changes["ip"] = None
    return event(**changes)


@cache
def user_of(value: bytes) -> str:
    user: str = json.loads(value)["user_id"]
    return user


def kind_of(value: bytes) -> str:
    return user_of(value).partition("-")[0]


class Outcomes:
    """What a read_committed reader has seen so far."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._read = 0
        self.users: list[str] = []
        """Of outcomes, in order."""
        self.lines: Counter[str] = Counter()
        """Metrics lines by message_id."""
        self.summaries: dict[int, Any] = {}
        """The last one of each partition."""

    def read(self) -> None:
        for topic, _, value in self._broker.records[self._read :]:
            record = json.loads(value)
            if topic == SETTINGS.metrics_topic:
                self.lines.update(line["message_id"] for line in record["message_details"])
            elif topic == SETTINGS.summary_topic:
                self.summaries[record["source_partition"]] = record
            else:
                self.users.append(record["user_id"])
        self._read = len(self._broker.records)


class LoopMachine(RuleBasedStateMachine):
    is_exactly_once = True

    def __init__(self) -> None:
        super().__init__()
        self.time = FakeTime()
        self.patches = ExitStack()
        self.patches.enter_context(self.time.installed())
        for name, value in SIZES.items():
            self.patches.enter_context(patch(f"kafka_processor.{name}", value))
        self.broker = FakeBroker(PARTITIONS)
        self.broker.rejects = lambda record: (
            record[0] == SETTINGS.processed_topic and (record[1] or b"").startswith(b"large")
        )
        self.outcomes = Outcomes(self.broker)
        self.serial = 0
        self.is_stop_asked = False

    def teardown(self) -> None:
        self.patches.close()

    @initialize()
    def start(self) -> None:
        self.is_stop_asked = False
        self.input = FakeInput(self.broker, self.time)
        self.output = FakeOutput(self.input, self.time, is_exactly_once=self.is_exactly_once)
        self.processor = Processor(
            SETTINGS,
            self.input,
            self.output,
            Pipeline(SETTINGS, KEY),
            SummaryPrinter(SETTINGS, key_id(KEY)),
            Silent(),  # type: ignore[arg-type]
        )
        self.input.assign(self.broker.partitions)
        self.processor.start(lambda: self.is_stop_asked, unused)

    # Ordinary work. Several rules, so that most steps are some of it.

    @rule(partition=numbers, kinds=kinds, fate=fates, answers_at_once=st.booleans())
    def send_and_turn(
        self, partition: int, kinds: Sequence[str], fate: Fate, answers_at_once: bool
    ) -> None:
        self.send(partition, kinds)
        self.turns(1, fate, answers_at_once)

    @rule(kinds=kinds, turns=st.integers(1, 6))
    def work(self, kinds: Sequence[str], turns: int) -> None:
        for partition in self.broker.partitions:
            self.send(partition, kinds)
        self.output.answer()
        self.turns(turns, Fate.COMMITTED, answers_at_once=True)

    @rule(fate=fates, answers_at_once=st.booleans(), turns=st.integers(1, 3))
    def turn(self, fate: Fate, answers_at_once: bool, turns: int) -> None:
        self.turns(turns, fate, answers_at_once)

    @rule(kinds=kinds, turns=st.integers(2, 4))
    def work_beside_a_commit(self, kinds: Sequence[str], turns: int) -> None:
        """Leaves a commit in flight and, mostly, messages that are processed meanwhile."""
        for _ in range(turns):
            for partition in self.broker.partitions:
                self.send(partition, kinds[:2])
            self.time.sleep(MAX_AGE)
            self.turns(1, Fate.COMMITTED, answers_at_once=False)

    @rule()
    def answer(self) -> None:
        self.output.answer()

    def send(self, partition: int, kinds: Sequence[str]) -> None:
        for kind in kinds:
            self.serial += 1
            self.broker.send(partition, value_of(kind, f"{kind}-{self.serial}"))

    def turns(self, count: int, fate: Fate, answers_at_once: bool) -> None:
        self.output.fate, self.output.answers_at_once = fate, answers_at_once
        for _ in range(count):
            self.turn_once()
            self.check()

    def turn_once(self) -> None:
        try:
            self.processor.turn()
        except ConsumerEndedError:  # another process seems to have both our places
            self.processor.leave()
            self.kill()

    # Rebalances. What a member loses, others may process, and the group may give it back.

    @rule(partitions=some, fate=fates, comes_back=st.booleans())
    def revoke(self, partitions: Collection[int], fate: Fate, comes_back: bool) -> None:
        self.input.revoke(partitions)
        if comes_back:
            self.input.assign(partitions)
        self.turns(1, fate, self.output.answers_at_once)

    @rule(partitions=some, comes_back=st.booleans(), is_lost=st.booleans(), turns=st.integers(1, 4))
    def rebalance_beside_a_commit(
        self, partitions: Collection[int], comes_back: bool, is_lost: bool, turns: int
    ) -> None:
        """Partitions go while messages of theirs are polled, buffered and in a commit."""
        self.work_beside_a_commit(["good", "filtered"], turns)
        self.time.sleep(POLL_INTERVAL)  # else nothing is polled while polled messages wait
        if is_lost:
            self.lose(partitions, others=True, comes_back=comes_back)
        else:
            self.revoke(partitions, Fate.COMMITTED, comes_back)

    @rule(partitions=some, others=st.booleans(), comes_back=st.booleans())
    def lose(self, partitions: Collection[int], others: bool, comes_back: bool) -> None:
        self.input.lose(partitions)
        if others:
            self.others_process(partitions)
        self.turns(1, self.output.fate, self.output.answers_at_once)
        if comes_back:
            self.input.assign(partitions)

    @rule(partitions=some, fate=st.sampled_from(Fate))
    def fail_and_revoke(self, partitions: Collection[int], fate: Fate) -> None:
        """A batch fails, and partitions go before their offsets are looked up again."""
        self.input.undecided = partitions
        self.work(["good"], 1)
        self.time.sleep(MAX_AGE)
        self.turns(2, fate, answers_at_once=True)
        self.time.sleep(MAX_PAUSE)
        self.turns(2, Fate.COMMITTED, answers_at_once=True)
        self.revoke(partitions, Fate.COMMITTED, comes_back=True)
        self.input.undecided = ()

    @rule()
    def assign(self) -> None:
        self.input.assign(self.broker.partitions)

    @rule(partitions=some)
    def others_process(self, partitions: Collection[int]) -> None:
        """Other members process all of what is not ours, once its offsets are decided."""
        for partition in partitions:
            is_free = partition not in self.broker.owners and not self.output.holds_up(partition)
            # At least once, what we have in hand of it may be produced still.
            if is_free and (self.is_exactly_once or partition not in self.input.assigned):
                Successor(self.broker).process(partition)

    # Trouble.

    @rule(keeps_offsets=st.booleans(), turns=st.integers(0, 8))
    def make_topic_again(self, keeps_offsets: bool, turns: int) -> None:
        """At the end, or twice: while messages at low offsets of the first one are rejected."""
        self.broker.make_topic_again(keeps_offsets=keeps_offsets)
        if turns:
            self.work(["large"], turns)
            self.broker.make_topic_again(keeps_offsets=keeps_offsets)
            self.work(["good", "filtered"], 2)

    @rule(undecided=st.sets(numbers), can_start=st.booleans())
    def cut(self, undecided: Collection[int], can_start: bool) -> None:
        """Committed offsets cannot be looked up, or the producer not be recovered, for a while."""
        self.input.undecided, self.output.can_start = undecided, can_start

    @precondition(lambda self: not self.input.fenced_for)
    @rule(seconds=st.sampled_from([0.5, 2.0]))
    def fence(self, seconds: float) -> None:
        self.input.fenced_for = seconds

    @precondition(lambda self: self.input.fenced_for)
    @rule()
    def join_again(self) -> None:
        """It was our own shadow: a new client, which hears that all is lost."""
        self.input.fenced_for = 0.0
        self.input.lose(self.input.assigned)
        self.input.assign(self.broker.partitions)

    @rule()
    def kill(self) -> None:
        self.output.end()
        self.leave_group()
        self.start()

    @rule(fate=fates, answers_at_once=st.booleans(), has_turn=st.booleans())
    def stop(self, fate: Fate, answers_at_once: bool, has_turn: bool) -> None:
        """At any time; also in the middle of a turn."""
        self.is_stop_asked = True
        if has_turn:
            self.turn_once()
        owned = self.input.owned
        is_undisturbed = self.is_undisturbed and fate is Fate.COMMITTED
        self.output.fate, self.output.answers_at_once = fate, answers_at_once
        self.processor.stop(STOP_TIMEOUT)
        assert self.processor.state is State.STOPPING
        assert self.output.is_closed
        if is_undisturbed:
            assert self.output.commit_in_flight is None, "the batch in hand is not given up"
        self.output.end()
        self.check()
        if is_undisturbed:
            self.check_last_summaries(owned)
        self.leave_group()
        self.start()

    @property
    def is_undisturbed(self) -> bool:
        """Whether nothing keeps a stop from finishing the batch in hand."""
        commit = self.output.commit_in_flight
        is_well = not (self.input.events or self.input.fenced_for or self.input.rewind_reason)
        is_well = is_well and self.input.owned <= self.broker.owners.keys()
        is_well = is_well and self.processor.state in (
            State.IDLE,
            State.BATCH_OPEN,
            State.COMMITTING,
        )
        records = [*(commit.records if commit else []), *(self.output.records or [])]
        is_well = is_well and not any(self.broker.rejects(record) for record in records)
        is_answered = commit is None or not (commit.failure or commit.has_changed())
        return is_well and is_answered and (commit is None or commit.fate is Fate.COMMITTED)

    def leave_group(self) -> None:
        for partition in [
            each for each, owner in self.broker.owners.items() if owner is self.input
        ]:
            del self.broker.owners[partition]

    @rule()
    def catch_up(self) -> None:
        """Nothing was lost: once all is well, every message gets its outcome."""
        if self.input.fenced_for:
            self.join_again()
        self.cut(undecided=(), can_start=True)
        self.output.fate, self.output.answers_at_once = Fate.COMMITTED, True
        self.assign()
        for _ in range(TURNS):
            self.output.answer()
            self.turn_once()
            if self.has_caught_up:
                return
        raise AssertionError(f"does not catch up: {self.processor.why_not_working()}")

    @property
    def has_caught_up(self) -> bool:
        topic = self.broker.topic
        is_idle = self.processor.state is State.IDLE and not self.processor.why_not_working()
        return is_idle and all(
            topic.committed_here(partition)[0] == len(log) for partition, log in topic.logs.items()
        )

    # What must hold whatever has happened.

    @invariant()
    def check(self) -> None:
        self.outcomes.read()
        for topic in self.broker.topics:
            for partition in self.broker.partitions:
                self.check_partition(topic, partition)
        if self.is_exactly_once:
            self.check_lines()
        self.check_state()

    def check_partition(self, topic: FakeTopic, partition: int) -> None:
        offset, metadata = topic.committed_here(partition)
        log = topic.logs[partition]
        assert offset <= len(log)
        sent, committed = [user_of(each) for each in log], [user_of(each) for each in log[:offset]]
        ours = set(sent)
        seen = [user for user in self.outcomes.users if user in ours]
        if self.is_exactly_once:
            assert seen == committed, "lost, doubled, out of order, or not of what is committed"
        else:
            assert set(seen) >= set(committed), "lost"
            # What the broker rejects comes behind its batch, which was produced by then.
            first = [user for user in dict.fromkeys(seen) if not user.startswith("large")]
            others = [user for user in sent if not user.startswith("large")]
            assert first == others[: len(first)], "out of order"
        if metadata:
            check_counts(decode_snapshot(metadata), offset, log[:offset])

    def check_lines(self) -> None:
        ids = (
            f"{SETTINGS.input_topic}-{partition}-{number}"
            for topic in self.broker.topics
            for partition in self.broker.partitions
            for number in range(topic.committed_here(partition)[0])
        )
        assert self.outcomes.lines == Counter(ids)

    def check_last_summaries(self, owned: Collection[int]) -> None:
        for partition in owned:
            offset, _ = self.broker.topic.committed_here(partition)
            if offset:
                assert self.outcomes.summaries[partition]["next_offset"] == offset

    def check_state(self) -> None:
        state = self.processor.state
        assert (self.output.records is not None) == (state is State.BATCH_OPEN) or (
            state is State.RECOVERING
        )
        assert (self.output.commit_in_flight is not None) == (state is State.COMMITTING) or (
            state in (State.RECOVERING, State.STOPPING)
        )


def check_counts(snapshot: Snapshot, offset: int, messages: Sequence[bytes]) -> None:
    kinds = Counter(kind_of(each) for each in messages)
    assert snapshot.next_offset == offset
    assert snapshot.counted_since_offset == 0
    assert snapshot.processed == kinds["good"]
    assert snapshot.filtered == kinds["filtered"]
    assert snapshot.errors.get("missing_field", 0) == kinds["missing_field"]
    assert snapshot.errors.get("publish_error", 0) == kinds["large"]


class Successor:
    """Another member, to which nothing happens."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    def process(self, partition: int) -> None:
        topic = self._broker.topic
        start, metadata = topic.committed_here(partition)
        counts = SummaryPrinter(SETTINGS, key_id(KEY))
        counts.restore(partition, start if metadata else None, metadata, start, 0, topic.topic_id)
        values = topic.logs[partition][start:]
        messages = [FakeMessage(start + number, value) for number, value in enumerate(values)]
        if not messages:
            return
        causes = {
            (partition, each.at): "too large" for each in messages if kind_of(each.data) == "large"
        }
        work = Pipeline(SETTINGS, KEY).work(partition, messages, 0, causes)
        counts.add(partition, work, 0.0)
        lines = "{" + '"message_details":[' + ",".join(f"{line}}}" for line in work.lines) + "]}"
        metrics = SETTINGS.metrics_topic or ""
        self._broker.records += [*work.records, (metrics, None, lines.encode())]
        next_offset, text = counts.snapshot(partition)
        topic.committed[partition] = next_offset, text


class AtLeastOnceMachine(LoopMachine):
    is_exactly_once = False


@pytest.mark.parametrize("machine", [LoopMachine, AtLeastOnceMachine])
def test_whatever_happens_the_invariants_hold(machine: type[LoopMachine]) -> None:
    run_state_machine_as_test(
        machine, settings=hypothesis_settings(max_examples=60, stateful_step_count=30)
    )
