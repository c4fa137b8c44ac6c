"""Times against decimal arithmetic: seconds or milliseconds, cut and never rounded."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_processor.event.timestamps import (
    event_time,
    is_numeric_string,
    milliseconds_of,
    rfc3339,
)
from tests.unit import reference

numbers = (
    st.integers(-10, 300_000_000_000_000)
    | st.integers()
    | st.integers(99_999_999_990, 100_000_000_010)
    | st.floats(-1, 3e14)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(99_999_999_999, 100_000_000_001)
    | st.floats(253_402_300_799_000, 253_402_300_801_000)
)
digits = st.text("0123456789", min_size=1, max_size=1024)
strings = digits | st.tuples(digits, digits).map(".".join).map(lambda text: text[:1023] + "7")


@given(numbers | strings.filter(reference.is_numeric))
@example("9" * 1024)
@example("0" * 1024)
@example("0" * 1010 + "1694479551.129")
@example("1694479551." + "9" * 1013)
@example("99999999999." + "9" * 1012)
@example("0." + "0" * 1021 + "1")
def test_times_are_what_decimal_arithmetic_says(timestamp: int | float | str) -> None:
    assert event_time(timestamp) == reference.event_time(timestamp)


@pytest.mark.parametrize(
    ("timestamp", "time"),
    [
        (1720576825, "2024-07-10T02:00:25Z"),
        ("1720576825", "2024-07-10T02:00:25Z"),
        ("000001720576825", "2024-07-10T02:00:25Z"),
        (1720576825.0, "2024-07-10T02:00:25Z"),
        (1720576825.12, "2024-07-10T02:00:25.120Z"),
        (1720576825.1239, "2024-07-10T02:00:25.123Z"),
        (1720576825.9999, "2024-07-10T02:00:25.999Z"),
        (1720576825.0009, "2024-07-10T02:00:25Z"),
        # A double below what was written: 1720576825.001 is stored as ...0009999275
        (1720576825.001, "2024-07-10T02:00:25.001Z"),
        (1.001, "1970-01-01T00:00:01.001Z"),
        (4.35, "1970-01-01T00:00:04.350Z"),
        ("1720576825.999999999999999999999999", "2024-07-10T02:00:25.999Z"),
        (1720576825120, "2024-07-10T02:00:25.120Z"),
        ("1720576825120.9", "2024-07-10T02:00:25.120Z"),
        (0, "1970-01-01T00:00:00Z"),
        ("0.0", "1970-01-01T00:00:00Z"),
        (0.0009, "1970-01-01T00:00:00Z"),
        (5e-324, "1970-01-01T00:00:00Z"),
        (99_999_999_999, "5138-11-16T09:46:39Z"),
        (100_000_000_000, "1973-03-03T09:46:40Z"),
        ("99999999999.9999", "5138-11-16T09:46:39.999Z"),
        ("100000000000.0", "1973-03-03T09:46:40Z"),
        (1e11, "1973-03-03T09:46:40Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ("253402300799999.99999", "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, None),
        ("253402300800000", None),
        (-1, None),
        (-0.0001, None),
        (-1e300, None),
        (1.7e308, None),
        (10**30, None),
    ],
)
def test_event_times(timestamp: int | float | str, time: str | None) -> None:
    assert event_time(timestamp) == time


@given(st.integers(0, 253_402_300_799_999))
def test_the_processors_own_times_always_have_milliseconds(milliseconds: int) -> None:
    assert rfc3339(milliseconds) == reference.rfc3339(milliseconds)


@pytest.mark.parametrize("milliseconds", [-1, 253_402_300_800_000, 2**63 - 1, -(2**63)])
def test_what_is_no_time(milliseconds: int) -> None:
    assert rfc3339(milliseconds) is None


@given(st.text() | st.from_regex(r"\A[0-9.+\-e \n\u0660]{1,8}\Z"))
@example("5\n")
@example("\u0661")
@example("\uff15")
@example("1_0")
def test_numeric_strings_are_ascii_digits_and_one_fraction(text: str) -> None:
    assert bool(is_numeric_string(text)) == reference.is_numeric(text)
    if is_numeric_string(text):
        assert Decimal(text) >= 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-07-10T02:00:25.120Z", 1_720_576_825_120),
        ("2024-07-10t04:00:25.1209999+02:00", 1_720_576_825_120),
        ("2024-07-10T02:00:25.12z", 1_720_576_825_120),
        ("2024-07-09T21:30:25.12-04:30", 1_720_576_825_120),
        ("2024-07-10T02:00:25-00:00", 1_720_576_825_000),
        (f"2024-07-10T02:00:25.{'1' * 5000}Z", 1_720_576_825_111),
        ("1969-12-31T23:59:59.5Z", -500),
        ("0001-01-01T00:00:00+14:00", -62_135_647_200_000),
        ("9999-12-31T23:59:59-23:59", 253_402_387_139_000),
        # A leap second, and the same one in another zone (RFC 3339, 5.8).
        ("1990-12-31T23:59:60Z", 662_688_000_000),
        ("1990-12-31T15:59:60-08:00", 662_688_000_000),
    ],
)
def test_rfc3339_text_is_read(text: str, expected: int) -> None:
    assert milliseconds_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1720576825",
        "2024-07-10",
        "2024-07-10T02:00:25",
        "2024-07-10 02:00:25Z",
        "2024-07-10T02:00Z",
        "2024-07-10T02Z",
        "20240710T020025Z",
        "2024-W28-3T02:00:25Z",
        "2024-192T02:00:25Z",
        "2024-07-10T02:00:25,5Z",
        "2024-07-10T02:00:25.Z",
        "2024-07-10T02:00:25+0200",
        "2024-07-10T02:00:25+02",
        "2024-07-10T02:00:25+02:00:00",
        "2024-07-10T02:00:25+24:00",
        "2024-07-10T02:00:25+02:60",
        "2024-07-10T02:00:25ZZ",
        "2024-07-10T24:00:00Z",
        "2024-13-10T02:00:25Z",
        "2023-02-29T02:00:25Z",
        "0000-01-01T00:00:00Z",
        "2024-07-10T02:00:60Z",
        "1990-12-31T23:59:61Z",
        " 2024-07-10T02:00:25Z",
        "2024-07-10T02:00:25Z\n",
        "٢٠٢٤-07-10T02:00:25Z",
        "2024\u201007\u201010T02:00:25Z",
    ],
)
def test_other_text_is_no_rfc3339(text: str) -> None:
    """Python 3.11 reads some of these, 3.10 none, and 3.14 the 24th hour too."""
    with pytest.raises(ValueError):
        milliseconds_of(text)


@given(st.integers(0, 253_402_300_799_999))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    assert milliseconds_of(rfc3339(milliseconds) or "") == milliseconds


@given(st.text("0123456789-+:.TtZz ", max_size=35) | st.text())
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        milliseconds_of(text)
