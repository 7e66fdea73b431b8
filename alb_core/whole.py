"""The plain pipeline: a block is read whole, converted by the method, and cut into batches, one after another."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np
import pyarrow as pa
import torch

from alb_core.convert import METHODS, BlockMatrix, Positions
from alb_core.opened import Opened
from alb_core.order import Block
from alb_core.spent import Spent


class Whole:
    """The pipeline of an epoch."""

    def __init__(self, opened: Opened, method: str, *, batch_size: int, drop_last: bool, pin: bool = False) -> None:
        self._opened = opened
        self._method = METHODS[method]
        self._columns = Positions(opened.columns)
        self._batch_size = batch_size
        self._drop_last = drop_last
        self._pin = pin

    def batches(self, blocks: Iterator[Block], spent: Spent) -> Generator[tuple[torch.Tensor, pa.Table], None, None]:
        """Batches of the blocks, in order; seconds are noted in ``spent``.

        A batch inside one block is cut out of it as it is; one that spans blocks is filled part by part. Nothing of
        a block is held here while the next one is read, which would double the memory.
        """
        spanning: _SpanningBatch | None = None
        for block in blocks:
            matrix, obs = self._read(block, spent)
            n_rows = obs.num_rows
            start = 0
            while start < n_rows:
                stop = min(start + (spanning.missing if spanning else self._batch_size), n_rows)
                with spent.on("converting"):
                    if spanning is None and stop - start == self._batch_size:
                        batch = matrix.dense(start, stop), obs.slice(start, stop - start)
                    else:
                        spanning = spanning or _SpanningBatch(self._batch_size, len(self._columns))
                        spanning.add(matrix, obs, start, stop)
                        if spanning.missing:
                            break
                        batch, spanning = spanning.whole(), None
                start = stop
                if start == n_rows:
                    del matrix, obs
                yield self._handed_out(*batch)
                del batch
            else:
                continue
            del matrix, obs
        if spanning and not self._drop_last:
            yield self._handed_out(*spanning.whole())

    def _read(self, block: Block, spent: Spent) -> tuple[BlockMatrix, pa.Table]:
        """One block: X converted, and obs, rows in the order of the joinids."""
        joinids = block.joinids
        with spent.on("reading"):
            # Ascending, as TileDB stores them, and each once; the method puts rows where they are wanted.
            distinct, places = np.unique(joinids, return_inverse=True)
            table = self._opened.table(distinct)
            obs = self._opened.obs(joinids)
        with spent.on("converting"):
            if len(distinct) == len(joinids):
                return self._method(table, Positions(joinids), self._columns), obs
            return self._method(table, Positions(distinct), self._columns).take(places), obs

    def _handed_out(self, x: torch.Tensor, obs: pa.Table) -> tuple[torch.Tensor, pa.Table]:
        return (x.pin_memory() if self._pin else x), obs


class _SpanningBatch:
    """A batch whose rows come from more than one block."""

    def __init__(self, n_rows: int, n_vars: int) -> None:
        self._x = torch.empty((n_rows, n_vars), dtype=torch.float32)
        self._obs: list[pa.Table] = []
        self.missing = n_rows

    def add(self, matrix: BlockMatrix, obs: pa.Table, start: int, stop: int) -> None:
        """Take rows ``start`` to ``stop`` of a block."""
        filled = len(self._x) - self.missing
        matrix.fill(self._x[filled : filled + stop - start], start, stop)
        self._obs.append(obs.slice(start, stop - start))
        self.missing -= stop - start

    def whole(self) -> tuple[torch.Tensor, pa.Table]:
        """Give the batch, as far as it was filled."""
        x = self._x[: len(self._x) - self.missing].clone() if self.missing else self._x
        return x, pa.concat_tables(self._obs)
