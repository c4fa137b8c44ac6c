"""The page of record formats says what the code says."""

import msgspec
import pytest

from dev.record_formats import FORMATS, PAGE, Format, page


def test_record_formats_are_those_of_the_code() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m dev.record_formats"


@pytest.mark.parametrize("each", FORMATS, ids=[each.title for each in FORMATS])
def test_examples_are_valid_records(each: Format) -> None:
    assert msgspec.json.decode(msgspec.json.encode(each.example), type=each.record) == each.example
