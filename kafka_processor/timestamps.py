"""Times as the contract writes them: RFC 3339, UTC, milliseconds."""

import re
from datetime import datetime, timedelta, timezone
from decimal import ROUND_DOWN, Context, Decimal
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_END_OF_9999 = 253_402_300_800
_FIRST_MILLISECONDS = 100_000_000_000
"""Numbers from here on are milliseconds, smaller ones seconds."""

_CUT = Context(prec=28, rounding=ROUND_DOWN)

is_numeric_string = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII).fullmatch


def rfc3339(milliseconds: int) -> str | None:
    """A time since the epoch, always with milliseconds: `2024-07-10T02:00:25.120Z`.

    None if it is no time between 1970 and 9999: a producer may write any record timestamp.
    """
    if not 0 <= milliseconds < _END_OF_9999 * 1000:
        return None
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03}Z"


def event_time(timestamp: int | float | str) -> str | None:
    """The time of an event, with milliseconds unless they are zero; None if it is no such time.

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


@lru_cache(maxsize=8192)  # events come in the order of time, so most share their second
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
