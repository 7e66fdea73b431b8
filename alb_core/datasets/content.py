"""Checksum of a table, whatever its order, chunks, dictionaries or string widths; and exact totals of X in any order.

The checksum takes rows in the order of ``soma_joinid`` and columns in the order of their names. For each column the
digest takes the name, the kind of value (bool, int, float or string) and the row count; then, 65,536 rows at a time,
which values are null (one byte each) and the values: bool as one byte, integers as 8 bytes, floats as 8 bytes, all
little endian; strings as the lengths in bytes of their UTF-8 (8 bytes each) and then the UTF-8 itself. A null counts
as zero, or as the empty string. Dictionary-encoded columns count as their values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alb_core.base.checksum import combined, coo_checksum
from alb_core.base.errors import AlbError

#: Rows that are added to a digest at once; part of what a checksum is.
_ROWS = 65_536
#: Bits of a float32's mantissa, and its lowest exponent: every value is a multiple of 2**(_LOWEST - _BITS).
_BITS, _LOWEST = 24, -148


class ExactSum:
    """A sum to which values are added a batch at a time; no rounding, so that no order of adding shows."""

    def __init__(self) -> None:
        self._units = 0

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Add finite values, shape (n,), float32; at most 2**29 at a time."""
        mantissas, exponents = np.frexp(values)
        # Whole numbers below 2**24: sums of 2**29 of them are exact in float64.
        whole = np.ldexp(mantissas, _BITS)
        for exponent, total in enumerate(np.bincount(exponents - _LOWEST, whole)):
            self._units += int(total) << exponent

    def value(self) -> int | float:
        """Return the sum: an int if it is whole, else the nearest float64."""
        total = Fraction(self._units, 1 << (_BITS - _LOWEST))
        return int(total) if total.denominator == 1 else float(total)


class ExactTotals:
    """Number, sum and checksum of the non-zeros of a matrix, which are added in any order."""

    def __init__(self) -> None:
        self.nnz = 0
        self._sum = ExactSum()
        self._checksum = 0

    def add(self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], values: npt.NDArray[np.float32]) -> None:
        """Add non-zeros by their joinids."""
        self.nnz += len(values)
        self._sum.add(values)
        self._checksum = combined(self._checksum, coo_checksum(rows, columns, values))

    @property
    def sum(self) -> int | float:
        """An int if it is whole, else the nearest float64."""
        return self._sum.value()

    @property
    def checksum(self) -> str:
        """16 hex digits."""
        return f"{self._checksum:016x}"


def table_checksum(table: pa.Table) -> str:
    """Checksum of an obs or var table."""
    order = pc.sort_indices(table, sort_keys=[("soma_joinid", "ascending")])

    def values(name: str) -> Iterator[pa.ChunkedArray]:
        for start in range(0, len(table), _ROWS):
            yield table.column(name).take(order.slice(start, _ROWS))

    return columns_checksum(table.schema, len(table), values)


def columns_checksum(
    schema: pa.Schema, n_rows: int, values: Callable[[str], Iterable[pa.Array | pa.ChunkedArray]]
) -> str:
    """Checksum of a table that is too large for the memory: the same figure as :func:`table_checksum`."""
    require_kinds(schema)
    digest = hashlib.sha256()
    for name in sorted(schema.names):
        digest.update(f"{name}\0{_kind(name, schema.field(name).type)}\0{n_rows}\n".encode())
        for part in _parts(values(name)):
            _add(digest, part)
    return digest.hexdigest()


def require_kinds(schema: pa.Schema) -> None:
    """Refuse a table with columns that have no checksum."""
    for field in schema:
        _kind(field.name, field.type)


def _parts(pieces: Iterable[pa.Array | pa.ChunkedArray]) -> Iterator[pa.ChunkedArray]:
    """Cut a column into parts of _ROWS rows each, whatever pieces it comes in."""
    pending: list[pa.Array] = []
    held = 0
    for piece in pieces:
        for chunk in piece.chunks if isinstance(piece, pa.ChunkedArray) else [piece]:
            while len(chunk):
                taken = chunk.slice(0, _ROWS - held)
                chunk = chunk.slice(len(taken))
                pending.append(taken)
                held += len(taken)
                if held == _ROWS:
                    yield pa.chunked_array(pending)
                    pending, held = [], 0
    if pending:
        yield pa.chunked_array(pending)


def _kind(name: str, kind: pa.DataType) -> str:
    """Name of the kind of a column's values."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_integer(kind):
        return "int"
    if pa.types.is_floating(kind):
        return "float"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "string"
    raise AlbError(f"column {name} holds {kind}, expected bool, integers, floats or strings")


def _add(digest: Any, values: pa.ChunkedArray) -> None:
    """Add some rows of a column to a digest."""
    kind = _kind("", values.type)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    digest.update(np.asarray(values.is_null()).astype(np.uint8).tobytes())
    if kind == "string":
        text = values.cast(pa.large_string()).fill_null("")
        digest.update(np.asarray(pc.binary_length(text)).astype("<i8").tobytes())
        digest.update("".join(text.to_pylist()).encode())
    else:
        form = {"bool": "u1", "int": "<i8", "float": "<f8"}[kind]
        digest.update(np.asarray(values.fill_null(False if kind == "bool" else 0)).astype(form).tobytes())
