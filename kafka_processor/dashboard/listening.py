"""The address that the page is served on."""

import ipaddress
import socket
from urllib.parse import quote


def address_of(
    listener: socket.socket, host: str, token: str | None, *, is_secret: bool = False
) -> str:
    """Returns the URL to open in a browser. A generated token is part of it; a configured one
    (`is_secret`) is known, and must not end up in a log."""
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
