"""The plain pipeline (methods ``np.array``, ``scipy.coo``, ``scipy.csr``): read a block whole, convert it, cut batches.

A method turns the Arrow table of one block into batches. ``np.array`` and ``scipy.coo`` make the whole block dense
(rows x vars x 4 bytes), ``scipy.csr`` keeps it sparse and makes each batch dense.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
import torch

from alb_core.base.errors import AlbError
from alb_core.loader.experiment import OpenExperiment
from alb_core.loader.order import Block
from alb_core.loader.stage_times import StageTimes


class BlockPipeline:
    """Reads and converts one block after another."""

    def __init__(
        self, opened: OpenExperiment, method: str, *, batch_size: int, drop_last: bool, pin: bool = False
    ) -> None:
        self._opened = opened
        self._method = METHODS[method]
        self._columns = Positions(opened.columns)
        self._batch_size = batch_size
        self._drop_last = drop_last
        self._pin = pin

    def batches(
        self, blocks: Iterator[Block], times: StageTimes
    ) -> Generator[tuple[torch.Tensor, pa.Table], None, None]:
        """Batches of the blocks, in order; seconds are noted in ``times``.

        A batch inside one block is cut out of it as it is; one that spans blocks is filled part by part. Nothing of
        a block is held here while the next one is read, which would double the memory.
        """
        spanning: _SpanningBatch | None = None
        for block in blocks:
            matrix, obs = self._read(block, times)
            n_rows = obs.num_rows
            start = 0
            while start < n_rows:
                stop = min(start + (spanning.missing if spanning else self._batch_size), n_rows)
                with times.measure("converting"):
                    if spanning is None and stop - start == self._batch_size:
                        batch = matrix.dense(start, stop), obs.slice(start, stop - start)
                    else:
                        spanning = spanning or _SpanningBatch(self._batch_size, len(self._columns))
                        spanning.add(matrix, obs, start, stop)
                        if spanning.missing:
                            break
                        batch, spanning = spanning.finish(), None
                start = stop
                if start == n_rows:
                    del matrix, obs
                yield self._pinned(*batch)
                del batch
            else:
                continue
            del matrix, obs
        if spanning and not self._drop_last:
            yield self._pinned(*spanning.finish())

    def _read(self, block: Block, times: StageTimes) -> tuple[BlockMatrix, pa.Table]:
        """One block: X converted, and obs, rows in the order of the joinids."""
        joinids = block.joinids
        with times.measure("reading"):
            # Ascending, as TileDB stores them, and each once; the method puts rows into the block's order.
            distinct, places = np.unique(joinids, return_inverse=True)
            table = self._opened.table(distinct)
            obs = self._opened.obs(joinids)
        with times.measure("converting"):
            if len(distinct) == len(joinids):
                return self._method(table, Positions(joinids), self._columns), obs
            return self._method(table, Positions(distinct), self._columns).take(places), obs

    def _pinned(self, x: torch.Tensor, obs: pa.Table) -> tuple[torch.Tensor, pa.Table]:
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

    def finish(self) -> tuple[torch.Tensor, pa.Table]:
        """Return the batch, as far as it was filled."""
        x = self._x[: len(self._x) - self.missing].clone() if self.missing else self._x
        return x, pa.concat_tables(self._obs)


Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

#: Joinids further apart than this are searched for, not looked up: 2**28 entries of 4 bytes are 1 GiB of addresses.
_MAX_SPAN = 2**28


class Positions:
    """Where each joinid stands in a list of joinids."""

    def __init__(self, joinids: Int64) -> None:
        n = len(joinids)
        self._n = n
        self._joinids = joinids
        self._low = int(joinids.min()) if n else 0
        self._span = int(joinids.max()) - self._low + 1 if n else 0
        self._consecutive = bool((np.diff(joinids) == 1).all())
        self._table: Int32 | None = None
        self._order: Int64 | None = None
        if self._consecutive:
            return
        if self._span <= _MAX_SPAN:
            # Zeros cost memory only where they are written, so a few rows out of millions stay cheap; for that,
            # 0 says "absent" and positions are stored plus one.
            self._table = np.zeros(self._span, dtype=np.int32)
            self._table[joinids - self._low] = np.arange(1, n + 1, dtype=np.int32)
            distinct = int(np.count_nonzero(self._table[joinids - self._low] == np.arange(1, n + 1))) == n
        else:
            self._order = np.argsort(joinids)
            self._sorted = joinids[self._order]
            distinct = bool((np.diff(self._sorted) > 0).all())
        if not distinct:
            raise AlbError(f"the {n} joinids are not all different, expected each once")

    def __len__(self) -> int:
        """Joinids in the list."""
        return self._n

    def of(self, joinids: Int64) -> Int32:
        """Positions of joinids, int32, shape as given."""
        if not len(joinids):
            return np.empty(0, dtype=np.int32)
        if int(joinids.min()) < self._low or int(joinids.max()) >= self._low + self._span:
            raise self._unknown(joinids)
        if self._consecutive:
            return (joinids - self._low).astype(np.int32)
        if self._table is not None:
            positions: Int32 = self._table[joinids - self._low]
            positions -= 1
            if int(positions.min()) < 0:
                raise self._unknown(joinids)
            return positions
        assert self._order is not None
        places = np.searchsorted(self._sorted, joinids)
        if not np.array_equal(self._sorted[places], joinids):
            raise self._unknown(joinids)
        return self._order[places].astype(np.int32)

    def _unknown(self, joinids: Int64) -> AlbError:
        unknown = np.setdiff1d(joinids, self._joinids)
        return AlbError(f"joinid {unknown[0]} is not among the {self._n} asked for")


class BlockMatrix(Protocol):
    """A block converted, rows in the order of the batches."""

    def dense(self, start: int, stop: int) -> torch.Tensor:
        """Rows ``start`` to ``stop`` (exclusive): float32, shape (stop - start, vars)."""
        ...

    def fill(self, out: torch.Tensor, start: int, stop: int) -> None:
        """Write rows ``start`` to ``stop`` into ``out``, float32, shape (stop - start, vars)."""
        ...

    def take(self, rows: Int64) -> BlockMatrix:
        """Block of some of the rows, perhaps repeated, int64 positions."""
        ...


#: (table of soma_dim_0, soma_dim_1, soma_data; rows and columns in the order of the batches) -> block.
Method = Callable[[pa.Table, Positions, Positions], BlockMatrix]


class _DenseBlock:
    """Batches are views of the block: nothing is copied, and a batch that is kept keeps its block."""

    def __init__(self, matrix: Float32) -> None:
        self._matrix = matrix

    def dense(self, start: int, stop: int) -> torch.Tensor:
        return torch.from_numpy(self._matrix[start:stop])

    def fill(self, out: torch.Tensor, start: int, stop: int) -> None:
        out.copy_(self.dense(start, stop))

    def take(self, rows: Int64) -> BlockMatrix:
        return _DenseBlock(self._matrix[rows])


class _SparseBlock:
    def __init__(self, matrix: sp.csr_matrix) -> None:
        self._matrix = matrix

    def dense(self, start: int, stop: int) -> torch.Tensor:
        return torch.from_numpy(self._matrix[start:stop].toarray())

    def fill(self, out: torch.Tensor, start: int, stop: int) -> None:
        self._matrix[start:stop].toarray(out=out.numpy())

    def take(self, rows: Int64) -> BlockMatrix:
        return _SparseBlock(self._matrix[rows])


def _np_array(table: pa.Table, rows: Positions, columns: Positions) -> BlockMatrix:
    """Scatter the table into a dense block, one record batch at a time."""
    matrix = np.zeros((len(rows), len(columns)), dtype=np.float32)
    flat = matrix.reshape(-1)
    for row_ids, column_ids, values in _columns(table):
        cells = rows.of(row_ids).astype(np.int64)
        cells *= len(columns)
        cells += columns.of(column_ids)
        # Not assigned: where X holds a coordinate twice, its values add up, as in scipy's matrices.
        np.add.at(flat, cells, values.astype(np.float32, copy=False))
    return _DenseBlock(matrix)


def _scipy_coo(table: pa.Table, rows: Positions, columns: Positions) -> BlockMatrix:
    """Make a COO matrix, and that dense as a whole: COO cannot be cut into batches of rows."""
    return _DenseBlock(_coo_matrix(table, rows, columns).toarray())


def _scipy_csr(table: pa.Table, rows: Positions, columns: Positions) -> BlockMatrix:
    """Make a CSR matrix, which stays sparse until a batch is cut out of it."""
    coo = _coo_matrix(table, rows, columns)
    # Without this scipy sorts each row and adds up duplicates, four fifths of the conversion; a dense batch needs no
    # order, and making it adds them up.
    coo.has_canonical_format = True
    return _SparseBlock(coo.tocsr())


#: The methods by name.
METHODS: dict[str, Method] = {"np.array": _np_array, "scipy.coo": _scipy_coo, "scipy.csr": _scipy_csr}


def _coo_matrix(table: pa.Table, rows: Positions, columns: Positions) -> sp.coo_matrix:
    """COO matrix of a table, float32, indices int32."""
    row_index = np.empty(table.num_rows, dtype=np.int32)
    column_index = np.empty(table.num_rows, dtype=np.int32)
    data = np.empty(table.num_rows, dtype=np.float32)
    start = 0
    for row_ids, column_ids, values in _columns(table):
        stop = start + len(values)
        row_index[start:stop] = rows.of(row_ids)
        column_index[start:stop] = columns.of(column_ids)
        data[start:stop] = values
        start = stop
    return sp.coo_matrix((data, (row_index, column_index)), shape=(len(rows), len(columns)))


def _columns(table: pa.Table) -> Iterator[tuple[Int64, Int64, npt.NDArray[np.generic]]]:
    """Row joinids, column joinids and values of each record batch, without a copy."""
    for batch in table.select(["soma_dim_0", "soma_dim_1", "soma_data"]).to_batches():
        rows, columns, values = (batch.column(i).to_numpy(zero_copy_only=False) for i in range(3))
        yield rows, columns, values
