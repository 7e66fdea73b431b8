"""Batches of the length asked for, cut out of pieces of any length."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import torch
from torch.utils.data._utils.collate import default_collate_fn_map

from alb_core.base.errors import ArgumentError

#: What the loader yields: X, float32, shape (rows, vars), dense or CSR; obs, a table with a row for each row of X.
Batch = tuple[torch.Tensor, pa.Table]


def _refuse_to_collate(*_: Any, **__: Any) -> None:
    raise ArgumentError("the loader makes whole batches: DataLoader(loader, batch_size=None)")


# What a DataLoader with a batch size of its own would do with obs, which it has no way to join.
default_collate_fn_map[pa.Table] = _refuse_to_collate


def recut(pieces: Iterator[Batch], sizes: Iterator[int]) -> Iterator[Batch]:
    """Cut and join pieces to batches of these sizes, and take no piece before it is needed."""
    held: list[Batch] = []
    n_held = 0
    for size in sizes:
        while n_held < size and (piece := next(pieces, None)) is not None:
            held.append(piece)
            n_held += len(piece[1])
            del piece
        if not n_held:
            return
        rest = n_held - size
        if rest > 0:
            last = held.pop()
            stop = len(last[1])
            held.append(rows(last, 0, stop - rest))
            left = [rows(last, stop - rest, stop)]
            del last
        else:
            left, rest = [], 0
        batch = joined(held)
        held, n_held = left, rest
        yield batch
        del batch  # or it would be held while the next ones are made


def rows(batch: Batch, start: int, stop: int) -> Batch:
    """Rows ``start`` to ``stop`` (exclusive) of a batch, not copied."""
    x, obs = batch
    obs = obs.slice(start, stop - start)
    if x.layout != torch.sparse_csr:
        return x[start:stop], obs
    # torch cuts no rows out of CSR.
    starts = x.crow_indices()[start : stop + 1]
    entries = slice(int(starts[0]), int(starts[-1]))
    return _csr(starts - starts[0], x.col_indices()[entries], x.values()[entries], x.shape[1]), obs


def joined(parts: Sequence[Batch]) -> Batch:
    """Make one batch of several; one alone stays what it is."""
    if len(parts) == 1:
        return parts[0]
    xs, tables = zip(*parts, strict=True)
    obs = pa.concat_tables(tables)
    if xs[0].layout != torch.sparse_csr:
        return torch.cat(xs), obs
    before = itertools.accumulate((int(x.crow_indices()[-1]) for x in xs), initial=0)
    starts = [x.crow_indices()[:-1] + n for x, n in zip(xs, before, strict=False)]
    columns, values = torch.cat([x.col_indices() for x in xs]), torch.cat([x.values() for x in xs])
    starts.append(torch.tensor([len(values)], dtype=starts[0].dtype))
    return _csr(torch.cat(starts), columns, values, xs[0].shape[1]), obs


def _csr(starts: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, n_columns: int) -> torch.Tensor:
    size = (len(starts) - 1, n_columns)
    return torch.sparse_csr_tensor(starts, columns, values, size=size, check_invariants=False)
