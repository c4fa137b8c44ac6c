"""Ports on loopback that nobody listens on."""

import secrets
import socket

HOST = "127.0.0.1"
# Below the ports that Linux and macOS give to outgoing connections: one of those could take the
# port of a server while it is down.
CHOICE = range(20_000, 29_000)


def free_port(taken: set[int]) -> int:
    """A port that is free now and not in `taken`; it is added there."""
    while True:
        port = secrets.choice(CHOICE)
        if port not in taken and is_free(port):
            taken.add(port)
            return port


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
