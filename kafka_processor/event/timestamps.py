"""Times as the contract writes them (RFC 3339, UTC, milliseconds), and RFC 3339 text read back."""

import re
from datetime import datetime, timedelta, timezone
from decimal import ROUND_DOWN, Context, Decimal
from functools import lru_cache
from typing import Final

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_END_OF_9999 = 253_402_300_800
_FIRST_MILLISECONDS = 100_000_000_000
"""Numbers from here on are milliseconds, smaller ones seconds."""

_CUT = Context(prec=28, rounding=ROUND_DOWN)

_DATE_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
).fullmatch
"""`date-time` of RFC 3339, section 5.6. `datetime.fromisoformat` takes more, and each Python other
formats."""
_LEAP_SECONDS: Final = ("06-30T23:59:59", "12-31T23:59:59")
"""The UTC seconds that a leap second may follow."""

is_numeric_string = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII).fullmatch


def rfc3339(milliseconds: int) -> str | None:
    """Returns a time since the epoch, always with milliseconds: `2024-07-10T02:00:25.120Z`.

    None if it is not between 1970 and 9999: a producer may write any record timestamp.
    """
    if not 0 <= milliseconds < _END_OF_9999 * 1000:
        return None
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03}Z"


@lru_cache(maxsize=4096)  # the lines of one metrics record share their time
def milliseconds_of(text: str) -> int:
    """Returns the milliseconds since the epoch of an RFC 3339 `date-time`, cut to milliseconds.

    A leap second counts as the second that follows it, as in Kafka's timestamps. Raises ValueError
    for everything else.
    """
    match = _DATE_TIME(text)
    if not match:
        raise ValueError("not an RFC 3339 date-time")
    *parts, fraction, sign, hours, minutes = match.groups()
    year, month, day, hour, minute, second = map(int, parts)
    is_leap = second == 60
    moment = datetime(year, month, day, hour, minute, second - is_leap, tzinfo=timezone.utc)
    since_epoch = (moment - _EPOCH) // timedelta(seconds=1)
    if sign:
        ahead = int(hours) * 3600 + int(minutes) * 60
        since_epoch -= ahead if sign == "+" else -ahead
    if is_leap:
        if (_EPOCH + timedelta(seconds=since_epoch)).isoformat()[5:19] not in _LEAP_SECONDS:
            raise ValueError("not a leap second")
        since_epoch += 1
    return since_epoch * 1000 + int((fraction or "").ljust(3, "0")[:3])


def event_time(timestamp: int | float | str) -> str | None:
    """Returns the time of an event, with milliseconds unless they are zero; None if it is not
    between 1970 and 9999.

    `timestamp` is a number or a numeric string, in seconds or milliseconds since the epoch.
    """
    if type(timestamp) is int and 0 <= timestamp < _FIRST_MILLISECONDS:
        return _second(timestamp) + "Z"
    # Decimal and repr: a double's shortest decimal form, so that no digit is invented or rounded.
    number = Decimal(repr(timestamp) if type(timestamp) is float else timestamp)
    if number < 0:
        return None
    if number < _FIRST_MILLISECONDS:
        number = _CUT.scaleb(number, 3)
    if number >= _END_OF_9999 * 1000:
        return None
    seconds, milliseconds = divmod(int(number), 1000)
    return f"{_second(seconds)}.{milliseconds:03}Z" if milliseconds else _second(seconds) + "Z"


@lru_cache(maxsize=8192)  # events arrive in order of time, so most share their second
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
