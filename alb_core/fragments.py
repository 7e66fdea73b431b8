"""How many fragments of a TileDB experiment are read: TileDB's own statistics do not say, and Linux does."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_OPENED, _ONCE = 0x20, 0x80000000

#: Of a fragment, what is opened to learn of it, and not to read its cells.
_METADATA = "__fragment_metadata.tdb"

#: Watch, mask, cookie, and the length of a name that follows.
_EVENT = struct.Struct("iIII")


@contextmanager
def touched(root: Path) -> Iterator[Callable[[], int | None]]:
    """Count the fragments below a directory of which data is read."""
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(libc, "inotify_init1") else -1
    if watcher < 0:
        yield lambda: None
        return
    try:
        fragments: dict[int, Path] = {}
        for path in root.glob("**/__fragments/*/*.tdb"):
            if path.name != _METADATA:
                # Once: each file gives an event at most, so that no queue overflows.
                fragments[libc.inotify_add_watch(watcher, os.fsencode(path), _OPENED | _ONCE)] = path.parent
        yield (lambda: None) if -1 in fragments else (lambda: len(_opened(watcher, fragments)))
    finally:
        os.close(watcher)


def _opened(watcher: int, fragments: dict[int, Path]) -> set[Path]:
    """Fragments of which an event tells."""
    found: set[Path] = set()
    while True:
        try:
            events = os.read(watcher, 65536)
        except BlockingIOError:
            return found
        at = 0
        while at < len(events):
            watch, mask, _, length = _EVENT.unpack_from(events, at)
            if mask & _OPENED:
                found.add(fragments[watch])
            at += _EVENT.size + length
