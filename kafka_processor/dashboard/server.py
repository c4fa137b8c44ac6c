"""The page over HTTP: its files, and its snapshots as server-sent events."""

import asyncio
import mimetypes
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from kafka_processor.dashboard.guard import Guard
from kafka_processor.dashboard.hub import Hub
from kafka_processor.dashboard.limits import BACKLOG, MAX_HEAD, LoopErrors, limited_protocol

STATIC: Final = Path(__file__).parent / "static"
RETRY: Final = 1000
"""Milliseconds after which a browser reconnects."""
MAX_STREAMS: Final = 64
"""Open event streams: half of the connections, so that files can still be served."""
STOP_TIMEOUT: Final = 2
"""Seconds for responses in flight."""

# The system's list of types may differ, and browsers are told not to guess (nosniff).
for _type, _ending in (("text/javascript", ".js"), ("text/css", ".css"), ("font/woff2", ".woff2")):
    mimetypes.add_type(_type, _ending)


def application(
    make_snapshot: Callable[[], bytes],
    is_stopping: Callable[[], bool],
    *,
    token: str | None,
    is_loopback: bool,
    port: int,
) -> ASGIApp:
    """`make_snapshot` is called once a second, on another thread."""
    hub = Hub(make_snapshot, is_stopping)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_exception_handler(LoopErrors())
        running = asyncio.create_task(hub.run())
        yield
        hub.close()
        await running

    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-store"})

    streams = 0

    async def events(_: Request) -> Response:
        if streams >= MAX_STREAMS:
            return PlainTextResponse("Too many pages are open.\n", 503)

        async def stream() -> AsyncIterator[bytes]:
            nonlocal streams
            streams += 1
            try:
                yield b"retry: %d\n\n" % RETRY
                async for snapshot in hub.snapshots():
                    yield b"data: %b\n\n" % snapshot
            finally:
                streams -= 1

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)

    routes = [
        Route("/", page),
        Route("/events", events),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    inner = Starlette(routes=routes, lifespan=lifespan)
    return Guard(inner, token, is_loopback, f"kafka_processor_dashboard_{port}")


def serve(
    listener: socket.socket,
    make_snapshot: Callable[[], bytes],
    *,
    token: str | None,
    is_loopback: bool,
) -> None:
    """Blocks until SIGINT or SIGTERM, which then reach the caller's own handlers as well."""
    server: uvicorn.Server

    def is_stopping() -> bool:
        return server.should_exit

    config = uvicorn.Config(
        application(
            make_snapshot,
            is_stopping,
            token=token,
            is_loopback=is_loopback,
            port=listener.getsockname()[1],
        ),
        # Its lines would contain addresses of browsers, and tokens.
        log_config=None,
        log_level="critical",
        access_log=False,
        http=limited_protocol(),
        backlog=BACKLOG,
        h11_max_incomplete_event_size=MAX_HEAD,
        ws="none",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_TIMEOUT,
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
