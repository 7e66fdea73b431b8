"""What must hold before anything is measured: the dataset, the commit, no network (design rules 1, 3 and 6)."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from alb_core.base import certificate
from alb_core.base.errors import AlbError
from alb_core.base.paths import datasets_root
from alb_core.datasets.guard import guard
from alb_core.datasets.manifest import Manifest

#: Audit events by which Python code would reach another host; local sockets (AF_UNIX) do not raise the first two.
_NETWORK_EVENTS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"}


@cache
def ready(dataset: str) -> Manifest:
    """Prove that this process may measure a dataset, once a process; return the dataset's manifest."""
    manifest = guard(datasets_root() / dataset)
    certificate.require_commit()
    stay_offline()
    return manifest


@cache
def stay_offline() -> None:
    """Refuse, for the rest of this process, every connection that leaves it for a network address."""
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _NETWORK_EVENTS:
        return
    # (socket, address): addresses of the network are tuples, those of local sockets are paths.
    if event in {"socket.connect", "socket.sendto"} and not isinstance(arguments[1], tuple):
        return
    target = arguments[1] if event.startswith("socket.connect") else arguments[0]
    raise AlbError(f"a benchmark tried to reach the network ({event} {target}): it may read local data only")
