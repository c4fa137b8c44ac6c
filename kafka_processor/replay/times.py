"""RFC 3339 text → milliseconds since the epoch."""

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_RFC_3339 = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<time>\d\d:\d\d:\d\d)(\.(?P<fraction>\d+))?"
    r"(?P<zone>[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)


@lru_cache(maxsize=4096)  # the lines of one metrics record share their time
def milliseconds_of(text: str) -> int:
    """What is finer than a millisecond is cut. Raises ValueError for all that is no such time."""
    match = _RFC_3339.fullmatch(text)
    if not match:
        raise ValueError
    zone = "+00:00" if match["zone"] in "Zz" else match["zone"]
    moment = datetime.fromisoformat(f"{match['date']}T{match['time']}{zone}")
    whole = (moment - _EPOCH) // timedelta(milliseconds=1)
    return whole + int((match["fraction"] or "").ljust(3, "0")[:3])
