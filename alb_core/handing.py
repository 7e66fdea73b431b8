"""Handing out: batches as long as they are wanted, and the place at which an epoch stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import torch

#: What the loader yields: X, float32, shape (rows, vars); obs, a table with a row for each row of X.
Batch = tuple[torch.Tensor, pa.Table]


@dataclass
class Place:
    """How far an epoch is: so many of its batches are handed out."""

    epoch: int
    batch: int = 0


def resized(batches: Iterator[Batch], sizes: Iterator[int]) -> Iterator[Batch]:
    """Cut batches that are longer than wanted, and stop where none is wanted any more.

    Parameters
    ----------
    batches
        Each at least as long as wanted, or the last one. Most go through as they are.
    sizes
        Rows wanted of each batch handed out.
    """
    left: Batch | None = None
    for size in sizes:
        if left is None and (left := next(batches, None)) is None:
            return
        x, obs = left
        left = None
        if len(obs) > size:
            left = _rows(x, size, len(obs)), obs.slice(size)
            x, obs = _rows(x, 0, size), obs.slice(0, size)
        yield x, obs
        del x, obs  # or they would be held while the next ones are made


def _rows(x: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    if x.layout != torch.sparse_csr:
        return x[start:stop]
    # torch cuts no rows out of CSR.
    starts = x.crow_indices()[start : stop + 1]
    entries = slice(int(starts[0]), int(starts[-1]))
    parts = starts - starts[0], x.col_indices()[entries], x.values()[entries]
    return torch.sparse_csr_tensor(*parts, size=(stop - start, x.shape[1]), check_invariants=False)
