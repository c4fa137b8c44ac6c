"""Bounds on every HTTP exchange of an integration, whatever the server answers.

An answer is read up to MAX_ANSWER bytes and never decompressed, the timeout of a request is a
deadline for all of its exchange, redirects are refused, and each exchange has a connection of its
own, which ends with it.
"""

import http.client
import io
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Retry

MAX_ANSWER: Final = 64 * 1024
DEFAULT_DEADLINE: Final = 10.0
"""Seconds, for a request without a timeout."""
MAX_PAUSE: Final = 5.0
"""Seconds between two attempts."""
MAX_ATTEMPTS: Final = 6

_NETWORK_ERRORS: Final = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError)


class RedirectRefused(requests.RequestException):
    """To follow it would carry headers, a token among them, to another server."""


def install() -> None:
    """Bounds all sessions of this process; libraries make some of their own, and requests has no
    setting for all of them."""
    if getattr(requests.Session.get_adapter, "is_bounded", False):
        return
    find = requests.Session.get_adapter

    def get_adapter(self: requests.Session, url: str) -> BaseAdapter:
        found = find(self, url)
        return BoundedAdapter(found.max_retries) if type(found) is HTTPAdapter else found

    get_adapter.is_bounded = True  # type: ignore[attr-defined]
    requests.Session.get_adapter = get_adapter  # type: ignore[method-assign]


class Exchange:
    """One request with all its attempts. At its deadline each connection of it is shut down, which
    ends whatever waits for the server: the TLS handshake, a header, a body."""

    _current = threading.local()

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> "Exchange":
        self._timer.start()
        Exchange._current.exchange = self
        return self

    def __exit__(self, *_: object) -> None:
        Exchange._current.exchange = None
        self._timer.cancel()
        with self._lock:
            for each in self._sockets:
                each.close()

    @staticmethod
    def watch(connected: socket.socket) -> None:
        """Adds a connection of this thread to its exchange."""
        exchange: Exchange | None = getattr(Exchange._current, "exchange", None)
        if exchange:
            with exchange._lock:
                # A duplicate: TLS takes the socket itself away from whoever holds it.
                exchange._sockets.append(connected.dup())
            if exchange.is_over:
                exchange._end()

    @property
    def is_over(self) -> bool:
        return self._is_over.is_set()

    def pause(self, seconds: float) -> bool:
        """Whether there is time left behind it."""
        return not self._is_over.wait(min(seconds, MAX_PAUSE))

    def _end(self) -> None:
        self._is_over.set()
        with self._lock:
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


class _Watched:
    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        Exchange.watch(connected)
        return connected


class _Connection(_Watched, HTTPConnection):
    pass


class _SecureConnection(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}


class BoundedAdapter(HTTPAdapter):
    """For one exchange. `retries`: how often, and after which answers, a request is repeated; the
    server has no say in the pauses."""

    def __init__(self, retries: Retry) -> None:
        super().__init__()
        attempts = retries.total if type(retries.total) is int else 0
        self._pauses = [
            retries.backoff_factor * 2.0**number for number in range(min(attempts, MAX_ATTEMPTS))
        ]
        self._repeated: frozenset[int] = frozenset(retries.status_forcelist or ())

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Raises RequestException."""
        request.headers["Accept-Encoding"] = "identity"
        options = {"timeout": timeout, "verify": verify, "cert": cert, "proxies": proxies}
        with Exchange(_seconds(timeout)) as exchange:
            for pause in self._pauses:
                with suppress(requests.ConnectionError):
                    response = self._send_once(request, exchange, options)
                    if response.status_code not in self._repeated:
                        return response
                if not exchange.pause(pause):
                    break
            return self._send_once(request, exchange, options)

    def _send_once(
        self, request: requests.PreparedRequest, exchange: Exchange, options: dict[str, Any]
    ) -> requests.Response:
        try:
            response = super().send(request, stream=True, **options)
            response.raw = io.BytesIO(_beginning_of(response.raw))
            if exchange.is_over:
                raise requests.ReadTimeout
        except (requests.RequestException, *_NETWORK_ERRORS) as error:
            if exchange.is_over:
                raise requests.ReadTimeout("no whole answer in time", request=request) from None
            if isinstance(error, requests.RequestException):
                raise
            raise requests.ConnectionError(type(error).__name__, request=request) from None
        finally:
            self.close()
        if 300 <= response.status_code < 400:
            raise RedirectRefused("redirects are not followed", response=response)
        return response


def _beginning_of(answer: Any) -> bytes:
    """Raises IncompleteRead for an answer that is shorter than it says it is."""
    try:
        body: bytes = answer.read(MAX_ANSWER, decode_content=False)
        if len(body) < MAX_ANSWER and answer.length_remaining:
            raise http.client.IncompleteRead(b"", answer.length_remaining)
        return body
    finally:
        answer.close()


def _seconds(timeout: object) -> float:
    """The deadline for a timeout as requests takes it: a number, one each to connect and to read,
    or none."""
    parts = timeout if isinstance(timeout, tuple) else (timeout,)
    return sum(each for each in parts if isinstance(each, (int, float))) or DEFAULT_DEADLINE
