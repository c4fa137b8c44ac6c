"""The address that the page is served on."""

import ipaddress
import socket
from typing import Final
from urllib.parse import quote

from kafka_processor.watching import CannotListen

BACKLOG: Final = 128


def listen(host: str, port: int) -> socket.socket:
    """`port` 0 takes a free one. Raises CannotListen."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no host name"
        raise CannotListen(
            f"--port: cannot listen on {host}, port {port}: {reason}; "
            "give --port or --host what is free on this machine"
        ) from None
    return listener


def is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def address_of(
    listener: socket.socket, host: str, token: str | None, *, is_secret: bool = False
) -> str:
    """What to open in a browser. A token that was made here has to be told, a given one is known,
    and has no place in what may be kept as a log."""
    address, port = listener.getsockname()[:2]
    if ipaddress.ip_address(address).is_unspecified:
        host = socket.gethostname()
    name = f"[{host}]" if ":" in host else host
    page = f"http://{name}:{port}/"
    if token is None:
        return page
    if is_secret:
        return f"{page} (the first time with ?token=…)"
    return f"{page}?token={quote(token, safe='')}"
