"""Cases about addresses, times, ages and headers."""

from typing import Final

from tests.support.cases import Case, encoded, failed, filtered, login
from tests.support.raw_batches import RawHeaders

ADDRESSES: Final = {
    "108.228.145.239": "108.228.145.0",
    "199.172.111.135": "199.172.111.0",
    "0.0.0.0": "0.0.0.0",
    "255.255.255.255": "255.255.255.0",
    "127.1.2.3": "127.1.2.0",
    "10.20.30.0": "10.20.30.0",
    "2001:db8:85a3:8d3::1": "2001:db8:85a3::",
    "2001:DB8:85A3:8D3::1": "2001:db8:85a3::",
    "2001:0db8:85a3:0000:0000:8a2e:0370:7334": "2001:db8:85a3::",
    "2001:db8::1": "2001:db8::",
    "2001:0:0:1:2:3:4:5": "2001::",
    "0:0:1:2:3:4:5:6": "0:0:1::",
    "0:1:0:2:3:4:5:6": "0:1::",
    "1:2:3:4:5:6:7::": "1:2:3::",
    "::2:3:4:5:6:7:8": "0:2:3::",
    "1:2:3:4:5:6:77.88.99.111": "1:2:3::",
    "1::77.88.99.111": "1::",
    "::": "::",
    "::1": "::",
    "::77.88.99.111": "::",
    "::ffff:77.88.99.111": "77.88.99.0",
    "::FFFF:4d58:636f": "77.88.99.0",
    "0:0:0:0:0:ffff:77.88.99.111": "77.88.99.0",
    "0000:0000:0000:0000:0000:ffff:4d58:636f": "77.88.99.0",
    "::ffff:0:77.88.99.111": "::",
    "64:ff9b::77.88.99.111": "64:ff9b::",
    "2002:4d58:636f::1": "2002:4d58:6300::",
    "2002:4D58:636F:1:2:3:4:5": "2002:4d58:6300::",
    "2002::1": "2002::",
    "2003:4d58:636f::1": "2003:4d58:636f::",
    "fe80::1": "fe80::",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "ffff:ffff:ffff::",
}
NO_ADDRESSES: Final = (
    " ", "unknown", "localhost", "-", "null", " 77.88.99.4 ", "77.88.99.4 ", " 77.88.99.4",
    "77.88.99.4\n", "77.88.99.4\0", "\x0077.88.99.4", "66.55.44", "66.55", "66", "66.55.44.",
    ".66.55.44", "77..88.99", "77.88.99.4.5", "256.77.88.99", "77.88.99.256", "77.88.99.999",
    "010.77.88.99", "77.88.99.04", "77.88.99.00", "00.77.88.99", "0x4d.88.99.4", "77.88.99.4:80",
    "77.88.99.4/24", "77.88.99.4,77.88.99.5", "-77.88.99.4", "+77.88.99.4", "77.88.99.4e0",
    "1297638148", "0x4d586304", "\uff17\uff17.88.99.4", "77\uff0e88.99.4", "\u0661.88.99.4",
    "77.88.99.\u00b2", "fe80::1%eth0", "fe80::1%", "fe80::1%25eth0", "::1%1", "[::1]", "[::1]:80",
    ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4::5:6:7:8:9", "1::2::3", "12345::1",
    "g::1", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "::66.55.44", "::77.88.99.04", "::77.88.99.256",
    "::ffff:77.88.99.4 ", " ::1", "::1\n", "::1\0", "2001:db8::/32", "2001:db8:::1", "\uff1a:1",
    "::\u0661", "77.88.99.4::", "1:2:3:4:5:6:7:77.88.99.4", "1:2:3:4:5:6:7::8:9", "0x1::", "+1::",
)  # fmt: skip

