"""Who may look, and what a browser may do with the page: around every route."""

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
    "This dashboard asks for its token: open the address that was printed at its start.\n"
)
WRONG_HOST: Final = "This dashboard is for this machine alone: open it as http://127.0.0.1.\n"


class Guard:
    """An ASGI application around another one.

    token: None asks for none. is_loopback: only names of this machine are answered, so that no
    page of another name that was made to lead here (DNS rebinding) can read what is shown.
    cookie: its name; a browser shares cookies among all ports of a host.
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
        refusal = _unwanted(scope["method"], headers)
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
        # Not http.cookies: it finds none where another one's is not as it should be.
        return cookie_parser(headers.get("cookie", "")).get(self._cookie, "")

    def _set_cookie(self) -> str:
        value = cookie_value(self._token or "")
        return f"{self._cookie}={value}; Path=/; HttpOnly; SameSite=Strict"


def _unwanted(method: str, headers: Headers) -> Response | None:
    """The page only ever asks, and without a body."""
    if method not in ("GET", "HEAD"):
        return PlainTextResponse("Only GET and HEAD are answered.\n", 405, {"Allow": "GET, HEAD"})
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        return PlainTextResponse("No body is taken.\n", 413)
    return None


def cookie_value(token: str) -> str:
    """Says that its holder knew the token, and not what that is."""
    return hashlib.sha256(f"dashboard cookie {token}".encode()).hexdigest()


def is_same(given: str, wanted: str) -> bool:
    """In a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def _token_in(scope: Scope) -> str:
    query_string: bytes = scope["query_string"]
    query = parse_qs(query_string.decode("latin-1"), errors="replace")
    return query.get(PARAMETER, [""])[-1]
