"""What the benchmark makes of what it has measured."""

import math
from pathlib import Path

import pytest

from bench.backlog import Mark, throughput_of
from bench.contestant_process import ContestantFailed
from bench.goals import goals
from bench.report import sheets
from bench.results import Results, Sample, load
from bench.same_job import compare
from bench.steady import Latency, Steady
from bench.topics import filled
from tests.unit.pipeline_runs import event, run

OURS = "kafka_processor, exactly-once"
STREAMS = "Kafka Streams, exactly-once"


def run_at(rate: int, cpu: float = 4.0) -> list[Mark]:
    """Marks of a run that gets up to speed within the first tenth of 1,000,000 messages."""
    marks = [Mark(0.0, 0, 0.0, 0.0), Mark(1.0, 100_000, 1.0, 1.0)]
    for tenth in range(1, 10):
        done = 100_000 * (tenth + 1)
        seconds = 1.0 + tenth * 100_000 / rate
        marks.append(Mark(seconds, done, 1.0 + tenth * cpu / 10, 1.0 + tenth * 0.2))
    return marks


def test_the_first_two_fifths_do_not_count_as_warm() -> None:
    measured = throughput_of(run_at(200_000), memory=90.0, start_seconds=0.5)
    assert measured.warm == pytest.approx(200_000)
    assert measured.overall == pytest.approx(1_000_000 / 5.5)
    assert measured.cpu == pytest.approx(4.0)
    assert measured.broker_cpu == pytest.approx(2.0)


def test_what_was_done_before_all_members_were_there_does_not_count() -> None:
    marks = [Mark(mark.seconds, mark.done + 500_000, *mark[2:]) for mark in run_at(200_000)]
    measured = throughput_of(marks, memory=90.0, start_seconds=0.5)
    assert measured == throughput_of(run_at(200_000), memory=90.0, start_seconds=0.5)


def test_a_run_without_progress_is_no_measurement() -> None:
    with pytest.raises(ContestantFailed):
        throughput_of([Mark(1.0, 0, 0.0, 0.0)], memory=1.0, start_seconds=1.0)


def test_ratios_are_of_the_same_round_and_goals_say_whether_they_are_reached() -> None:
    results = Results("a machine", "2026-01-01", "quick")
    # A noisy second round that slowed both alike must not change the ratio.
    results.throughput[OURS] = [throughput_of(run_at(r), 90.0, 0.5) for r in (260_000, 130_000)]
    results.throughput[STREAMS] = [throughput_of(run_at(r), 90.0, 2.0) for r in (200_000, 100_000)]
    by_name = {row[0]: row[1:] for row in goals(results)}
    assert by_name["throughput / Kafka Streams, exactly once"] == ["≥ 1.25", "1.3", "reached"]
    assert by_name["most memory / Kafka Streams"] == ["≤ 0.5", "1", "missed"]
    assert by_name["p99 at 5,000/s, ms"][1] == "not measured"


def test_a_report_shows_only_what_was_measured(tmp_path: Path) -> None:
    results = Results("a machine", "2026-01-01", "quick")
    results.steady[OURS] = [Steady([Latency(5_000, 100, 10.0, 30.0, 50.0, 8.0)], 60.0, 70.0)]
    results.save(tmp_path / "results.json")
    titles = [sheet.title for sheet in sheets(load(tmp_path / "results.json"))]
    assert titles == [
        "Latency from produce to a read_committed reader, ms",
        "Resident memory, MB",
        "Goals",
    ]


def test_records_are_compared_without_their_time_of_writing_but_with_their_topic() -> None:
    ours = {
        "t-0-1": ("ERRORS_TOPIC", {"message_id": "t-0-1", "timestamp": "a", "user_id": "u"}),
        "t-0-2": ("PROCESSED_TOPIC", {"message_id": "t-0-2", "timestamp": "a"}),
        "t-0-3": ("PROCESSED_TOPIC", {"message_id": "t-0-3", "timestamp": "a"}),
    }
    same = {**ours, "t-0-1": ("ERRORS_TOPIC", {**ours["t-0-1"][1], "timestamp": "b"})}
    assert compare(same, ours, "OK").differing == 0
    later = {**ours, "t-0-2": ("PROCESSED_TOPIC", {**ours["t-0-2"][1], "timestamp": "b"})}
    assert compare(later, ours, "OK").differing == 1
    elsewhere = {**ours, "t-0-1": ("CLEANED_TOPIC", ours["t-0-1"][1])}
    assert compare(elsewhere, ours, "OK").differing == 1
    missing = {name: each for name, each in ours.items() if name != "t-0-3"}
    assert compare(missing, ours, "OK").differing == 1


def samples(memories: list[float], lag: int = 100) -> list[Sample]:
    return [Sample(5.0 * n, memory, 10.0, 30.0, lag) for n, memory in enumerate(memories)]


def growth(samples: list[Sample], rate: int) -> list[str]:
    from bench.soak import growth  # takes a second, because it draws too

    return growth(samples, rate)


def test_a_soak_tells_growth_from_warming_up() -> None:
    warming_up = [40.0, 60.0, 80.0, 90.0] + 12 * [91.0]
    assert growth(samples(warming_up), rate=5_000) == []
    leaking = [60.0 + 2 * n for n in range(16)]
    assert growth(samples(leaking), rate=5_000) == ["memory, from 71.0 to 87.0"]
    behind = growth(samples(16 * [60.0], lag=20_000), rate=5_000)
    assert behind == ["the lag, to 20,000 messages"]


def test_a_soak_in_which_nothing_came_out_has_not_passed() -> None:
    silent = [Sample(5.0 * n, 60.0, math.nan, math.nan, 0) for n in range(16)]
    assert growth(silent, rate=5_000) == ["p50, from nan to nan"]


def test_an_input_event_is_made_as_long_as_asked_for_and_stays_valid() -> None:
    value = event()
    longer = filled(value, 2_000)
    assert longer is not None
    assert len(longer) == 2_000
    assert run(longer).outcome == "processed"
    assert filled(b"no object", 2_000) == b"no object"
