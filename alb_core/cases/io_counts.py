"""What is read: bytes, requests and tiles by TileDB's own statistics, and fragments by Linux, as TileDB does not say.

Each count is a context; it gives a function that returns the count so far, or None where a release or system says none.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import tiledbsoma

_OPENED, _ONCE = 0x20, 0x80000000

#: The file of a fragment that is opened without reading its cells.
_METADATA = "__fragment_metadata.tdb"

#: Watch, mask, cookie, and the length of a name that follows.
_EVENT = struct.Struct("iIII")


@contextmanager
def count_fragments(root: Path) -> Iterator[Callable[[], int | None]]:
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
    """Fragments that the events name."""
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


#: What is counted, by the end of TileDB's own name for it: bytes and reads of storage (compressed, as they lie there;
#: local and S3 alike), and tiles, one for each column.
COUNTERS = {"bytes_read": "VFS.read_byte_num", "requests": "VFS.read_ops_num", "tiles": "Reader.num_tiles_read"}


@contextmanager
def count_bytes() -> Iterator[Callable[[], int | None]]:
    """Let TileDB count the bytes that it reads in this process."""
    with _enabled() as counts:
        yield _read_bytes if counts else lambda: None


@contextmanager
def count_all() -> Iterator[Callable[[], Mapping[str, int] | None]]:
    """Let TileDB count all of :data:`COUNTERS` in this process.

    The oldest releases only print them, so for a moment the standard output is a file: nothing else may write to it.
    """
    with _enabled() as counts:
        yield _all_counts if counts else lambda: None


@contextmanager
def _enabled() -> Iterator[bool]:
    enable = getattr(tiledbsoma, "tiledbsoma_stats_enable", None)
    if enable is None:
        yield False
        return
    enable()
    tiledbsoma.tiledbsoma_stats_reset()
    try:
        yield True
    finally:
        tiledbsoma.tiledbsoma_stats_disable()


def _read_bytes() -> int | None:
    as_py = getattr(tiledbsoma, "tiledbsoma_stats_as_py", None)
    return None if as_py is None else _sum_of(as_py(), COUNTERS["bytes_read"])


def _all_counts() -> dict[str, int] | None:
    as_py = getattr(tiledbsoma, "tiledbsoma_stats_as_py", None)
    groups = as_py() if as_py is not None else _printed()
    if groups is None:
        return None
    counts = {name: _sum_of(groups, end) for name, end in COUNTERS.items()}
    # A context that is gone has taken its counts with it.
    return counts if counts["tiles"] else None


def _sum_of(groups: list[dict[str, Any]], end: str) -> int:
    return sum(
        int(value) for group in groups for name, value in group.get("counters", {}).items() if name.endswith(f".{end}")
    )


def _printed() -> list[dict[str, Any]] | None:
    """What a release that only prints its statistics prints: perhaps a line with TileDB's version, and JSON."""
    dump = getattr(tiledbsoma, "tiledbsoma_stats_dump", None)
    if dump is None:
        return None
    flush = ctypes.CDLL(None).fflush
    with tempfile.TemporaryFile() as file:
        kept = os.dup(1)
        try:
            # Printed by C++, which does not use sys.stdout, or by Python.
            flush(None)
            os.dup2(file.fileno(), 1)
            with redirect_stdout(io.StringIO()) as said:
                dump()
            flush(None)
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        file.seek(0)
        text = file.read().decode(errors="replace") + said.getvalue()
    try:
        groups: list[dict[str, Any]] = json.loads(text[text.index("[") :])
    except ValueError:
        return None
    return groups
