"""Cells of a Census in batches of a bounded number of non-zeros, however dense the cells are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alb_core.base.errors import AlbError
from alb_core.datasets.census.census import CENSUS_JOINID, CensusSelection
from alb_core.datasets.retry import Retry

UInt16 = npt.NDArray[np.uint16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

#: Rows of obs that are read at once, and most rows of X; a row's position among them is a 16-bit number.
WINDOW = 65_536
#: Non-zeros of a batch: about 12 bytes of memory each, and twice that while they are sorted.
MAX_NNZ = 8_000_000
#: Rows that are tried first, before anything is known of their density.
_FIRST_ROWS = 1_024


@dataclass(frozen=True)
class Cells:
    """Consecutive cells of a slice, without those that have no data in its vars."""

    #: Positions among the slice's cells that were looked at.
    start: int
    stop: int
    #: Of the cells that have data, dictionaries decoded, the Census's joinid in ``census_joinid``.
    obs: pa.Table
    #: Non-zeros of each of them, shape (len(obs),), int32; never 0.
    counts: Int32
    #: Of the non-zeros, row by row, columns ascending: shape (nnz,), int32 and float32.
    columns: Int32
    values: Float32


def cells_from(selection: CensusSelection, start: int, retry: Retry, max_nnz: int = MAX_NNZ) -> Iterator[Cells]:
    """Read a slice from a position on."""
    reader = RowReader(selection.x, len(selection.var), retry, max_nnz)
    for first in range(start, len(selection.cells), WINDOW):
        joinids = selection.cells.rows(first, min(first + WINDOW, len(selection.cells)))
        obs = _obs(selection, joinids, retry)
        offset = 0
        for wanted, rows, columns, values in reader.batches(joinids):
            stored = values != 0
            if not stored.all():
                rows, columns, values = rows[stored], columns[stored], values[stored]
            counts = np.bincount(rows, minlength=len(wanted)).astype(np.int32)
            kept = np.flatnonzero(counts)
            of_batch = obs.slice(offset, len(wanted)).take(kept)
            yield Cells(first + offset, first + offset + len(wanted), of_batch, counts[kept], columns, values)
            offset += len(wanted)


def _obs(selection: CensusSelection, joinids: Int64, retry: Retry) -> pa.Table:
    """Read obs of some cells, in their order."""
    coordinates = _coordinates(joinids)
    table = retry.read(lambda: selection.obs.read(coords=(coordinates,)).concat(), selection.uri)
    table = table.sort_by("soma_joinid")
    if not np.array_equal(table["soma_joinid"], joinids):
        raise AlbError(f"{selection.obs.uri} changes while it is read")
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if column.null_count:
            raise AlbError(f"{selection.obs.uri} has nulls in its column {field.name}: a dataset cannot hold them")
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, column.cast(field.type.value_type))
    # Chunks of a read keep its buffers; copied, they do not.
    return table.append_column(CENSUS_JOINID, pa.array(joinids)).combine_chunks()


class RowReader:
    """Reads rows of a sparse X, as many at once as keep their non-zeros below a limit."""

    def __init__(self, x: Any, n_vars: int, retry: Retry, max_nnz: int) -> None:
        self._x, self._n_vars, self._retry, self._max_nnz = x, n_vars, retry, max_nnz
        self._n_rows = _FIRST_ROWS

    def batches(self, joinids: Int64) -> Iterator[tuple[Int64, UInt16, Int32, npt.NDArray[Any]]]:
        """Yield joinids of consecutive rows; and for each non-zero the position of its row, its column and value."""
        start = 0
        while start < len(joinids):
            wanted = joinids[start : start + min(self._n_rows, WINDOW)]
            read = self._read(wanted)
            if read is None:
                self._n_rows = max(len(wanted) // 2, 1)
                continue
            start += len(wanted)
            # Aim below the limit: a batch that goes over it is read twice.
            fitting = int(len(wanted) * 0.7 * self._max_nnz / max(len(read[0]), 1))
            self._n_rows = min(max(fitting, 1), 2 * len(wanted), WINDOW)
            yield wanted, *read

    def _read(self, joinids: Int64) -> tuple[UInt16, Int32, npt.NDArray[Any]] | None:
        """Read some rows, row by row; None if they have too many non-zeros, unless it is one row alone."""
        x, coordinates = self._x, (_coordinates(joinids), slice(0, self._n_vars - 1))

        def attempt() -> list[tuple[UInt16, Int32, npt.NDArray[Any]]] | None:
            parts: list[tuple[UInt16, Int32, npt.NDArray[Any]]] = []
            nnz = 0
            for table in x.read(coords=coordinates).tables():
                nnz += len(table)
                if nnz > self._max_nnz and len(joinids) > 1:
                    return None
                rows = np.searchsorted(joinids, table["soma_dim_0"].to_numpy()).astype(np.uint16)
                parts.append((rows, table["soma_dim_1"].to_numpy().astype(np.int32), table["soma_data"].to_numpy()))
            return parts

        parts = self._retry.read(attempt, x.uri)
        if parts is None:
            return None
        kinds = (np.uint16, np.int32, x.schema.field("soma_data").type.to_pandas_dtype())
        rows, columns, values = (
            np.concatenate([np.empty(0, kind), *(part[index] for part in parts)]) for index, kind in enumerate(kinds)
        )
        parts.clear()
        if not np.isfinite(values).all():
            raise AlbError(f"{x.uri} holds values that are not finite: a dataset cannot hold them")
        return _row_major(rows, columns, values, joinids, x.uri)


def _coordinates(joinids: Int64) -> Any:
    """As tiledbsoma takes them: a slice where they are consecutive."""
    first, last = int(joinids[0]), int(joinids[-1])
    return slice(first, last) if last - first + 1 == len(joinids) else pa.array(joinids)


def _row_major(
    rows: UInt16, columns: Int32, values: npt.NDArray[Any], joinids: Int64, uri: str
) -> tuple[UInt16, Int32, npt.NDArray[Any]]:
    """Sort by row and column."""
    # A radix sort, of 16 bits. It keeps the order of arrival within a row, which mostly ascends already.
    order = rows.argsort(kind="stable")
    rows, columns, values = rows[order], columns[order], values[order]
    same_row = rows[1:] == rows[:-1]
    if (same_row & (columns[1:] < columns[:-1])).any():
        order = np.lexsort((columns, rows))
        rows, columns, values = rows[order], columns[order], values[order]
        same_row = rows[1:] == rows[:-1]
    repeated = np.flatnonzero(same_row & (columns[1:] == columns[:-1]))
    if len(repeated):
        place = f"({joinids[rows[repeated[0]]]}, {columns[repeated[0]]})"
        raise AlbError(f"{uri} holds the coordinate {place} twice: a dataset cannot hold that")
    return rows, columns, values