TIMES: Final[dict[str, tuple[int | float | str, str]]] = {
    "of the contract": (1720576825, "2024-07-10T02:00:25Z"),
    "zero": (0, "1970-01-01T00:00:00Z"),
    "zero as text": ("0", "1970-01-01T00:00:00Z"),
    "zeros as text": ("000.000", "1970-01-01T00:00:00Z"),
    "one": (1, "1970-01-01T00:00:01Z"),
    "leap day": (1709164800, "2024-02-29T00:00:00Z"),
    "2038": (2**31, "2038-01-19T03:14:08Z"),
    "text": ("1694479551", "2023-09-12T00:45:51Z"),
    "text with leading zeros": ("0001694479551", "2023-09-12T00:45:51Z"),
    "text with fraction": ("1694479551.5", "2023-09-12T00:45:51.500Z"),
    "text with zero fraction": ("1694479551.0", "2023-09-12T00:45:51Z"),
    "text with small fraction": ("1694479551.0009", "2023-09-12T00:45:51Z"),
    "text with long fraction": ("1694479551.1234567890123", "2023-09-12T00:45:51.123Z"),
    "text not rounded": ("1694479551.9999", "2023-09-12T00:45:51.999Z"),
    "text in milliseconds": ("1694479551123", "2023-09-12T00:45:51.123Z"),
    "text in milliseconds with fraction": ("1694479551123.999", "2023-09-12T00:45:51.123Z"),
    "text at the border": ("100000000000", "1973-03-03T09:46:40Z"),
    "text at the border with fraction": ("100000000000.0", "1973-03-03T09:46:40Z"),
    "text below the border": ("99999999999", "5138-11-16T09:46:39Z"),
    "text just below the border": ("99999999999.9999", "5138-11-16T09:46:39.999Z"),
    "float without fraction": (1694479551.0, "2023-09-12T00:45:51Z"),
    "float": (1694479551.5, "2023-09-12T00:45:51.500Z"),
    "float .123": (1694479551.123, "2023-09-12T00:45:51.123Z"),
    "float .001": (1694479551.001, "2023-09-12T00:45:51.001Z"),
    "float 1.001": (1.001, "1970-01-01T00:00:01.001Z"),
    "float 0.29": (0.29, "1970-01-01T00:00:00.290Z"),
    "float 0.57": (0.57, "1970-01-01T00:00:00.570Z"),
    "float 4.35": (4.35, "1970-01-01T00:00:04.350Z"),
    "float 1.005": (1.005, "1970-01-01T00:00:01.005Z"),
    "float 8.029": (8.029, "1970-01-01T00:00:08.029Z"),
    "float not rounded": (1694479551.9999, "2023-09-12T00:45:51.999Z"),
    "float 0.9999999": (0.9999999, "1970-01-01T00:00:00.999Z"),
    "float below a millisecond": (1694479551.0004, "2023-09-12T00:45:51Z"),
    "float 0.0005": (0.0005, "1970-01-01T00:00:00Z"),
    "float with exponent": (1e-7, "1970-01-01T00:00:00Z"),
    "smallest float": (5e-324, "1970-01-01T00:00:00Z"),
    "milliseconds": (1694479551123, "2023-09-12T00:45:51.123Z"),
    "milliseconds .000": (1694479551000, "2023-09-12T00:45:51Z"),
    "milliseconds as float": (1694479551123.0, "2023-09-12T00:45:51.123Z"),
    "milliseconds with fraction": (1694479551123.9, "2023-09-12T00:45:51.123Z"),
    "border": (100_000_000_000, "1973-03-03T09:46:40Z"),
    "border as float": (1e11, "1973-03-03T09:46:40Z"),
    "below the border": (99_999_999_999, "5138-11-16T09:46:39Z"),
    "just below the border": (99_999_999_999.99, "5138-11-16T09:46:39.990Z"),
    "seconds of 9999 are milliseconds": (253402300799, "1978-01-11T21:31:40.799Z"),
    "last millisecond": (253402300799999, "9999-12-31T23:59:59.999Z"),
    "last millisecond with fraction": (253402300799999.9, "9999-12-31T23:59:59.999Z"),
    "last millisecond as text": ("253402300799999.9999", "9999-12-31T23:59:59.999Z"),
}
NO_TIMES: Final[tuple[int | float | str, ...]] = (
    -1, -5.5, -0.0001, -1694479551, -100_000_000_000, 253402300800000, 253402300800000.0,
    "253402300800000", "253402300800000.0", "99999999999999999", 10**18, 2**53 + 1, 2**63, 2**64,
    1e20, -1e20, 1e30, 1e300, "9" * 300,
)  # fmt: skip


