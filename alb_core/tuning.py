"""The TileDB context that loading cells does best with, on the machines measured.

Every option is one that TileDB has long had, so old releases take them, too (they ignore what they do not know).
"""

from __future__ import annotations

#: Bytes of each column buffer. 2 to 32 MiB read equally fast, the default of 1 GiB a third slower: buffers of that
#: size are fresh pages of memory at every read, and faulting them in costs more than many small reads.
BUFFER_SIZE = 16 * 2**20

#: Bytes that TileDB may hold of tiles while it reads. 256 MiB read as fast as the default of 10 GiB, in a third of the
#: memory.
TILE_MEMORY = 256 * 2**20


def config(buffer_size: int = BUFFER_SIZE, tile_memory: int = TILE_MEMORY) -> dict[str, str]:
    """TileDB options."""
    return {
        # By default TileDB gives its free memory back to the system after every query, and faults it in again in the
        # next one: a third of the CPU time of a shuffled read.
        "sm.mem.malloc_trim": "false",
        "sm.mem.total_budget": str(tile_memory),
        "soma.init_buffer_bytes": str(buffer_size),
        "py.init_buffer_bytes": str(buffer_size),
    }
