"""Cells of a Census, a batch at a time: bounded by non-zeros, whatever the cells are like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alb_core.base.errors import AlbError
from alb_core.datasets.census.census import CENSUS_JOINID, Chosen
from alb_core.datasets.retry import Patience

UInt16 = npt.NDArray[np.uint16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

#: Rows of obs that are read at once; a row's place among them is a 16-bit number.
WINDOW = 65_536
#: Non-zeros of a batch: about 12 bytes of each are held, and twice that while they are sorted.
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


def cells_from(chosen: Chosen, start: int, patience: Patience, max_nnz: int = MAX_NNZ) -> Iterator[Cells]:
    """Read a slice from a position on."""
    stride = Stride(max_nnz)
    for first in range(start, len(chosen.cells), WINDOW):
        joinids = chosen.cells.rows(first, min(first + WINDOW, len(chosen.cells)))
        obs = _obs(chosen, joinids, patience)
        place = 0
        while place < len(joinids):
            wanted = joinids[place : place + stride.rows]
            read = _x(chosen, wanted, patience, max_nnz)
            if read is None:
                stride.too_long(len(wanted))
                continue
            counts, columns, values = read
            kept = np.flatnonzero(counts)
            yield Cells(
                first + place,
                first + place + len(wanted),
                obs.slice(place, len(wanted)).take(kept),
                counts[kept],
                columns,
                values,
            )
            place += len(wanted)
            stride.fitted(len(wanted), len(columns))


class Stride:
    """How many rows are read at once, so that their non-zeros stay below a limit whatever the cells are like."""

    def __init__(self, max_nnz: int) -> None:
        self._max_nnz = max_nnz
        self.rows = _FIRST_ROWS

    def too_long(self, n_rows: int) -> None:
        """Take fewer: so many rows went over the limit."""
        self.rows = max(n_rows // 2, 1)

    def fitted(self, n_rows: int, nnz: int) -> None:
        """Aim below the limit by what was found in some rows: a batch that goes over it is read twice."""
        fitting = int(n_rows * 0.7 * self._max_nnz / max(nnz, 1))
        self.rows = min(max(fitting, 1), 2 * n_rows, WINDOW)


def _coordinates(joinids: Int64) -> Any:
    """As tiledbsoma takes them: a slice where they are consecutive."""
    first, last = int(joinids[0]), int(joinids[-1])
    return slice(first, last) if last - first + 1 == len(joinids) else pa.array(joinids)


def _obs(chosen: Chosen, joinids: Int64, patience: Patience) -> pa.Table:
    """Read obs of some cells, in their order."""
    coordinates = _coordinates(joinids)
    table = patience.read(lambda: chosen.obs.read(coords=(coordinates,)).concat(), chosen.uri)
    table = table.sort_by("soma_joinid")
    if not np.array_equal(table["soma_joinid"], joinids):
        raise AlbError(f"{chosen.obs.uri} changes while it is read")
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if column.null_count:
            raise AlbError(f"{chosen.obs.uri} has nulls in its column {field.name}: a dataset cannot hold them")
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, column.cast(field.type.value_type))
    # Chunks of a read keep its buffers; copied, they do not.
    return table.append_column(CENSUS_JOINID, pa.array(joinids)).combine_chunks()


def _x(chosen: Chosen, joinids: Int64, patience: Patience, max_nnz: int) -> tuple[Int32, Int32, Float32] | None:
    """Read X of some cells: non-zeros of each, and columns and values row by row; None if they are too many."""
    read = read_rows(chosen.x, joinids, len(chosen.var), patience, max_nnz)
    if read is None:
        return None
    rows, columns, values = read
    stored = values != 0
    if not stored.all():
        rows, columns, values = rows[stored], columns[stored], values[stored]
    counts = np.bincount(rows, minlength=len(joinids)).astype(np.int32)
    return counts, columns, values


def read_rows(
    x: Any, joinids: Int64, n_vars: int, patience: Patience, max_nnz: int
) -> tuple[UInt16, Int32, npt.NDArray[Any]] | None:
    """Read some rows of a sparse X, row by row."""
    coordinates = (_coordinates(joinids), slice(0, n_vars - 1))

    def attempt() -> list[tuple[UInt16, Int32, npt.NDArray[Any]]] | None:
        parts: list[tuple[UInt16, Int32, npt.NDArray[Any]]] = []
        held = 0
        for table in x.read(coords=coordinates).tables():
            held += len(table)
            if held > max_nnz and len(joinids) > 1:
                return None
            rows = np.searchsorted(joinids, table["soma_dim_0"].to_numpy()).astype(np.uint16)
            parts.append((rows, table["soma_dim_1"].to_numpy().astype(np.int32), table["soma_data"].to_numpy()))
        return parts

    parts = patience.read(attempt, x.uri)
    if parts is None:
        return None
    kinds = (np.uint16, np.int32, x.schema.field("soma_data").type.to_pandas_dtype())
    rows, columns, values = (
        np.concatenate([np.empty(0, kind), *(part[index] for part in parts)]) for index, kind in enumerate(kinds)
    )
    parts.clear()
    if not np.isfinite(values).all():
        raise AlbError(f"{x.uri} holds values that are not finite: a dataset cannot hold them")
    return _row_major(rows, columns, values, x.uri)


def _row_major(
    rows: UInt16, columns: Int32, values: npt.NDArray[Any], uri: str
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
    if (same_row & (columns[1:] == columns[:-1])).any():
        raise AlbError(f"{uri} holds a coordinate twice: a dataset cannot hold that")
    return rows, columns, values
