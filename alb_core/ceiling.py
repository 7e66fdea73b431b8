"""A cap of memory, watched: what was freed and is still held goes back to the system before the cap is reached."""

from __future__ import annotations

import time

from alb_core import memory

#: Bytes below the cap at which free memory is given back: what may come between two looks.
_NEAR = 64 * 2**20

#: Seconds between two times, at least: memory that is given back is slow to take again.
_PAUSE = 0.1


class Ceiling:
    """What this process may hold.

    A plan of buffers (:mod:`alb_core.budget`) says what is in use. An allocator holds more: what one thread frees,
    another one cannot always take (glibc's arenas, malloc(3)). That was seen to be 120 MB.
    """

    def __init__(self, cap: int | None) -> None:
        self._near = None if cap is None else cap - _NEAR
        self._next = 0.0

    def look(self) -> None:
        """Give free memory back where the process holds nearly as much as it may."""
        if self._near is None or time.monotonic() < self._next or memory.held_bytes() < self._near:
            return
        memory.give_back()
        self._next = time.monotonic() + _PAUSE
