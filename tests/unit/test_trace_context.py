"""The trace header of events: the W3C's form, and nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.config import load_settings
from kafka_processor.event.headers import trace_parent
from kafka_processor.pipeline import Pipeline
from kafka_processor.telemetry.trace_context import (
    MAX_LINKS,
    TraceParent,
    TraceParents,
    parse_trace_parent,
)

GOOD = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PARENT = TraceParent(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, 1)


def test_the_example_of_the_specification() -> None:
    assert parse_trace_parent(GOOD) == PARENT


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"00",
        GOOD[:-1],
        GOOD + b"0",
        GOOD + b"-more",  # of version 00 there is no more
        GOOD + b"\n",
        b" " + GOOD,
        GOOD.upper(),
        b"ff" + GOOD[2:],
        b"0g" + GOOD[2:],
        b"00-" + b"0" * 32 + GOOD[35:],
        GOOD[:36] + b"0" * 16 + b"-01",
        GOOD.replace(b"-", b"_"),
        GOOD.decode().translate({48: 0x0660}).encode(),  # another alphabet's digits
    ],
)
def test_what_is_not_of_the_form_counts_as_none(text: bytes) -> None:
    assert parse_trace_parent(text) is None


@pytest.mark.parametrize("text", [b"cc" + GOOD[2:], b"01" + GOOD[2:] + b"-what-comes-later"])
def test_later_versions_may_have_more(text: bytes) -> None:
    assert parse_trace_parent(text) == PARENT


@given(
    st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255), st.integers(0, 254)
)
def test_every_parent_is_read_as_it_was_written(
    trace_id: int, span_id: int, flags: int, version: int
) -> None:
    text = f"{version:02x}-{trace_id:032x}-{span_id:016x}-{flags:02x}".encode()
    assert parse_trace_parent(text) == (trace_id, span_id, flags)


@st.composite
def nearly_good(draw: st.DrawFn) -> bytes:
    """A good one in which some bytes are others."""
    text = bytearray(GOOD)
    for place in draw(st.lists(st.integers(0, len(GOOD) - 1), max_size=3)):
        text[place] = draw(st.integers(0, 255))
    return bytes(text) + draw(st.binary(max_size=3))


@given(st.binary(max_size=80) | nearly_good())
def test_no_bytes_whatever_raise_or_become_an_invalid_parent(text: bytes) -> None:
    parent = parse_trace_parent(text)
    if parent:
        assert re.match(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", text)
        assert 0 < parent.trace_id < 2**128
        assert 0 < parent.span_id < 2**64


UNSAMPLED = GOOD[:-1] + b"0"


@given(
    st.lists(st.sampled_from([GOOD, UNSAMPLED, b"junk", b"", GOOD[:-1] + b"x"]), max_size=400),
    st.integers(0, 400),
)
def test_as_many_as_there_may_be_links_and_recorded_ones_first(
    texts: list[bytes], split: int
) -> None:
    first, second = TraceParents(), TraceParents()
    first.add(texts[:split])
    second.add(texts[split:])
    first.extend(second)
    found = [parent.flags for parent in first.read()]
    expected = [1] * texts.count(GOOD) + [0] * texts.count(UNSAMPLED)
    assert found == expected[:MAX_LINKS]


@pytest.mark.parametrize(("sampled", "others"), [(0, 500), (100, 500), (500, 500)])
def test_of_more_than_that_the_recorded_ones_are_taken(sampled: int, others: int) -> None:
    parents = TraceParents()
    parents.add([UNSAMPLED] * others + [GOOD] * sampled)
    found = [parent.flags for parent in parents.read()]
    assert found == ([1] * sampled + [0] * others)[:MAX_LINKS]


header = st.tuples(
    st.sampled_from(["traceparent", "Traceparent", "other"]), st.none() | st.binary()
)


@given(st.lists(header, max_size=5))
def test_the_first_header_of_the_name_counts(headers: list[tuple[str, bytes | None]]) -> None:
    values = [value for name, value in headers if name == "traceparent" and value is not None]
    assert trace_parent(headers) == (values[0][:56] if values else None)


class Message:
    def __init__(self, headers: list[tuple[str, bytes]] | None) -> None:
        self._headers = headers

    def __len__(self) -> int:
        return 0

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self._headers

    def offset(self) -> int:
        return 0

    def value(self) -> bytes:
        return b"{}"

    def timestamp(self) -> tuple[int, int]:
        return (0, 0)


@pytest.mark.parametrize(("wanted", "noted"), [(True, [GOOD]), (False, [])])
def test_the_pipeline_notes_them_where_somebody_wants_them(
    wanted: bool, noted: list[bytes]
) -> None:
    pipeline = Pipeline(load_settings({}), b"k" * 32, notes_trace_parents=wanted)
    messages = [Message(None), Message([("other", b"")]), Message([("traceparent", GOOD)])]
    work = pipeline.work(0, messages, 0, {})
    assert work.trace_parents == noted
    assert work.messages == 3
