"""The head of an HTTP request, as far as OPS_PORT looks at it; pure."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

MAX_HEAD: Final = 8 * 1024
"""Bytes; Prometheus sends some 300."""
MAX_HEADERS: Final = 64
END_OF_HEAD: Final = b"\r\n\r\n"

_REQUEST_LINE: Final = re.compile(r"([A-Z]{1,16}) (/[!-~]{0,2048}) HTTP/1\.([01])")
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)")


class Request(NamedTuple):
    path: str
    """Without the query."""
    accept: str
    is_head: bool


class Refused(Exception):
    """`status` is a line of HTTP's; the message holds nothing of the request."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status


def read_request(head: bytes, is_allowed_host: Callable[[str], bool]) -> Request:
    """Raises Refused.

    A request of HTTP/1.0 may be without a Host header, as of a load balancer's health check: a
    browser never sends such a one.
    """
    lines = head.removesuffix(END_OF_HEAD).decode("latin-1").split("\r\n")
    line = _REQUEST_LINE.fullmatch(lines[0])
    if not line:
        raise Refused("400 Bad Request", "not an HTTP request")
    method, target, minor = line.groups()
    if method not in ("GET", "HEAD"):
        raise Refused("405 Method Not Allowed", "only GET and HEAD are answered")
    headers = _headers(lines[1:])
    hosts = headers.get("host", [])
    if len(hosts) != 1 and (hosts or minor == "1"):
        raise Refused("400 Bad Request", "there has to be one Host header")
    if hosts and not is_allowed_host(hosts[0]):
        raise Refused("403 Forbidden", "this port is for this machine alone: ask 127.0.0.1")
    accept = ",".join(headers.get("accept", []))
    return Request(target.partition("?")[0], accept, method == "HEAD")


def _headers(lines: list[str]) -> dict[str, list[str]]:
    """By their names in lower case."""
    if len(lines) > MAX_HEADERS:
        raise Refused("431 Request Header Fields Too Large", "too many headers")
    headers: dict[str, list[str]] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if not header:
            raise Refused("400 Bad Request", "a line is not a header")
        headers.setdefault(header[1].lower(), []).append(header[2].strip())
    return headers
