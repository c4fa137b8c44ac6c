"""Throughput: how fast a backlog is worked off, by what is committed of it."""

import time
from concurrent.futures import ThreadPoolExecutor
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
    """Worked off with all members; less than the backlog where the time was up before."""
    seconds: float
    overall: float
    """Messages a second from when all members were there."""
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
        processes = [ContestantProcess(command, environment) for _ in range(members)]
        # Together: else the first has worked off much before the last is there.
        with ThreadPoolExecutor(members) as starting:
            list(starting.map(stack.enter_context, processes))
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
    """What was done before the first mark, when not all members were there yet, is not counted.

    Raises ContestantFailed.
    """
    first, last = marks[0], marks[-1]
    all_messages, seconds = last.done - first.done, last.seconds - first.seconds
    warm = next(mark for mark in marks if mark.done >= first.done + WARM_FROM * all_messages)
    messages = last.done - warm.done
    if not messages:
        raise ContestantFailed("too few messages for a measurement")
    return Throughput(
        messages=all_messages,
        seconds=seconds,
        overall=all_messages / seconds,
        warm=messages / (last.seconds - warm.seconds),
        cpu=(last.cpu - warm.cpu) / messages * 1e6,
        broker_cpu=(last.broker_cpu - warm.broker_cpu) / messages * 1e6,
        memory=memory,
        start_seconds=start_seconds,
    )
