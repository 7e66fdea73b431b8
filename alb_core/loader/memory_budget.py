"""Shares of a memory cap: what of it goes to buffers, to TileDB, to dense batches and to packed cells.

A cap of memory, watched: what was freed and is still held goes back to the system before the cap is reached.

The TileDB context that loading cells does best with, on the machines measured.

Every option is one that TileDB has long had, so old releases take them, too (they ignore what they do not know).
"""

from __future__ import annotations

import time

from alb_core.base import memory
from alb_core.base.errors import AlbError

#: Bytes below the cap at which free memory is given back: what may come between two looks.
_NEAR = 64 * 2**20

#: Seconds between two times, at least: memory that is given back is slow to take again.
_PAUSE = 0.1


class Ceiling:
    """What this process may hold.

    The plan of buffers says what is in use. An allocator holds more: what one thread frees, another one cannot always
    take (glibc's arenas, malloc(3)). That was seen to be 120 MB.
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


#: Bytes of each column buffer. 2 to 32 MiB read equally fast, the default of 1 GiB a third slower: buffers of that
#: size are fresh pages of memory at every read, and faulting them in costs more than many small reads.
BUFFER_SIZE = 16 * 2**20

#: Bytes that TileDB may hold of tiles while it reads. 256 MiB read as fast as the default of 10 GiB, in a third of the
#: memory.
TILE_MEMORY = 256 * 2**20


def tuned_config(buffer_size: int = BUFFER_SIZE, tile_memory: int = TILE_MEMORY) -> dict[str, str]:
    """TileDB options."""
    return {
        # By default TileDB gives its free memory back to the system after every query, and faults it in again in the
        # next one: a third of the CPU time of a shuffled read.
        "sm.mem.malloc_trim": "false",
        "sm.mem.total_budget": str(tile_memory),
        "soma.init_buffer_bytes": str(buffer_size),
        "py.init_buffer_bytes": str(buffer_size),
    }


#: Bytes that packed cells may take where no cap is set.
UNCAPPED = 2**30

#: Tables that exist at once, as measured: one being filled, one being packed; each of three columns.
_TABLES = 2
_COLUMNS = 3

#: Dense batches that exist at once: the consumer's, one waiting, one being made.
DENSE_BATCHES = 3

#: Bytes for what is not planned: threads' stacks, obs, lookup tables.
_SPARE = 48 * 2**20

#: The least that packed cells can do with, bytes.
_LEAST = 16 * 2**20


def tile_memory(max_memory: int) -> int:
    """Bytes that TileDB may hold of tiles under a cap."""
    # Small caps get small shares: they cost little speed (alb_core.loader.memory_budget).
    return min(TILE_MEMORY, max(32 * 2**20, max_memory // 8))


def buffer_size(max_memory: int) -> int:
    """Bytes of each column buffer under a cap."""
    return min(BUFFER_SIZE, max(2**20, max_memory // 128))


def capped_config(max_memory: int) -> dict[str, str]:
    """TileDB options that keep to a cap."""
    return tuned_config(buffer_size(max_memory), tile_memory(max_memory))


def packed_bytes(max_memory: int, held: int, batch_bytes: int) -> int:
    """Bytes that are left for packed cells."""
    tables = _TABLES * _COLUMNS * buffer_size(max_memory)
    fixed = held + tile_memory(max_memory) + tables + DENSE_BATCHES * batch_bytes + _SPARE
    if fixed + _LEAST > max_memory:
        raise AlbError(
            f"max_memory is {max_memory:,} bytes, expected {fixed + _LEAST:,} or more: the process holds {held:,} "
            f"already, and {DENSE_BATCHES} batches take {DENSE_BATCHES * batch_bytes:,}; raise it, or take a smaller "
            "batch_size"
        )
    return max_memory - fixed
