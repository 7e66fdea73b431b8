"""The port at which a site is previewed: the next free one where the wanted port is taken."""

from __future__ import annotations

import errno
import socket
import sys

from alb_core.base.errors import AlbError

#: asv's own where nobody names one.
PORT = 8080

_TRIED = 20
_LAST = 65535


def free_port(port: int = 0) -> int:
    """Return a port, or the next one that is free where it is taken; 0 stands for asv's own."""
    first = port or PORT
    if not 0 < first <= _LAST:
        raise AlbError(f"--port is {port}, expected 1 to {_LAST}")
    last = min(first + _TRIED - 1, _LAST)
    for candidate in range(first, last + 1):
        try:
            # As asv's server does.
            with socket.socket() as asked:
                asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                asked.bind(("", candidate))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise AlbError(f"cannot serve on port {candidate}: {error.strerror}; choose another with --port") from error
        if candidate != first:
            print(f"alb: port {first} is taken; serving on {candidate}", file=sys.stderr)
        return candidate
    raise AlbError(f"the ports {first} to {last} are all taken: choose another with --port")
