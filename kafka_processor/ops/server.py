"""OPS_PORT over HTTP: one thread, few connections, one request each."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from typing import Final

from prometheus_client.registry import Collector

from kafka_processor.endpoints.listening import is_loopback, is_of_this_machine, listen, name_in
from kafka_processor.ops.health import Health
from kafka_processor.ops.pages import Page, Pages, text_page
from kafka_processor.ops.requests import END_OF_HEAD, MAX_HEAD, Refused, read_request

MAX_CONNECTIONS: Final = 32
DEADLINE: Final = 10.0
"""Seconds for a whole exchange, from the connection to the last byte of the answer."""
STOP_TIMEOUT: Final = 1.0
_TOO_LARGE: Final = Refused("431 Request Header Fields Too Large", "the request is too large")


@contextmanager
def serve(host: str, port: int, collector: Collector, health: Health) -> Iterator[int]:
    """Answers in the background, and yields its port: `port` 0 takes a free one.

    Raises CannotListenError.
    """
    remedy = "set OPS_PORT or OPS_HOST to what is free on this machine"
    with listen(host, port, "OPS_PORT", remedy) as listener:
        loop = asyncio.new_event_loop()
        # A connection that cannot be accepted, for want of files, is no matter for the log.
        loop.set_exception_handler(lambda *_: None)
        stopping = asyncio.Event()
        server = _Server(Pages(collector, health), _host_check(host, listener))
        thread = threading.Thread(
            target=_run, args=[loop, server, listener, stopping], name="ops", daemon=True
        )
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(stopping.set)
            thread.join(STOP_TIMEOUT)


def _run(
    loop: asyncio.AbstractEventLoop,
    server: "_Server",
    listener: socket.socket,
    stopping: asyncio.Event,
) -> None:
    with suppress(Exception):
        loop.run_until_complete(server.run(listener, stopping))
    loop.close()


def _host_check(host: str, listener: socket.socket) -> Callable[[str], bool]:
    """On loopback only names of loopback are answered, so that no web page whose name leads here
    (DNS rebinding) can read what is shown. Elsewhere any name is: Prometheus asks by a pod's
    address, a service's or a machine's name, which nobody here knows."""
    if not is_loopback(listener):
        return lambda _: True
    return lambda given: is_of_this_machine(given) or name_in(given) == host.lower()


class _Server:
    def __init__(self, pages: Pages, is_allowed_host: Callable[[str], bool]) -> None:
        self._pages = pages
        self._is_allowed_host = is_allowed_host
        self._open: dict[asyncio.StreamWriter, None] = {}
        """The oldest first."""

    async def run(self, listener: socket.socket, stopping: asyncio.Event) -> None:
        server = await asyncio.start_server(
            self._serve, sock=listener, limit=MAX_HEAD, backlog=MAX_CONNECTIONS
        )
        async with server:
            await stopping.wait()
            for writer in list(self._open):
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MAX_CONNECTIONS:
            # One that asks does so at once: the oldest is the least likely to be Prometheus.
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.transport.abort()
        self._open[writer] = None
        try:
            await asyncio.wait_for(self._exchange(reader, writer), DEADLINE)
            writer.close()
        except (OSError, EOFError, asyncio.TimeoutError):
            writer.transport.abort()
        finally:
            self._open.pop(writer, None)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_head = False
        try:
            head = await _read_head(reader)
            request = read_request(head, self._is_allowed_host)
            is_head = request.is_head
            page = self._pages.answer(request)
        except Refused as refused:
            page = text_page(refused.status, str(refused))
        except (OSError, EOFError):
            raise
        except Exception:  # its text may hold anything
            page = text_page("500 Internal Server Error", "this page has a defect")
        writer.transport.set_write_buffer_limits(0)  # for drain to wait until all is sent
        writer.write(_encode(page, is_head))
        await writer.drain()


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    """Raises Refused, EOFError."""
    try:
        return await reader.readuntil(END_OF_HEAD)
    except asyncio.LimitOverrunError:
        raise _TOO_LARGE from None


def _encode(page: Page, is_head: bool) -> bytes:
    head = (
        f"HTTP/1.1 {page.status}\r\n"
        f"Date: {formatdate(usegmt=True)}\r\n"
        f"Content-Type: {page.content_type}\r\n"
        f"Content-Length: {len(page.body)}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        + ("Allow: GET, HEAD\r\n" if page.status.startswith("405") else "")
        + "Connection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (b"" if is_head else page.body)
