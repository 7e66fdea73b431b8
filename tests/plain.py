"""A loader in the plainest way: rows in a dict, batches by a loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from tiny import Tiny

from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.order import blocks


def drawn(joinids: Sequence[int], spec: BlockSpec, shuffle: str, seed: int, epoch: int) -> list[int]:
    """Rows of an epoch in the order in which chunks are drawn, before they are shuffled inside blocks."""
    cut = blocks(np.asarray(joinids), spec, shuffle, seed, epoch)
    return [i for block in cut for chunk in block.chunks for i in chunk.tolist()]


def share(rows: Sequence[int], rank: int, world_size: int) -> Sequence[int]:
    """Rows of one rank."""
    return rows[len(rows) * rank // world_size : len(rows) * (rank + 1) // world_size]


def cut(rows: Iterable[int], batch_size: int, drop_last: bool = False) -> list[list[int]]:
    """Batches of rows."""
    batches: list[list[int]] = [[]]
    for row in rows:
        if len(batches[-1]) == batch_size:
            batches.append([])
        batches[-1].append(row)
    if drop_last and len(batches[-1]) < batch_size:
        batches.pop()
    return [batch for batch in batches if batch]


def ids(batch: Any) -> list[int]:
    """Rows of a batch."""
    joinids: list[int] = batch[1].column("soma_joinid").to_pylist()
    return joinids


def all_ids(batches: Iterable[Any]) -> list[list[int]]:
    """Rows of batches."""
    return [ids(batch) for batch in batches]


def require_true(tiny: Tiny, batches: Iterable[Any], columns: Sequence[int] | None = None) -> Iterator[list[int]]:
    """Rows of each batch, when its values are those of the experiment, row by row."""
    truth = dict(zip(tiny.obs_joinids.tolist(), tiny.x, strict=True))
    at = tiny.columns(tiny.var_joinids if columns is None else columns)
    for batch in batches:
        x = batch[0].to_dense().numpy()
        for row, joinid in zip(x, ids(batch), strict=True):
            assert np.array_equal(row, truth[joinid][at]), joinid
        yield ids(batch)