def transform_cases() -> list[Case]:
    return [
        *(_address(ip, out) for ip, out in ADDRESSES.items()),
        *(failed(f"ip {ip!a}", "transform_error", "ip", ip=ip) for ip in NO_ADDRESSES),
        *(_time(name, value, out) for name, (value, out) in TIMES.items()),
        *(
            failed(f"timestamp {repr(value)[:26]}", "transform_error", "timestamp", timestamp=value)
            for value in NO_TIMES
        ),
        _time("written 1.694479551e9", 1694479551.0, "2023-09-12T00:45:51Z", b"1.694479551e9"),
        _time("written 1694479551E0", 1694479551.0, "2023-09-12T00:45:51Z", b"1694479551E0"),
        _time("written -0", 0, "1970-01-01T00:00:00Z", b"-0"),
        _time("written -0.0", 0.0, "1970-01-01T00:00:00Z", b"-0.0"),
        _time("many digits", 0.1, "1970-01-01T00:00:00.100Z", b"0." + b"1" + b"0" * 2000),
    ]


def _address(ip: str, out: str) -> Case:
    fields = login(ip=ip)
    return Case(f"ip {ip}", encoded(fields), "processed", fields, ip=out)


def _time(name: str, value: int | float | str, out: str, written: bytes | None = None) -> Case:
    fields = login(timestamp="@" if written else value)
    text = encoded(fields)
    if written:
        text = text.replace(b'"@"', written)
        fields["timestamp"] = value
    return Case(f"timestamp {name}", text, "processed", fields, time=out)


def age_cases() -> list[Case]:
    """For the default of MAX_MESSAGE_AGE, 60 seconds."""
    return [
        _aged("70 s old", 70, "skipped"),
        _aged("a day old", 86400, "skipped"),
        _aged("of 1970", 1.75e9, "skipped"),
        _aged("15 s old", 15, "processed"),
        _aged("30 minutes in the future", -1800, "processed"),
        Case("old garbage", b"\xff", "skipped", age=100),
        Case("old null value", None, "skipped", age=100),
        Case("old and filtered", encoded(login(app_version="1")), "skipped", age=100),
        Case("old and missing fields", b"{}", "skipped", age=100),
    ]


def _aged(name: str, age: float, outcome: str) -> Case:
    fields = login()
    return Case(name, encoded(fields), outcome, fields, age=age)


def header_and_key_cases() -> list[Case]:
    """Foreign keys and headers change nothing, however strange."""
    strange: dict[str, RawHeaders] = {
        "other header": [("trace", b"1")],
        "replay-of null": [("replay-of", None)],
        "replay-of empty": [("replay-of", b"")],
        "replay-of no UTF-8": [("replay-of", b"\xff\xfe")],
        "replay-of 100,000 long": [("replay-of", b"x" * 100_000)],
        "replay-of twice": [("replay-of", b"a-0-1"), ("replay-of", b"b-0-2")],
        "replay-of a device id": [("replay-of", b"593-47-5928")],
        "replay-of another topic": [("replay-of", b"user-login-0-0")],
        "header name in any script": [("\u044f\u0437\u044b\u043a", b"\0")],
        "header name no UTF-8": [(b"\xff\xfe", b"v")],
        "header name no UTF-8 beside others": [("a", b"1"), (b"\xe2\x82", None), ("", b"")],
    }
    cases = []
    for name, headers in strange.items():
        fields = login()
        cases.append(Case(name, encoded(fields), "processed", fields, headers=headers))
    for name, key in {"empty": b"", "any bytes": b"\xff\0", "long": b"k" * 5000}.items():
        fields = login()
        cases.append(Case(f"key {name}", encoded(fields), "processed", fields, key=key))
    return cases


REPLAYED: Final = "the first message of the partition"
"""Stands in a header for the message_id, which is known when the case is sent."""


def replay_cases() -> list[Case]:
    headers: list[tuple[str, bytes | None]] = [("replay-of", REPLAYED.encode())]
    good, other = login(), filtered("", app_version="1.0")
    bad = failed("", "missing_field", "ip", ip=None)
    return [
        Case("replay processed", encoded(good), "processed", good, headers=headers),
        Case("replay filtered", other.value, "filtered", other.fields, headers=headers),
        Case("replay failed", bad.value, "missing_field", bad.fields, ("ip",), headers=headers),
        Case("replay unparsable", b"{", "parse_error", headers=headers),
        Case("replay skipped", encoded(login()), "skipped", headers=headers, age=100),
    ]
