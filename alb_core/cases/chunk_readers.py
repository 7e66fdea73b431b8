"""tiledbsoma's readers, by name: each turns a chunk of rows into Arrow tables or scipy matrices, which are counted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tiledbsoma

from alb_core.base.checksum import combined, coo_checksum
from alb_core.base.errors import AlbError
from alb_core.cases.consume import EpochCounts, EpochResult, consume
from alb_core.loader.soma import Int64, VarSelection, _var_coords

#: Entries of which a checksum is computed at once.
_ENTRIES = 2**16


@dataclass(frozen=True)
class Piece:
    """A part of a chunk, as a reader returns it."""

    #: Arrow table of ``soma_dim_0``, ``soma_dim_1`` and ``soma_data``, or a scipy matrix.
    data: Any
    #: None when coordinates are joinids. Else the obs and var joinids that the positions stand for.
    axes: tuple[Any, Any] | None = None

    @property
    def nnz(self) -> int:
        """Values held."""
        return int(self.data.num_rows if isinstance(self.data, pa.Table) else self.data.nnz)

    def total(self) -> float:
        """Sum of the values, in float64 (exact for whole counts)."""
        if isinstance(self.data, pa.Table):
            arrays = self.data.column("soma_data").chunks
            return float(sum(array.to_numpy(zero_copy_only=False).sum(dtype=np.float64) for array in arrays))
        return float(self.data.data.sum(dtype=np.float64))

    def checksum(self) -> int:
        """Checksum by joinids (:mod:`alb_core.base.checksum`); takes a few MB beside the piece, whatever its size."""
        checksum = 0
        for rows, columns, values in self._entries():
            if self.axes is not None:
                rows, columns = np.asarray(self.axes[0])[rows], np.asarray(self.axes[1])[columns]
            checksum = combined(checksum, coo_checksum(rows, columns, values))
        return checksum

    def _entries(self) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]]:
        """Rows, columns and values, some at a time: copies of all of them would show in a peak of memory."""
        if isinstance(self.data, pa.Table):
            for batch in self.data.to_batches(max_chunksize=_ENTRIES):
                rows, columns, values = (batch.column(i).to_numpy(zero_copy_only=False) for i in range(3))
                yield rows, columns, values
            return
        for start in range(0, self.nnz, _ENTRIES):
            part = slice(start, start + _ENTRIES)
            if self.data.format == "csr":
                columns = self.data.indices[part]
                rows = np.searchsorted(self.data.indptr, np.arange(start, start + len(columns)), side="right") - 1
            else:
                rows, columns = self.data.row[part], self.data.col[part]
            yield rows, columns, self.data.data[part]


#: Reads one chunk: (open sparse array, obs joinids of the chunk, vars) -> pieces.
Reader = Callable[[Any, Int64, VarSelection], Iterator[Piece]]


def _table(x: Any, obs_joinids: Int64, var_joinids: VarSelection) -> Iterator[Piece]:
    """Arrow tables as tiledbsoma reads them, coordinates as joinids."""
    # map, not a loop: a loop's variable would hold a table while the next one is read.
    tables = x.read(coords=(obs_joinids, _var_coords(var_joinids))).tables()
    return map(Piece, tables)


def _blockwise(x: Any, obs_joinids: Int64, var_joinids: VarSelection) -> Any:
    """Blockwise reader of tiledbsoma over one chunk.

    Not eager: a chunk is one block, so there is no next one to read ahead.
    """
    read = x.read(coords=(obs_joinids, _var_coords(var_joinids)))
    return read.blockwise(axis=0, size=len(obs_joinids), eager=False)


def _blockwise_table(x: Any, obs_joinids: Int64, var_joinids: VarSelection) -> Iterator[Piece]:
    """Arrow tables, coordinates as positions among the joinids asked for."""
    return itertools.starmap(Piece, _blockwise(x, obs_joinids, var_joinids).tables())


def _blockwise_scipy_coo(x: Any, obs_joinids: Int64, var_joinids: VarSelection) -> Iterator[Piece]:
    """COO matrices, sorted by row and column."""
    return itertools.starmap(Piece, _blockwise(x, obs_joinids, var_joinids).scipy(compress=False))


def _blockwise_scipy_csr(x: Any, obs_joinids: Int64, var_joinids: VarSelection) -> Iterator[Piece]:
    """CSR matrices."""
    return itertools.starmap(Piece, _blockwise(x, obs_joinids, var_joinids).scipy(compress=True))


#: The readers by name. The blockwise ones index every var asked for, so with ``None`` or a slice the array's
#: shape must be that of the data (an array created with a huge shape needs explicit joinids).
READERS: dict[str, Reader] = {
    "table": _table,
    "blockwise_table": _blockwise_table,
    "blockwise_scipy_coo": _blockwise_scipy_coo,
    "blockwise_scipy_csr": _blockwise_scipy_csr,
}


def require_reader(x: Any, reader: str) -> None:
    """Refuse a reader that this release of tiledbsoma lacks."""
    if reader != "table" and not hasattr(x.read(coords=(slice(0, 0),)), "blockwise"):
        raise NotImplementedError(f"tiledbsoma {tiledbsoma.__version__} has no blockwise reader")


class _ChunkCounts(EpochCounts):
    """Counts chunks: a chunk is an iterator over its pieces, so counting it reads it."""

    def add(self, x: Any, rows: Any) -> None:
        """Read and count the pieces of a chunk of these rows."""
        for piece in x:
            self.add_values(piece.nnz, piece.total(), piece.checksum() if self.check else 0)
            del piece  # or it would be held while the next one is read
        self.add_rows(len(rows))


def read_epoch(
    x: Any,
    chunks: Iterable[Int64],
    reader: str,
    var_joinids: VarSelection = None,
    *,
    check: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> EpochResult:
    """Read all chunks, one after another, holding one piece at a time; ``progress`` is told rows and non-zeros."""
    if reader not in READERS:
        raise AlbError(f"reader is {reader!r}, expected one of {', '.join(READERS)}")
    counts = _ChunkCounts(check)
    nnz_before = 0

    def tell(n_rows: int) -> None:
        nonlocal nnz_before
        assert progress is not None
        progress(n_rows, counts.nnz - nnz_before)
        nnz_before = counts.nnz

    pieces = ((READERS[reader](x, chunk, var_joinids), chunk) for chunk in chunks)
    return consume(pieces, counts, progress=None if progress is None else tell)
