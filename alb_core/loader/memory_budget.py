"""Memory: the TileDB context that loading does best with, the shares of a memory cap, and keeping to the cap.

Every option of the context is one that TileDB has long had, so old releases take it, too (they ignore what they do not
know). The best values are those of the machines measured.
"""

from __future__ import annotations

import time

from alb_core.base import memory
from alb_core.base.errors import AlbError

#: Bytes below the cap at which free memory is given back: what may be allocated between two checks.
_MARGIN_BYTES = 64 * 2**20

#: Least seconds between two times: memory that was given back is slow to take again.
_PAUSE_SECONDS = 0.1


class MemoryCap:
    """Keeps this process below a cap, by giving freed memory back to the system in time.

    An allocator holds more than is in use: what one thread frees, another one cannot always take (glibc's arenas,
    malloc(3)). That was seen to be 120 MB.
    """

    def __init__(self, cap: int | None) -> None:
        self._threshold = None if cap is None else cap - _MARGIN_BYTES
        self._not_before = 0.0

    def keep(self) -> None:
        """Give free memory back where the process holds nearly as much as it may."""
        if self._threshold is None or time.monotonic() < self._not_before or memory.held_bytes() < self._threshold:
            return
        memory.give_back()
        self._not_before = time.monotonic() + _PAUSE_SECONDS


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

#: Column buffers that exist at once, as measured: three of a table that is filled, three of one that is packed.
_BUFFERS = 6

#: Dense batches that exist at once: the consumer's, one waiting, one being made.
DENSE_BATCHES = 3

#: Bytes for all else: threads' stacks, obs, lookup tables.
_OTHER = 48 * 2**20

#: Bytes that packed cells need at least.
_MIN_PACKED = 16 * 2**20


def tile_memory(max_memory: int) -> int:
    """Bytes that TileDB may hold of tiles under a cap."""
    # Small caps get small shares: they cost little speed.
    return min(TILE_MEMORY, max(32 * 2**20, max_memory // 8))


def buffer_size(max_memory: int) -> int:
    """Bytes of each column buffer under a cap."""
    return min(BUFFER_SIZE, max(2**20, max_memory // 128))


def capped_config(max_memory: int) -> dict[str, str]:
    """TileDB options that keep to a cap."""
    return tuned_config(buffer_size(max_memory), tile_memory(max_memory))


def packed_bytes(max_memory: int, held: int, batch_bytes: int) -> int:
    """Bytes that are left for packed cells under a cap, when the process holds ``held`` already."""
    buffers = _BUFFERS * buffer_size(max_memory)
    fixed = held + tile_memory(max_memory) + buffers + DENSE_BATCHES * batch_bytes + _OTHER
    if fixed + _MIN_PACKED > max_memory:
        raise AlbError(
            f"max_memory is {max_memory:,} bytes, expected {fixed + _MIN_PACKED:,} or more: the process holds {held:,} "
            f"already, and {DENSE_BATCHES} batches take {DENSE_BATCHES * batch_bytes:,}; raise it, or take a smaller "
            "batch_size"
        )
    return max_memory - fixed
