"""A quiet machine for the tests that compare times: while one runs, no other does, whatever process it is in.

It is a room with a waiting line. The other tests are in the room together, a quiet one is there alone, and the line
keeps those that come later from going in before it. Locked are two directories of the checkout, so that runs in one
checkout heed one another, nothing is left behind, and what a killed process held goes with it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOM = Path(__file__).resolve().parent
_LINE = _ROOM.parent


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test with its fixtures in the room. What it waits for is not on its own clock: this hook is the first."""
    with in_the_room(alone=item.get_closest_marker("quiet") is not None):
        return (yield)


def soon(beginning: float) -> float:
    """Seconds in which a program ends that is told to: two, or as many as it began in on a machine that is slow."""
    return max(2.0, beginning)


@contextmanager
def in_the_room(room: Path = _ROOM, line: Path = _LINE, *, alone: bool) -> Iterator[None]:
    """Run the block in the room: alone, or with others that need not be alone either."""
    how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    with _opened(room) as inside:
        with _opened(line) as waiting:
            fcntl.flock(waiting, how)
            fcntl.flock(inside, how)
        yield


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    """Open a directory to lock it; unlocked at the end even where a fork of this process has it open as well."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
