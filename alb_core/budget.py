"""Shares of a memory cap: what of it goes to buffers, to TileDB, to dense batches and to packed cells."""

from __future__ import annotations

from alb_core import tuning
from alb_core.errors import AlbError

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
    # Small caps get small shares: they cost little speed (alb_core.tuning).
    return min(tuning.TILE_MEMORY, max(32 * 2**20, max_memory // 8))


def buffer_size(max_memory: int) -> int:
    """Bytes of each column buffer under a cap."""
    return min(tuning.BUFFER_SIZE, max(2**20, max_memory // 128))


def config(max_memory: int) -> dict[str, str]:
    """TileDB options that keep to a cap."""
    return tuning.config(buffer_size(max_memory), tile_memory(max_memory))


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
