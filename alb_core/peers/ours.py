"""The loader of this package, as its users have it unasked, and as well as it can be set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.peers.interface import PeerBatch, Wanted, settings
from alb_core.peers.raw_tables import first_rows

NAME = "alb_core"
DISTRIBUTION = "arrayloader-benchmarks"
COPIES: tuple[str, ...] = ()

#: What the loader may hold, bytes: its buffers, tiles and blocks are sized to it.
MAX_MEMORY = 2 * 2**30

#: So much holds a block of 16,384 rows or two of Census cells, and not many more.
TIGHT_MEMORY = 1_100_000_000

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "best": {"method": "numba", "max_memory": MAX_MEMORY},
    # A dataset that does not fit: with more, small ones are read whole at once, in any layout equally fast.
    "tight": {"method": "numba", "max_memory": TIGHT_MEMORY},
}


def unsupported(wanted: Wanted) -> str | None:
    """Say why the loader cannot do what is wanted; None if it can."""
    if wanted.block_size % wanted.chunk_size:
        return f"a block of {wanted.block_size} rows is no multiple of chunks of {wanted.chunk_size}"
    return None


def batches(wanted: Wanted) -> Iterator[PeerBatch]:
    """Batches of one epoch, or of several.

    Settings: ``method``, ``max_memory`` (bytes) and ``config`` as the loader has them; ``rows``, to take the first ones
    alone; ``passes``, epochs one after another.
    """
    chosen = settings(wanted, method="numba", max_memory=None, config=None, rows=None, passes=1)
    loader = SomaLoader(
        wanted.location,
        BlockSpec(wanted.chunk_size, wanted.block_size // wanted.chunk_size),
        shuffle="block" if wanted.shuffle else "none",
        seed=wanted.seed,
        batch_size=wanted.batch_size,
        obs_joinids=_rows(wanted, chosen["rows"]),
        method=chosen["method"],
        max_memory=chosen["max_memory"],
        config=chosen["config"],
    )
    loader.set_epoch(wanted.epoch)
    loader.open()
    return _batches(loader, chosen["passes"])


def _rows(wanted: Wanted, rows: int | None) -> npt.NDArray[np.int64] | None:
    return None if rows is None else first_rows(wanted.location, rows)


def _batches(loader: SomaLoader, passes: int) -> Iterator[PeerBatch]:
    with loader:
        for _ in range(passes):
            for x, obs in loader:
                yield x, obs.column("soma_joinid").to_numpy()
                del x, obs  # or the batch would be held while the next one is made
