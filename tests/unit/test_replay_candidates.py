"""What is held of the candidates, and how the look at the input settles each."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_processor.event.headers import original_of
from kafka_processor.replay.candidates import Candidates, PartitionCandidates, State
from kafka_processor.replay.copies import (
    Digester,
    Pace,
    UnreadableHeaders,
    headers_of,
    headers_of_copy,
)
from kafka_processor.replay.outcomes import (
    NO_TIME,
    is_same_message,
    passed_on,
)
from kafka_processor.replay.selection import Selection

ANY = Selection()
TIME = 1_720_576_825_120


def failed_at(*offsets: int, mark: int = TIME) -> PartitionCandidates:
    candidates = PartitionCandidates()
    for offset in offsets:
        candidates.add(offset, "parse_error", mark)
    candidates.sort()
    return candidates


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["filtered", "skipped"]))))
def test_each_message_once_in_the_order_of_the_input(added: list[tuple[int, str]]) -> None:
    candidates = PartitionCandidates()
    for offset, outcome in added:
        candidates.add(offset, outcome, 0)
    candidates.sort()
    assert [offset for offset, _, _ in candidates] == sorted({offset for offset, _ in added})
    for offset in range(31):
        is_candidate = offset in {offset for offset, _ in added}
        assert (candidates.state_of(offset) is not None) is is_candidate


def test_of_several_records_the_one_about_this_very_message_counts() -> None:
    """A topic was made again: records of the old one name the same coordinates."""
    for order in ([1, 2, 3], [3, 2, 1], [2, 1, 3]):
        candidates = PartitionCandidates()
        outcomes = {1: "parse_error", 2: "invalid_field", 3: "missing_field"}
        for mark in order:
            candidates.add(5, outcomes[mark], mark)
        candidates.sort()
        for _ in range(2):  # the second time after a refusal
            candidates.forget_the_input()
            candidates.decide(5, None, 2, ANY)
            assert list(candidates) == [(5, "invalid_field", State.WAITING)]
        candidates.decide(5, None, 4, ANY)
        assert candidates.state_of(5) == State.REPLACED


def test_what_becomes_of_a_candidate() -> None:
    candidates = failed_at(1, 2, 3, 4, 5)
    candidates.decide(2, None, TIME, ANY)
    candidates.decide(3, None, TIME + 1, ANY)
    candidates.decide(4, None, TIME, Selection(since=TIME + 1))
    candidates.decide(5, None, TIME, ANY)
    candidates.decide(6, None, TIME, ANY)
    for offset in (4, 5, 7):
        candidates.note_copy(offset)
    assert [state for _, _, state in candidates] == [
        State.MISSING,
        State.WAITING,
        State.REPLACED,
        State.NOT_CHOSEN,
        State.REPEATED,
    ]


def test_a_copy_outlives_its_original() -> None:
    candidates = failed_at(1)
    candidates.note_copy(1)
    assert candidates.state_of(1) == State.REPEATED


def test_what_this_run_did_stays_when_the_input_is_looked_at_again() -> None:
    candidates = failed_at(1, 2, 3)
    for offset in (1, 2, 3):
        candidates.decide(offset, None, TIME, ANY)
    candidates.set_state(1, State.SENT)
    candidates.set_state(2, State.REFUSED)
    candidates.forget_the_input()
    assert candidates.state_of(3) == State.MISSING
    for offset in (1, 2, 3):
        candidates.decide(offset, None, TIME, ANY)
        candidates.note_copy(1)
    assert [s for _, _, s in candidates] == [State.SENT, State.REFUSED, State.WAITING]


def test_counts_and_ranges() -> None:
    candidates = Candidates()
    for position in ((1, 9), (0, 3), (1, 2), (1, 5)):
        candidates.add(position, "filtered", 0)
    candidates.sort()
    for position in ((1, 2), (1, 5)):
        candidates.set_state(position, State.WAITING)
    assert candidates.counts() == {
        (0, "filtered", State.MISSING): 1,
        (1, "filtered", State.MISSING): 1,
        (1, "filtered", State.WAITING): 2,
    }
    assert list(candidates.positions(State.WAITING, State.MISSING)) == [
        (0, 3), (1, 2), (1, 5), (1, 9),
    ]  # fmt: skip
    assert list(candidates.ranges(State.WAITING)) == [(1, 2, 5)]
    assert candidates.count(State.WAITING) == 2
    assert candidates.state_of((7, 7)) is None


def test_a_failed_message_without_a_time_has_none_still() -> None:
    assert is_same_message("parse_error", NO_TIME, None, None)
    assert is_same_message("parse_error", NO_TIME, None, 10**17)  # null in the record
    assert not is_same_message("parse_error", NO_TIME, None, TIME)
    assert not is_same_message("parse_error", TIME, None, None)


headers = st.lists(
    st.tuples(
        st.sampled_from(["replay-of", "Replay-Of", "a", ""]) | st.text(max_size=5),
        st.none() | st.binary(max_size=8) | st.sampled_from([b"user-login-0-5", b"user-login-0-x"]),
    ),
    max_size=5,
)


@given(headers)
def test_a_copy_says_of_what_it_is_one_and_keeps_the_other_headers(
    own: list[tuple[str, bytes | None]],
) -> None:
    copied = headers_of_copy(own, "user-login-2-7")
    assert original_of(copied, "user-login", 2, 8) == (2, 7)
    assert copied[:-1] == [(name, value) for name, value in own if name != "replay-of"]


@given(headers)
def test_headers_of_others_are_no_trouble(own: list[tuple[str, bytes | None]]) -> None:
    original = original_of(own, "user-login", 0, 9)
    assert original in (None, (0, 5))


class MessageWithHeaders:
    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def headers(self) -> None:
        if self._error:
            raise self._error


def test_headers_whose_names_are_no_text() -> None:
    for error in (SystemError("returned a result with an exception set"), UnicodeError()):
        with pytest.raises(UnreadableHeaders):
            headers_of(MessageWithHeaders(error))
    assert headers_of(MessageWithHeaders()) == []


def test_a_copy_follows_its_original() -> None:
    named = [("replay-of", b"user-login-0-5")]
    assert original_of(named, "user-login", 0, 6) == (0, 5)
    assert original_of(named, "user-login", 0, 5) is None
    assert original_of(named, "user-login", 1, 6) is None
    assert original_of(named, "other", 0, 6) is None


def sent_at(rate: float, calls: list[float]) -> list[float]:
    """When copies go that are ready at these times."""
    pace = Pace(rate)
    times, now = [], 0.0
    for ready in calls:
        now = max(now, ready)
        now += pace.wait(now)
        pace.count(now)
        times.append(now)
    return times


def test_pace() -> None:
    assert sent_at(10, [1000.0] * 25)[-1] >= 1000 + 2.3 - 0.1
    late = sent_at(10, [1000.0, 1060.0, *[1060.0] * 20])
    assert late[-1] >= 1060 + 2.0 - 0.2, "a long pause is not made up for"
    fast = sent_at(100_000, [1000.0] * 100_000)
    assert 1000.8 <= fast[-1] <= 1001


# What other records tell of a candidate


def met(
    outcome: str = "parse_error", *, content: Mapping[str, Any] | None = None
) -> PartitionCandidates:
    """One candidate at offset 5, whose message was met."""
    candidates = PartitionCandidates()
    candidates.add(5, outcome, TIME)
    candidates.sort()
    candidates.decide(5, content, TIME, ANY, digest=77)
    return candidates


PASSED: dict[str, Any] = {"app_version": "1", "device_type": "d", "locale": "l", "timestamp": 1}


def test_a_message_that_was_processed_is_not_sent_on_the_word_of_an_error_record() -> None:
    for has_output in (True, False):
        candidates = met(content=PASSED)
        if has_output:
            candidates.note_processed(5, passed_on(PASSED))
        else:
            candidates.note_line(5, "processed", TIME)
        candidates.note_line(5, "parse_error", TIME)
        for _ in range(2):  # the second time after a refusal
            candidates.settle(None)
            assert candidates.state_of(5) == State.CONTRADICTED
            candidates.forget_the_input()
            candidates.decide(5, PASSED, TIME, ANY, digest=77)


def test_a_line_that_tells_of_another_outcome_contradicts() -> None:
    candidates = met()
    candidates.note_line(5, "filtered", TIME)
    candidates.settle(None)
    assert candidates.state_of(5) == State.CONTRADICTED


@pytest.mark.parametrize("lines", [(), ("parse_error",), ("skipped",), ("filtered", "parse_error")])
def test_lines_that_do_not_contradict(lines: tuple[str, ...]) -> None:
    """A repeat, which `at-least-once` allows, may have become too old."""
    candidates = met()
    for outcome in lines:
        candidates.note_line(5, outcome, TIME)
    candidates.settle(6)
    assert candidates.state_of(5) == State.WAITING


@pytest.mark.parametrize(
    ("outcome", "lines", "state"),
    [
        # The line of the attempt that the broker refused, with DELIVERY=at-least-once.
        ("publish_error", ("processed", "publish_error"), State.WAITING),
        ("publish_error", ("processed",), State.CONTRADICTED),
        # Processed, and then repeated too late: its record may be deleted.
        ("skipped", ("processed", "skipped"), State.CONTRADICTED),
        ("parse_error", ("processed", "skipped"), State.CONTRADICTED),
    ],
)
def test_lines_that_say_processed_too(outcome: str, lines: tuple[str, ...], state: State) -> None:
    candidates = met(outcome)
    for line in lines:
        candidates.note_line(5, line, TIME)
    candidates.settle(6)
    assert candidates.state_of(5) == state


def test_records_about_a_message_of_an_earlier_topic_do_not_count() -> None:
    candidates = met(content=PASSED)
    candidates.note_processed(5, passed_on(PASSED | {"timestamp": 2}))
    candidates.note_line(5, "processed", TIME - 700_000)
    candidates.note_line(5, "no outcome", TIME)
    candidates.note_line(6, "processed", TIME)
    candidates.note_processed(6, passed_on(PASSED))
    candidates.settle(None)
    assert candidates.state_of(5) == State.WAITING


def test_a_forged_record_beside_a_true_one_does_not_keep_it_back() -> None:
    for order in (["transform_error", "parse_error"], ["parse_error", "transform_error"]):
        candidates = PartitionCandidates()
        for outcome in order:
            candidates.add(5, outcome, TIME)
        candidates.sort()
        candidates.decide(5, None, TIME, ANY)
        candidates.note_line(5, "parse_error", TIME)
        candidates.settle(6)
        assert list(candidates) == [(5, "parse_error", State.WAITING)]


def test_what_the_group_has_not_read_cannot_have_failed() -> None:
    for committed, state in ((None, State.WAITING), (6, State.WAITING), (5, State.PENDING)):
        candidates = met()
        candidates.settle(committed)
        assert candidates.state_of(5) == state


def test_a_copy_counts_with_the_key_and_value_of_its_original_only() -> None:
    candidates = met()
    assert not candidates.note_copy(5, digest=78)
    assert candidates.state_of(5) == State.WAITING
    assert candidates.note_copy(5, digest=77)
    assert candidates.state_of(5) == State.REPEATED
    assert not candidates.note_copy(5, digest=78)
    candidates.note_line(5, "processed", TIME)
    candidates.settle(None)
    assert candidates.state_of(5) == State.REPEATED, "there is nothing left to send"


def test_no_copy_makes_up_for_a_message_that_was_replaced() -> None:
    candidates = failed_at(5)
    candidates.decide(5, None, TIME + 1, ANY)
    assert candidates.note_copy(5)
    assert candidates.state_of(5) == State.REPLACED


parts = st.none() | st.binary(max_size=5)


@given(parts, parts, parts, parts)
@example(b"a", b"b", b"ab", None)
@example(None, b"", b"", None)
def test_digests_differ_where_key_or_value_do(
    key: bytes | None, value: bytes | None, other_key: bytes | None, other_value: bytes | None
) -> None:
    digester = Digester(b"secret")
    is_same = (key, value) == (other_key, other_value)
    one, other = digester.digest(key, value), digester.digest(other_key, other_value)
    assert (one == other) == is_same
    assert -(2**63) <= one < 2**63
    assert Digester(b"another").digest(key, value) != one
