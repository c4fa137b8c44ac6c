"""The dashboard's word for how it is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.dashboard.group import Group, Member, assigned, member_rows, partition_rows
from kafka_processor.dashboard.health import Level, Signs, judge

GROUP = Group("stable", (Member("one", (0, 1)),), {0: 100, 1: 50}, {}, {0: 100, 1: 50})
WELL = Signs(
    trouble="",
    missing=[],
    unread=[],
    group=GROUP,
    rate=500.0,
    messages=30_000,
    failed=1500,
    skipped=0,
    quiet_for=0.4,
)


def waiting(count: int) -> Group:
    return replace(GROUP, ends={0: 100 + count, 1: 50})


def test_all_is_well() -> None:
    health = judge(WELL)
    assert (health.level, health.word) == ("well", "Healthy")


@pytest.mark.parametrize(
    ("signs", "level", "reason"),
    [
        (replace(WELL, trouble="No broker answers."), "unknown", "No broker answers."),
        (replace(WELL, missing=["summary"]), "unknown", "There is no topic summary yet"),
        (replace(WELL, failed=9000), "warning", "30% of the last minute's messages failed."),
        (replace(WELL, failed=24_000), "trouble", "80% of"),
        (replace(WELL, group=waiting(1000)), "well", "Messages are handled"),
        (replace(WELL, group=waiting(5000)), "warning", "5,000 messages wait, 10 s of work."),
        (replace(WELL, group=waiting(500_000)), "trouble", "500,000 messages wait, 17 min of"),
        (
            replace(WELL, group=waiting(70), rate=0, quiet_for=40),
            "trouble",
            "70 messages wait, and",
        ),
        (replace(WELL, group=waiting(70), rate=0, quiet_for=20), "warning", "70 messages wait"),
        (replace(WELL, unread=["x is still being read."], failed=30_000), "unknown", "x is still"),
        (replace(WELL, skipped=9000), "warning", "30% of the last minute's messages were too old"),
        (replace(WELL, skipped=30_000), "trouble", "100% of the last minute's messages were"),
        (
            replace(WELL, group=replace(waiting(70), state="", members=()), rate=0, quiet_for=40),
            "trouble",
            "70 messages wait, and",
        ),
        (replace(WELL, group=waiting(1), rate=0, quiet_for=40), "idle", "No message comes in"),
        (replace(WELL, rate=0, messages=0, quiet_for=None), "idle", "No message comes in"),
        (replace(WELL, group=replace(GROUP, members=())), "warning", "No process is running"),
        (replace(WELL, group=replace(waiting(9), members=())), "trouble", "No process is running"),
        (replace(WELL, group=replace(GROUP, state="rebalancing")), "warning", "The partitions are"),
        (replace(WELL, group=replace(GROUP, members=(Member("a", (0,)),))), "warning", "1 part"),
        (replace(WELL, group=Group(problem="Not for us.")), "warning", "Not for us."),
        (replace(WELL, messages=5, failed=5), "well", "Messages are handled"),
    ],
)
def test_the_worst_decides(signs: Signs, level: Level, reason: str) -> None:
    health = judge(signs)
    assert health.level == level
    assert health.reasons[0].startswith(reason)


def test_all_reasons_are_given_the_worst_first() -> None:
    health = judge(replace(WELL, failed=24_000, group=waiting(5000)))
    assert [reason.split()[0] for reason in health.reasons] == ["80%", "5,000"]


def test_lag_of_a_partition_without_offset_is_from_its_start() -> None:
    group = Group("stable", (), {0: 10}, {1: 5}, {0: 12, 1: 50, 2: 7})
    assert group.lags() == {0: 2, 1: 45, 2: 0}


def test_tables_have_a_bounded_number_of_rows() -> None:
    ends = {number: number for number in range(1000)}
    members = tuple(Member(f"m{number}", tuple(range(100))) for number in range(100))
    group = Group("stable", members, dict.fromkeys(ends, 0), {}, ends)
    rows, more = partition_rows(group, {999: (7, 1)})
    assert (len(rows), more) == (64, 936)
    assert (rows[-1].partition, rows[-1].received, rows[-1].failed) == (999, 7, 1)
    assert [row.partition for row in rows] == sorted(row.partition for row in rows)
    shown, more = member_rows(group)
    assert (len(shown), more) == (64, 36)
    assert (len(shown[0].partitions), shown[0].more_partitions) == (64, 36)


ASSIGNMENT = bytes.fromhex("0001 00000002 0001 74 00000002 00000003 00000001 0002 7431 00000000")


def test_a_members_assignment_is_read() -> None:
    assert assigned(ASSIGNMENT + b"\x00\x00\x00\x00", "t") == (1, 3)
    assert assigned(ASSIGNMENT, "t1") == ()
    assert assigned(ASSIGNMENT, "other") == ()


@given(st.binary(max_size=60), st.integers(0, len(ASSIGNMENT)))
def test_any_assignment_is_read(noise: bytes, cut: int) -> None:
    for bytes_of_others in (noise, ASSIGNMENT[:cut] + noise):
        found = assigned(bytes_of_others, "t")
        assert found == tuple(sorted(set(found)))
