"""Bounds the HTTP requests of integrations, whatever the server responds.

At most MAX_RESPONSE bytes of a body are read, and never decompressed. The timeout of a request is
a deadline for the whole exchange with its retries. Redirects are refused. Each exchange has a
connection of its own, which is closed with it.
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

MAX_RESPONSE: Final = 64 * 1024
DEFAULT_DEADLINE: Final = 10.0
"""Seconds, for a request without a timeout."""
MAX_PAUSE: Final = 5.0
"""Seconds between two attempts."""
MAX_ATTEMPTS: Final = 6

_NETWORK_ERRORS: Final = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError)


class RedirectRefused(requests.RequestException):
    """Following it would send headers, including tokens, to another server."""


def install() -> None:
    """Bounds all sessions of this process: libraries create their own, and requests has no global
    setting."""
    if getattr(requests.Session.get_adapter, "is_bounded", False):
        return
    find = requests.Session.get_adapter

    def get_adapter(self: requests.Session, url: str) -> BaseAdapter:
        found = find(self, url)
        return BoundedAdapter(found.max_retries) if type(found) is HTTPAdapter else found

    get_adapter.is_bounded = True  # type: ignore[attr-defined]
    requests.Session.get_adapter = get_adapter  # type: ignore[method-assign]


class Exchange:
    """One request with all its attempts. Its connections are shut down at the deadline, which
    interrupts every read: in the TLS handshake, the headers, the body."""

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
        """Adds a connection to the exchange of this thread."""
        exchange: Exchange | None = getattr(Exchange._current, "exchange", None)
        if exchange:
            with exchange._lock:
                # A duplicate, since TLS detaches the original socket.
                exchange._sockets.append(connected.dup())
            if exchange.is_over:
                exchange._end()

    @property
    def is_over(self) -> bool:
        return self._is_over.is_set()

    def pause(self, seconds: float) -> bool:
        """Blocks for that long; returns whether time is left."""
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
    """For one exchange. `retries`: how often, and after which status codes, a request is repeated.
    Retry-After headers are ignored."""

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
            response.raw = io.BytesIO(_read_bounded(response.raw))
            if exchange.is_over:
                raise requests.ReadTimeout
        except (requests.RequestException, *_NETWORK_ERRORS) as error:
            if exchange.is_over:
                raise requests.ReadTimeout(
                    "no complete response in time", request=request
                ) from None
            if isinstance(error, requests.RequestException):
                raise
            raise requests.ConnectionError(type(error).__name__, request=request) from None
        finally:
            self.close()
        if 300 <= response.status_code < 400:
            raise RedirectRefused("redirects are not followed", response=response)
        return response


def _read_bounded(response: Any) -> bytes:
    """Raises IncompleteRead for a body that is shorter than its Content-Length."""
    try:
        body: bytes = response.read(MAX_RESPONSE, decode_content=False)
        if len(body) < MAX_RESPONSE and response.length_remaining:
            raise http.client.IncompleteRead(b"", response.length_remaining)
        return body
    finally:
        response.close()


def _seconds(timeout: object) -> float:
    """Returns the deadline for a timeout as requests accepts it: a number, a pair of connect and
    read timeouts, or None."""
    parts = timeout if isinstance(timeout, tuple) else (timeout,)
    return sum(each for each in parts if isinstance(each, (int, float))) or DEFAULT_DEADLINE
