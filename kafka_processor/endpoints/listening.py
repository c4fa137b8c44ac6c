"""Listening on an address, and the host names that may be used for this machine."""

import ipaddress
import socket
from typing import Final

from kafka_processor.errors import CannotListenError

BACKLOG: Final = 128
"""Connections that wait to be accepted."""


def listen(host: str, port: int, setting: str, remedy: str) -> socket.socket:
    """Returns a listening socket; `port` 0 takes a free one.

    Raises CannotListenError: `setting` begins its message, `remedy` ends it.
    """
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
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise CannotListenError(
            f"{setting}: cannot listen on {host}, port {port}: {reason}; {remedy}"
        ) from None
    return listener


def is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def is_of_this_machine(host: str) -> bool:
    """Whether a Host header names loopback. Any port: the connection may come through a tunnel."""
    name = name_in(host)
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def name_in(host: str) -> str:
    """Returns the name or address in a Host header, in lower case, without the port."""
    name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    return (name or port).lower()
