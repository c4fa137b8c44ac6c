"""What is held of the candidates, and how the look at the input settles each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.replay.candidates import Candidates, PartitionCandidates, State
from kafka_processor.replay.copies import (
    Pace,
    UnreadableHeaders,
    headers_of,
    headers_of_copy,
    original_of,
)
from kafka_processor.replay.outcomes import NO_TIME, is_same_message, position_in
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


@given(
    st.sampled_from(["user-login-0-5", "user-login-1-2", "user-login-12-3456789"])
    | st.text("user-login0123456789./", max_size=30)
    | st.text()
)
def test_ids(text: str) -> None:
    position = position_in("user-login", text)
    assert position is None or text == f"user-login-{position[0]}-{position[1]}"


def test_ids_of_other_topics() -> None:
    assert position_in("user-login", "user-login-0-5") == (0, 5)
    assert position_in("user-login-0", "user-login-0-5-7") == (5, 7)
    for text in ("user-login-05-1", "user-login-0-01", "x-user-login-0-1", "user-login-0-5\n",
                 f"user-login-0-{2**63}", f"user-login-{2**31}-0", "user-login-٣-1"):  # fmt: skip
        assert position_in("user-login", text) is None


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
