"""No false alarm, whatever arrives; and of random tampering exactly what was tampered with."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_processor.audit.findings import Violation
from tests.unit.audit_runs import AT_LEAST_ONCE, History, audited, history
from tests.unit.hostile_events import events
from tests.unit.pipeline_runs import EVENT, event

OLD = frozenset({2})

any_value = events() | st.binary(max_size=20) | st.none()


@given(st.lists(any_value, max_size=6))
@example([event(timestamp=1).replace(b"1}", b"9" * 400 + b"}")])
def test_what_the_program_does_is_never_wrong(values: list[bytes | None]) -> None:
    made = history(values, step=6000, old=OLD)
    for rules in (replace(AT_LEAST_ONCE, exactly_once=True), AT_LEAST_ONCE):
        found, partition = audited(made, rules)
        assert found == []
        assert partition.tally.audited == len(values)


labels = st.text("abcdefg1", min_size=1, max_size=3)


@given(st.lists(st.tuples(labels, labels), max_size=200))
def test_counts_agree_however_many_labels_there_are(pairs: list[tuple[str, str]]) -> None:
    many = [(a + b, b) for a, b in pairs] + [(f"n{n}", f"ru-{n:03}") for n in range(len(pairs))]
    values = [json.dumps(EVENT | {"device_type": d, "locale": o}).encode() for d, o in many]
    found, _ = audited(history(values, step=700))
    assert found == []


# What can be done to a message, and the kinds of violations that must then be told of it.


def lose_record(made: History, offset: int) -> set[str]:
    made.records.remove(made.record_of(offset))
    return {"lost"}


def lose_line(made: History, offset: int) -> set[str]:
    made.lines.remove(made.line_of(offset))
    return {"lost"}


def lose_both(made: History, offset: int) -> set[str]:
    return lose_record(made, offset) | lose_line(made, offset)


def double_record(made: History, offset: int) -> set[str]:
    made.records.append(copy.deepcopy(made.record_of(offset)))
    return {"doubled"}


def double_line(made: History, offset: int) -> set[str]:
    made.lines.insert(0, copy.deepcopy(made.line_of(offset)))
    return {"doubled"}


def change_outcome(made: History, offset: int) -> set[str]:
    made.line_of(offset).update(outcome="transform_error", topic="processed-errors")
    return {"contradicting"}


def change_user(made: History, offset: int) -> set[str]:
    made.record_of(offset).value["user_id"] = "somebody else"
    return {"contradicting"}


def copy_ip(made: History, offset: int) -> set[str]:
    made.record_of(offset).value["ip"] = fields(offset)["ip"]
    return {"personal"}


def copy_device(made: History, offset: int) -> set[str]:
    made.record_of(offset).value["anything"] = [fields(offset)["device_id"]]
    return {"personal"}


def move_to_another(made: History, offset: int) -> set[str]:
    """The record is said to be about a message that does not exist."""
    made.record_of(offset).value["message_id"] = f"user-login-3-{offset + 1}"
    return {"lost", "unknown"}


TAMPERING: list[Callable[[History, int], set[str]]] = [
    lose_record,
    lose_line,
    lose_both,
    double_record,
    double_line,
    change_outcome,
    change_user,
    copy_ip,
    copy_device,
    move_to_another,
]
STEP = 3000


def fields(offset: int) -> dict[str, object]:
    number = offset // STEP
    return EVENT | {
        "user_id": f"user-{number % 3}",
        "ip": f"93.1.{number + 1}.{number % 7 + 1}",
        "device_id": f"593-47-{number:04}",
    }


def kinds_by_offset(found: list[Violation]) -> dict[int, set[str]]:
    kinds: dict[int, set[str]] = {}
    for violation in found:
        if violation.offset is not None:
            kinds.setdefault(violation.offset, set()).add(violation.kind)
    return kinds


@given(st.lists(st.none() | st.sampled_from(TAMPERING), min_size=1, max_size=30))
def test_of_random_tampering_all_is_found_and_nothing_else(
    tampering: list[Callable[[History, int], set[str]] | None],
) -> None:
    values = [json.dumps(fields(n * STEP)).encode() for n in range(len(tampering))]
    made = history(values, step=STEP)
    expected: dict[int, set[str]] = {}
    for number, tamper in enumerate(tampering):
        if tamper:
            kinds = tamper(made, number * STEP)
            if "unknown" in kinds:
                expected[number * STEP + 1] = {"contradicting"}
            expected[number * STEP] = kinds - {"unknown"}
    found, partition = audited(made)
    assert kinds_by_offset(found) == expected
    # What is wrong with single messages is not told once more of the counts.
    assert [each for each in found if each.offset is None] == []
    assert partition.tally.audited == len(tampering)
    for kind, count in partition.tally.violations.items():
        assert count == sum(kind in kinds for kinds in expected.values())


@given(
    st.permutations(range(8)),
    st.lists(st.integers(0, 2), min_size=8, max_size=8),
)
def test_order_is_that_of_each_user(places: list[int], users: list[int]) -> None:
    values = [json.dumps(EVENT | {"user_id": f"user-{user}"}).encode() for user in users]
    made = history(values, step=9000)
    made.records = [made.records[place] for place in places]
    expected = {
        n * 9000
        for n in range(8)
        if any(users[m] == users[n] and places.index(m) > places.index(n) for m in range(n))
    }
    found, _ = audited(made)
    assert {each.offset for each in found} == expected
    assert {each.kind for each in found} <= {"contradicting"}


def test_labels_beyond_the_limits_are_counted_as_one() -> None:
    # Each comes twice; the last ones are new when the lists are full.
    labels = [number // 2 for number in range(140)]
    values = [
        json.dumps(EVENT | {"device_type": f"label {x}", "locale": f"ru-{x:03}"}).encode()
        for x in labels
    ]
    made = history(values)
    assert made.summary
    assert made.summary.locale_counts["__other__"] == 2 * (70 - 64)
    assert made.summary.device_type_counts["__other__"] == 2 * (70 - 32)
    assert audited(made)[0] == []


def test_counts_from_before_a_label_was_listed_agree_if_they_are_in_other() -> None:
    made = history([json.dumps(EVENT | {"locale": x}).encode() for x in ("RU", "RU", "TX", "?")])
    assert made.summary
    made.summary.locale_counts = {"__other__": 2, "RU": 1, "TX": 1}
    assert audited(made)[0] == []
    for wrong in ({"__other__": 1, "RU": 1, "TX": 1}, {"__other__": 3, "RU": 1, "TX": 1},
                  {"RU": 3, "TX": 1}, {"__other__": 1, "RU": 2, "CA": 1}):  # fmt: skip
        made.summary.locale_counts = wrong
        [violation], _ = audited(made)
        assert violation.what.startswith("the summary has locale ")


@pytest.mark.parametrize(
    "name", ["processed_count", "error_count", "replayed_count", "total_received_count"]
)
@pytest.mark.parametrize("change", [-1, 1])
def test_counts_that_are_wrong(name: str, change: int) -> None:
    made = history([json.dumps(fields(n)).encode() for n in range(3)])
    assert made.summary
    setattr(made.summary, name, getattr(made.summary, name) + change)
    [violation], _ = audited(made)
    assert (violation.kind, violation.offset) == ("contradicting", None)
    assert violation.what.startswith("the summary has ")
