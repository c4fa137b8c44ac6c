"""Throughput: how fast a backlog is worked off, by what is committed of it."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

import psutil
from confluent_kafka import Consumer, TopicPartition

from bench.contestant_process import ContestantFailed, ContestantProcess
from bench.contestants import Aim, Contestant
from bench.topics import Topics, committed_total

WARM_FROM = 0.4
"""Share of what is worked off in a run after which the contestant counts as warm."""
LOOK_INTERVAL = 0.05
STALL_TIMEOUT = 30.0


@dataclass(frozen=True)
class Throughput:
    messages: int
    """Worked off; less than the backlog where the time was up before."""
    seconds: float
    overall: float
    """Messages a second from the start of the load."""
    warm: float
    """Messages a second, the first 40% not counted."""
    cpu: float
    """Microseconds of the contestant's processor time a message, when warm."""
    broker_cpu: float
    """The same of the broker."""
    memory: float
    """Most resident memory seen, MB."""
    start_seconds: float
    """From the start of the process to its joining the group."""


class Mark(NamedTuple):
    seconds: float
    done: int
    cpu: float
    broker_cpu: float


def work_off(
    contestant: Contestant,
    topics: Topics,
    topic: str,
    partitions: int,
    broker_pid: int,
    longest: float,
    members: int = 1,
    aim: Aim = "throughput",
) -> Throughput:
    """Measures until the backlog is committed, for `longest` seconds at most.

    Raises ContestantFailed.
    """
    command = contestant.command()
    broker = psutil.Process(broker_pid)
    with topics.run(topic, partitions) as settings, ExitStack() as stack:
        environment = {**settings, **contestant.environment(aim)}
        watcher = Consumer(
            {
                "bootstrap.servers": topics.bootstrap_servers,
                "group.id": settings["CONSUMER_GROUP"],
                "enable.auto.commit": False,
            }
        )
        stack.callback(watcher.close)
        parts = [TopicPartition(topic, number) for number in range(partitions)]
        total = sum(watcher.get_watermark_offsets(part)[1] for part in parts)
        processes = [
            stack.enter_context(ContestantProcess(command, environment)) for _ in range(members)
        ]
        began = time.monotonic()
        marks: list[Mark] = []
        memory = 0.0
        progress = began
        while not marks or (marks[-1].done < total and marks[-1].seconds < longest):
            time.sleep(LOOK_INTERVAL)
            for process in processes:
                process.check()
            done = committed_total(watcher, parts)
            now = time.monotonic()
            if not marks or done > marks[-1].done:
                progress = now
            elif now - progress > STALL_TIMEOUT:
                raise ContestantFailed(f"it stood still at {done:,} of {total:,}")
            used = sum(process.cpu_seconds for process in processes)
            times = broker.cpu_times()
            marks.append(Mark(now - began, done, used, times.user + times.system))
            memory = max(memory, sum(process.memory for process in processes))
        start = processes[0].start_seconds
    return throughput_of(marks, memory, start)


def throughput_of(marks: list[Mark], memory: float, start_seconds: float) -> Throughput:
    last = marks[-1]
    warm = next(mark for mark in marks if mark.done >= WARM_FROM * last.done)
    messages = last.done - warm.done
    if not messages:
        raise ContestantFailed("too few messages for a measurement")
    return Throughput(
        messages=last.done,
        seconds=last.seconds,
        overall=last.done / last.seconds,
        warm=messages / (last.seconds - warm.seconds),
        cpu=(last.cpu - warm.cpu) / messages * 1e6,
        broker_cpu=(last.broker_cpu - warm.broker_cpu) / messages * 1e6,
        memory=memory,
        start_seconds=start_seconds,
    )
