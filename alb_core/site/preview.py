"""Where a site is previewed: for this computer alone, at the next free port where the wanted one is taken."""

from __future__ import annotations

import errno
import http.server
import os
import socket
import sys
from pathlib import Path
from typing import Any

from alb_core.base.errors import AlbError

#: asv's own where nobody names one.
PORT = 8080

#: Environment variable that names another address to serve at, such as 0.0.0.0 for all of this computer's.
VARIABLE = "ALB_PREVIEW_ADDRESS"

_TRIED = 20
_LAST = 65535


def address_asked() -> str:
    """Address to serve at: this computer alone can reach it, unless the user names another."""
    return os.environ.get(VARIABLE) or "127.0.0.1"


def server(handler: type[http.server.SimpleHTTPRequestHandler], port: int) -> tuple[Any, str]:
    """Make the server of the site in the current directory, in place of asv's, which listens at all addresses."""
    site, address = Path.cwd().resolve(), address_asked()

    class Within(handler):  # type: ignore[misc, valid-type]
        def send_head(self) -> Any:
            """Send what lies in the site; a link out of it is not followed."""
            if Path(self.translate_path(self.path)).resolve().is_relative_to(site):
                return super().send_head()
            self.send_error(404)
            return None

    httpd = http.server.ThreadingHTTPServer((address, port), Within)
    return httpd, f"http://{address}:{httpd.server_port}/"


def free_port(port: int = 0) -> int:
    """Return a port, or the next one that is free where it is taken; 0 stands for asv's own."""
    first = port or PORT
    if not 0 < first <= _LAST:
        raise AlbError(f"--port is {port}, expected 1 to {_LAST}")
    address = address_asked()
    last = min(first + _TRIED - 1, _LAST)
    for candidate in range(first, last + 1):
        try:
            # As asv's server does.
            with socket.socket() as asked:
                asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                asked.bind((address, candidate))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise AlbError(
                f"cannot serve at {address}:{candidate}: {error.strerror}; --port takes another port"
            ) from error
        if candidate != first:
            print(f"alb: port {first} is taken; serving on {candidate}", file=sys.stderr)
        return candidate
    raise AlbError(f"the ports {first} to {last} are all taken: choose another with --port")
