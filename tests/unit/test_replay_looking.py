"""What the look at the input makes of headers that anyone may write."""

import threading
from typing import Any, cast

import pytest

from kafka_processor.replay.candidates import State
from kafka_processor.replay.run import MAX_FORGED, Replay
from kafka_processor.replay.selection import Selection
from kafka_processor.terminal.progress import Progress
from tests.unit.pipeline_runs import settings

TIME = 1_720_576_825_120


class InputMessage:
    def __init__(
        self, offset: int, value: bytes, replay_of: bytes | None = None, key: bytes = b"k"
    ) -> None:
        self._offset, self._value, self._key = offset, value, key
        self._headers = [] if replay_of is None else [("replay-of", replay_of)]

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes:
        return self._value

    def headers(self) -> list[tuple[str, bytes]]:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return 1, TIME


def looked_at(*messages: InputMessage, include_repeats: bool = False) -> Replay:
    """Of a candidate at offset 5 and one at 6."""
    selection = Selection(include_repeats=include_repeats)
    replay = Replay(settings(), selection, cast(Any, None), Progress(), threading.Event())
    for offset in (5, 6):
        replay.candidates.add((0, offset), "parse_error", TIME)
    replay.candidates.sort()
    for message in messages:
        replay._look_at(cast(Any, message))
    return replay


ORIGINAL = InputMessage(5, b"x")


@pytest.mark.parametrize(
    ("copy", "is_true"),
    [
        (InputMessage(9, b"x", b"user-login-0-5"), True),
        (InputMessage(9, b"y", b"user-login-0-5"), False),
        (InputMessage(9, b"x", b"user-login-0-5", key=b"other"), False),
        (InputMessage(9, b"xk", b"user-login-0-5", key=b""), False),
    ],
)
def test_a_copy_has_the_key_and_value_of_its_original(copy: InputMessage, is_true: bool) -> None:
    replay = looked_at(ORIGINAL, copy)
    assert replay.candidates.state_of((0, 5)) == (State.REPEATED if is_true else State.WAITING)
    assert list(replay.forged_copies) == ([] if is_true else [(0, 9)])


@pytest.mark.parametrize("named", [b"user-login-0-9", b"user-login-1-5", b"other-0-5", b"\xff"])
def test_headers_that_name_no_earlier_message_of_the_partition(named: bytes) -> None:
    replay = looked_at(ORIGINAL, InputMessage(9, b"y", named))
    assert replay.candidates.state_of((0, 5)) == State.WAITING
    assert replay.forged_copies_found == 0


@pytest.mark.parametrize("include_repeats", [False, True])
def test_a_repeat_is_one_by_its_own_header_whatever_its_record_says(include_repeats: bool) -> None:
    repeat = InputMessage(6, b"x", b"user-login-0-5")
    replay = looked_at(ORIGINAL, repeat, include_repeats=include_repeats)
    state = State.WAITING if include_repeats else State.CONTRADICTED
    assert replay.candidates.state_of((0, 6)) == state


def test_many_forged_copies_are_counted_and_some_are_named() -> None:
    forged = [InputMessage(10 + n, b"y", b"user-login-0-5") for n in range(MAX_FORGED + 5)]
    replay = looked_at(ORIGINAL, *forged)
    assert replay.forged_copies_found == MAX_FORGED + 5
    assert len(replay.forged_copies) == MAX_FORGED
