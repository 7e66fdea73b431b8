"""The limit of all loaders: the same rows in the same blocks read by plain ``tables()``, without making batches.

tiledbsoma reads a block as it does for a loader that asks for nothing more; how fast depends on the size of its
buffers, so there are several settings, and the best of them is the limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from alb_core.cases import chunk_readers
from alb_core.loader import memory_budget, order, soma
from alb_core.loader.block_spec import BlockSpec
from alb_core.peers.interface import PeerBatch, Wanted, settings

NAME = "raw tables()"
DISTRIBUTION = "tiledbsoma"
COPIES: tuple[str, ...] = ()

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    **{f"{mib} MiB": {"config": memory_budget.tuned_config(buffer_size=mib * 2**20)} for mib in (16, 64, 256, 1024)},
}

_NO_ROWS = np.empty(0, dtype=np.int64)


def unsupported(wanted: Wanted) -> str | None:
    """Say why the rows cannot be read so; None if they can."""
    if wanted.block_size % wanted.chunk_size:
        return f"a block of {wanted.block_size} rows is no multiple of chunks of {wanted.chunk_size}"
    return None


def batches(wanted: Wanted) -> Iterator[PeerBatch]:
    """Pieces of an epoch; the first piece of a block comes with the block's rows, the others with none.

    Settings: ``config`` (options of TileDB); ``rows``, to read the first ones alone; ``passes``, epochs one after
    another.
    """
    chosen = settings(wanted, config={}, rows=None, passes=1)
    with ExitStack() as stack:
        opened = soma.open_experiment(wanted.location, config=chosen["config"])
        experiment = stack.enter_context(opened)
        _, x = soma.sparse_x(experiment, "RNA", "raw", wanted.location)
        rows = soma.joinids(experiment.obs)[: chosen["rows"]]
        return _pieces(stack.pop_all(), x, rows, wanted, chosen["passes"])


def _pieces(opened: ExitStack, x: Any, rows: npt.NDArray[np.int64], wanted: Wanted, passes: int) -> Iterator[PeerBatch]:
    spec = BlockSpec(wanted.chunk_size, wanted.block_size // wanted.chunk_size)
    shuffle = "block" if wanted.shuffle else "none"
    with opened:
        for epoch in range(wanted.epoch, wanted.epoch + passes):
            for block in order.blocks(rows, spec, shuffle, wanted.seed, epoch):
                joinids = block.joinids
                # map, not a loop: a loop's variable would hold a table while the next one is read.
                tables = x.read(coords=(soma.as_coords(np.sort(joinids)), slice(None))).tables()
                for piece in map(chunk_readers.Piece, tables):
                    yield piece, joinids
                    joinids = _NO_ROWS
                    del piece


def first_rows(location: str, rows: int) -> npt.NDArray[np.int64]:
    """Joinids of the first rows of an experiment, ascending, int64."""
    with soma.open_experiment(location) as experiment:
        return soma.joinids(experiment.obs)[:rows]
