"""Access to every route: host names, the token, and what browsers may do with the page."""

import hashlib
import hmac
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kafka_processor.endpoints.listening import is_of_this_machine

PARAMETER: Final = "token"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
TOKENLESS: Final = (
    "This dashboard requires its token: open the URL that was printed at its start.\n"
)
WRONG_HOST: Final = (
    "This dashboard is available on this machine only: open it as http://127.0.0.1.\n"
)


class Guard:
    """An ASGI application that wraps another one.

    `token`: None requires none. `is_loopback`: only names of this machine are answered, which
    prevents DNS rebinding. `cookie`: its name; browsers share cookies among all ports of a host.
    """

    def __init__(
        self, application: ASGIApp, token: str | None, is_loopback: bool, cookie: str
    ) -> None:
        self._application = application
        self._token = token
        self._is_loopback = is_loopback
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_new = False
        refusal = _refusal_of_request(scope["method"], headers)
        if not refusal and self._is_loopback and not is_of_this_machine(headers.get("host", "")):
            refusal = PlainTextResponse(WRONG_HOST, 403)
        if not refusal and self._token is not None:
            is_new = is_same(_token_in(scope), self._token)
            if not is_new and not is_same(self._cookie_in(headers), cookie_value(self._token)):
                refusal = PlainTextResponse(TOKENLESS, 401)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.update(HEADERS)
                answer.setdefault("Cache-Control", "no-cache")
                answer["Connection"] = "close"  # one request each: see limits.py
                if is_new:
                    answer.append("Set-Cookie", self._set_cookie())
            await send(message)

        await (refusal or self._application)(scope, receive, send_with_headers)

    def _cookie_in(self, headers: Headers) -> str:
        # http.cookies finds none if any other cookie is malformed.
        return cookie_parser(headers.get("cookie", "")).get(self._cookie, "")

    def _set_cookie(self) -> str:
        value = cookie_value(self._token or "")
        return f"{self._cookie}={value}; Path=/; HttpOnly; SameSite=Strict"


def _refusal_of_request(method: str, headers: Headers) -> Response | None:
    """Only requests without a body that read are answered."""
    if method not in ("GET", "HEAD"):
        return PlainTextResponse("Only GET and HEAD are answered.\n", 405, {"Allow": "GET, HEAD"})
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        return PlainTextResponse("A request must have no body.\n", 413)
    return None


def cookie_value(token: str) -> str:
    """Proves knowledge of the token without revealing it."""
    return hashlib.sha256(f"dashboard cookie {token}".encode()).hexdigest()


def is_same(actual: str, expected: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(actual.encode(), expected.encode())


def _token_in(scope: Scope) -> str:
    query_string: bytes = scope["query_string"]
    query = parse_qs(query_string.decode("latin-1"), errors="replace")
    return query.get(PARAMETER, [""])[-1]
