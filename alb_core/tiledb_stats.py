"""What TileDB itself counted while it read."""

from __future__ import annotations

import ctypes
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

import tiledbsoma

#: What is counted, by the end of TileDB's own name for it: bytes and reads of storage (compressed, as they lie there;
#: local and S3 alike), and tiles, one for each column.
COUNTERS = {"bytes_read": "VFS.read_byte_num", "requests": "VFS.read_ops_num", "tiles": "Reader.num_tiles_read"}


@contextmanager
def counting() -> Iterator[Callable[[], int | None]]:
    """Let TileDB count what it reads in this process."""
    with _enabled() as counts:
        yield _read_bytes if counts else lambda: None


@contextmanager
def counting_all() -> Iterator[Callable[[], Mapping[str, int] | None]]:
    """Let TileDB count, and make the oldest releases say what, too: they print it.

    Only where nothing else writes to the standard output: for a moment it is a file.
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
            # Printed by C++, which knows nothing of sys.stdout, or by Python.
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
