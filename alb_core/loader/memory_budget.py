"""Memory: the TileDB context and blocks that loading does best with, the shares of a memory cap, and keeping to it.

Every option of the context is one that TileDB has long had, so old releases take it, too (they ignore what they do not
know). The best values are those of the machines measured.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from alb_core.base import memory
from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec

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
    fixed = _fixed_bytes(max_memory, held, batch_bytes)
    if fixed + _MIN_PACKED > max_memory:
        raise AlbError(
            f"max_memory is {max_memory:,} bytes, expected {fixed + _MIN_PACKED:,} or more: the process holds {held:,} "
            f"already, and {DENSE_BATCHES} batches take {DENSE_BATCHES * batch_bytes:,}; raise it, or take a smaller "
            "batch_size"
        )
    return max_memory - fixed


def _fixed_bytes(max_memory: int, held: int, batch_bytes: int) -> int:
    """Bytes of all but packed cells under a cap."""
    return held + tile_memory(max_memory) + _BUFFERS * buffer_size(max_memory) + DENSE_BATCHES * batch_bytes + _OTHER


#: The largest value that is packed as a count, in two bytes.
LARGEST_COUNT = 254

#: Bytes that an entry takes, jumps and what pages leave empty included: a small count, and any other value.
_COUNT_BYTES = 2.25
_OTHER_BYTES = 6.3


def packed_row_bytes(values: npt.NDArray[Any], n_rows: int) -> float:
    """Bytes that a row takes packed, by the values of some rows."""
    counts = np.count_nonzero((values >= 0) & (values <= LARGEST_COUNT) & (values == np.floor(values)))
    return max(1.0, (_COUNT_BYTES * counts + _OTHER_BYTES * (len(values) - counts)) / n_rows)


#: Rows of a chunk, and of a block where tiles are strips of columns, as in a Census: a block then touches nearly all
#: tiles, however small it is. Where tiles are as wide as X it touches its own, and a smaller one is there sooner.
_CHUNK = 64
_STRIPS_BLOCK = 32768
_ROWS_BLOCK = 16384

#: Rows of the smallest block: below, batches are hardly mixed.
_LEAST_BLOCK = 1024

#: Bytes that a process holds with torch, tiledbsoma and numba loaded. Not what it holds now: that differs from rank to
#: rank, and all must cut the same blocks.
HELD = 450 * 10**6


def block_room(max_memory: int | None, batch_bytes: int) -> int:
    """Bytes that a block may take packed: two are there at once, one that is read and one that is handed out."""
    room = UNCAPPED // 4
    return room if max_memory is None else min(room, (max_memory - _fixed_bytes(max_memory, HELD, batch_bytes)) // 2)


def default_spec(n_rows: int, row_bytes: float, room: int, *, row_by_row: bool) -> BlockSpec:
    """Block spec for who names none: one block where rows are few, else the measured best that has room."""
    block, chunk = _ROWS_BLOCK if row_by_row else _STRIPS_BLOCK, min(_CHUNK, n_rows)
    while block > _LEAST_BLOCK and min(block, n_rows) * row_bytes > room:
        block //= 2
    return BlockSpec(chunk, -(-min(block, n_rows) // chunk))
