"""One run: contestants in turns, each measured by the same rule, on one broker and one input."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console

from bench.backlog import Throughput, work_off
from bench.contestants import OURS, STREAMS, Aim, Contestant
from bench.failures import FAILURES, explain
from bench.peers.environments import PeerMissingError
from bench.peers.kafka_tools import KafkaTools
from bench.plan import Plan
from bench.results import Growth, Results
from bench.same_job import compare, outputs_of
from bench.steady import measure_steady
from bench.topics import Topics, fill
from dev.local_kafka import LocalKafka

PARTITIONS: Final = 4
CHECKED_MESSAGES: Final = 30_000
WARMING_SECONDS: Final = 5.0
GROWTH_LONGEST: Final = 1200.0
"""Seconds for one turn of a growing backlog: all of it has to be worked off."""
Result = TypeVar("Result")


class Tournament:
    """One run: measures, says what it does, and keeps what was measured after each step."""

    def __init__(
        self,
        plan: Plan,
        contestants: Sequence[Contestant],
        results: Results,
        file: Path,
        console: Console,
    ) -> None:
        self._plan = plan
        self._contestants = list(contestants)
        self._console = console
        self._file = file
        self.results = results

    def prepare(self) -> None:
        """Installs who is missing; who cannot be had is shown as such, and left out."""
        for contestant in self._contestants:
            self.results.settings[contestant.label] = contestant.settings()
            self._try(contestant, contestant.command)

    def measure(self, kafka: LocalKafka) -> None:
        self._topics = Topics(kafka.bootstrap_servers)
        self._broker = kafka.brokers[0].pid
        self._check_jobs()
        self._measure_throughput()
        self._measure_limits()
        self._measure_latency()
        self._measure_growth()

    def _check_jobs(self) -> None:
        self._say(f"the same job: {CHECKED_MESSAGES:,} messages, faulty ones among them, audited")
        self._input("check", PARTITIONS, CHECKED_MESSAGES)
        ours = None
        for contestant in self._running():
            if not contestant.makes_our_records:
                continue
            made = self._try(
                contestant, partial(outputs_of, contestant, self._topics, "check", PARTITIONS)
            )
            if made is None:
                continue
            outputs, audit = made
            ours = outputs if ours is None else ours
            job = self.results.jobs[contestant.label] = compare(outputs, ours, audit)
            if job.differing:
                self._leave_out(contestant, f"{job.differing:,} of its records are not as ours")
            self._keep()

    def _measure_throughput(self) -> None:
        plan = self._plan
        self._say(f"a backlog of {plan.backlog:,} messages")
        self._input("backlog", PARTITIONS, plan.backlog)
        for contestant in self._running()[:1]:  # the broker has to warm up too
            self._work_off(contestant, "backlog", PARTITIONS)
        for turn in range(plan.rounds):
            for contestant in self._running():
                self._say(f"  {turn + 1} of {plan.rounds}: {contestant.label}")
                if done := self._work_off(contestant, "backlog", PARTITIONS):
                    self.results.throughput.setdefault(contestant.label, []).append(done)
                    self._keep()
        self._topics.remove(["backlog"])

    def _measure_limits(self) -> None:
        self._say("what Kafka's own tools produce and consume")
        topic, messages = "limits", self._plan.backlog
        self._topics.create([topic], PARTITIONS)
        servers = self._topics.bootstrap_servers
        try:
            tools = KafkaTools()
            self.results.limits = {
                "kafka-producer-perf-test": tools.produced_a_second(servers, topic, messages),
                "kafka-consumer-perf-test": tools.consumed_a_second(servers, topic, messages),
            }
        except PeerMissingError as error:
            self.results.failed["Kafka's own tools"] = str(error)
        self._topics.remove([topic])
        self._keep()

    def _measure_latency(self) -> None:
        plan = self._plan
        # The broker has to get over what came before, and its own first run at such a rate.
        warming = plan.rates[:1], WARMING_SECONDS, plan.warm_up
        for contestant in self._running()[:1]:
            topics = self._topics
            self._try(contestant, partial(measure_steady, contestant, topics, PARTITIONS, *warming))
        self._say(f"latency at {', '.join(f'{rate:,}' for rate in plan.rates)} messages/s")
        for turn in range(plan.rounds):
            for contestant in self._running(plan.latency_names):
                self._say(f"  {turn + 1} of {plan.rounds}: {contestant.label}")
                steady = self._try(
                    contestant,
                    partial(
                        measure_steady,
                        contestant,
                        self._topics,
                        PARTITIONS,
                        plan.rates,
                        plan.rate_seconds,
                        plan.warm_up,
                    ),
                )
                if steady:
                    self.results.steady.setdefault(contestant.label, []).append(steady)
                    self._keep()

    def _measure_growth(self) -> None:
        plan, results = self._plan, self.results
        for members in plan.members:
            aim: Aim = "members" if members > 1 else "throughput"
            # Several start at once on the same cores, and warm up for longer.
            backlog = plan.backlog * members
            self._grow(results.members, members, PARTITIONS, backlog, members=members, aim=aim)
        for partitions in plan.partitions:
            self._grow(results.partitions, partitions, partitions, plan.backlog, aim="growth")
        for size in plan.sizes:
            # As many bytes of each, down to a fifth of the messages.
            messages = max(plan.backlog * plan.sizes[0] // size, plan.backlog // 5)
            self._grow(results.sizes, size, PARTITIONS, messages, size=size, aim="growth")
        for messages in plan.backlogs:
            self._grow(results.backlogs, messages, PARTITIONS, messages, rounds=1)

    def _grow(
        self,
        into: Growth,
        what: int,
        partitions: int,
        messages: int,
        *,
        members: int = 1,
        size: int | None = None,
        rounds: int | None = None,
        aim: Aim = "throughput",
    ) -> None:
        shape = f"{messages:,} messages of {size or 'about 230'} bytes, {partitions} partitions"
        self._say(f"growth: {shape}, members: {members}")
        topic = f"growth-{time.time_ns()}"
        self._input(topic, partitions, messages, size)
        for _ in range(rounds or self._plan.rounds):
            for contestant in self._running((OURS, STREAMS)):
                if contestant.delivery != "exactly-once":
                    continue
                if done := self._work_off(
                    contestant, topic, partitions, members, GROWTH_LONGEST, aim
                ):
                    into.setdefault(contestant.label, {}).setdefault(what, []).append(done)
                    self._keep()
        self._topics.remove([topic])

    def _input(self, topic: str, partitions: int, messages: int, size: int | None = None) -> None:
        self._topics.create([topic], partitions)
        fill(self._topics, topic, messages, size)

    def _work_off(
        self,
        contestant: Contestant,
        topic: str,
        partitions: int,
        members: int = 1,
        longest: float | None = None,
        aim: Aim = "throughput",
    ) -> Throughput | None:
        longest = longest or self._plan.longest
        return self._try(
            contestant,
            lambda: work_off(
                contestant, self._topics, topic, partitions, self._broker, longest, members, aim
            ),
        )

    def _running(self, names: Iterable[str] | None = None) -> list[Contestant]:
        chosen = None if names is None else set(names)
        return [
            each
            for each in self._contestants
            if each.label not in self.results.failed and (chosen is None or each.name in chosen)
        ]

    def _try(self, contestant: Contestant, measure: Callable[[], Result]) -> Result | None:
        try:
            return measure()
        except FAILURES as error:
            self._leave_out(contestant, explain(error))
            return None

    def _leave_out(self, contestant: Contestant, why: str) -> None:
        self.results.failed[contestant.label] = why
        self._say(f"  [bold red]{contestant.label} is left out:[/] {why}")
        self._keep()

    def _say(self, what: str) -> None:
        self._console.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {what}")

    def _keep(self) -> None:
        self.results.save(self._file)
