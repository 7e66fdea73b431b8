"""What TileDB itself counted while it read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tiledbsoma


@contextmanager
def counting() -> Iterator[Callable[[], int | None]]:
    """Let TileDB count what it reads in this process.

    Yields
    ------
    callable
        Gives the bytes read from storage so far (compressed, as they lie there; local and S3 alike), or None where
        this release of tiledbsoma does not say.
    """
    enable = getattr(tiledbsoma, "tiledbsoma_stats_enable", None)
    if enable is None:
        yield lambda: None
        return
    enable()
    tiledbsoma.tiledbsoma_stats_reset()
    try:
        yield _read_bytes
    finally:
        tiledbsoma.tiledbsoma_stats_disable()


def _read_bytes() -> int | None:
    as_py = getattr(tiledbsoma, "tiledbsoma_stats_as_py", None)
    if as_py is None:
        return None
    groups: list[dict[str, Any]] = as_py()
    counts = [
        int(value)
        for group in groups
        for name, value in group.get("counters", {}).items()
        if name.endswith("VFS.read_byte_num")
    ]
    return sum(counts)
