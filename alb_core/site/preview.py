"""The address at which a site is previewed: the next free one where the wanted port is taken."""

from __future__ import annotations

import errno
import sys
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

from alb_core.base.errors import AlbError

#: asv's own where nobody names one.
PORT = 8080

_TRIED = 20
_LAST = 65535


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def server(handler: type[BaseHTTPRequestHandler], port: int = 0) -> tuple[ThreadingTCPServer, str]:
    """Serve on a port or, where it is taken, on the next that is free; stands in for asv's ``create_httpd``."""
    first = port or PORT
    if not 0 < first <= _LAST:
        raise AlbError(f"--port is {port}, expected 1 to {_LAST}")
    last = min(first + _TRIED - 1, _LAST)
    for candidate in range(first, last + 1):
        try:
            found = _Server(("", candidate), handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise AlbError(f"cannot serve on port {candidate}: {error.strerror}; choose another with --port") from error
        if candidate != first:
            print(f"alb: port {first} is taken; serving on {candidate}", file=sys.stderr)
        return found, f"http://127.0.0.1:{candidate}/"
    raise AlbError(f"the ports {first} to {last} are all taken: choose another with --port")
