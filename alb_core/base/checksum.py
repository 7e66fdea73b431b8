"""Order-independent, position-dependent checksum of a cells x genes matrix.

The checksum is the sum, modulo 2**64, of ``bits(value) * b(row) * a(column)`` over the non-zeros: ``bits`` reads a
float32 as an unsigned integer, and ``a`` and ``b`` are odd 64-bit hashes of the column's and the row's
``soma_joinid``. A sum forgets the order in which cells were read; the weights remember where each value stood. So
any order, chunking, table or dense tensor gives one and the same figure, and a value that is lost, repeated,
altered or put into another row or column changes it. It guards against mistakes, not against an adversary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alb_core.base.errors import AlbError

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
Float32 = npt.NDArray[np.float32]

_ROW_SALT = np.uint64(0x9E3779B97F4A7C15)
_COLUMN_SALT = np.uint64(0xD1B54A32D192ED03)

#: How far sums of the same fractions may be apart: some roundings of a float32 (6e-8), as a part of the sum.
_FLOAT32_SUM = 1e-6


def _mixed(values: UInt64) -> UInt64:
    """Return the finaliser of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def row_weights(joinids: npt.ArrayLike) -> UInt64:
    """Odd 64-bit weight of each row, from its obs ``soma_joinid``; shape as given, dtype uint64."""
    ids: UInt64 = np.asarray(joinids).astype(np.uint64)
    return _mixed(ids * np.uint64(2) + _ROW_SALT) | np.uint64(1)


def column_weights(joinids: npt.ArrayLike) -> UInt64:
    """Odd 64-bit weight of each column, from its var ``soma_joinid``; shape as given, dtype uint64."""
    ids: UInt64 = np.asarray(joinids).astype(np.uint64)
    return _mixed(ids * np.uint64(2) + _COLUMN_SALT) | np.uint64(1)


def _bits(values: npt.NDArray[Any]) -> UInt64:
    """Float32 bit patterns as uint64."""
    bits: UInt64 = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).astype(np.uint64)
    return bits


def coo_checksum(rows: npt.ArrayLike, columns: npt.ArrayLike, values: npt.NDArray[Any]) -> int:
    """Checksum of non-zeros given by joinids."""
    weighted: UInt64 = _bits(values) * row_weights(rows) * column_weights(columns)
    return int(weighted.sum(dtype=np.uint64))


def dense_checksum(matrix: Float32, rows: npt.ArrayLike, columns: npt.ArrayLike) -> int:
    """Checksum of a dense block."""
    weights = column_weights(columns)
    total = 0
    # A few rows at a time: uint64 copies of a whole batch would be four times its memory.
    for start in range(0, len(matrix), 16):
        part = _bits(matrix[start : start + 16])
        per_row = (part * weights).sum(axis=1, dtype=np.uint64)
        total += int((per_row * row_weights(np.asarray(rows)[start : start + 16])).sum(dtype=np.uint64))
    return combined(total)


def combined(*checksums: int) -> int:
    """Checksum of the union of disjoint parts."""
    return sum(checksums) % 2**64


def same_sum(got: float, wanted: float) -> bool:
    """Tell whether two sums of the same matrix can be of the same values.

    Sums of whole counts are exact in any order. Those of fractions depend on the order of adding and, row by row in
    float32, on its rounding.
    """
    if isinstance(wanted, int) or (float(got).is_integer() and float(wanted).is_integer()):
        return got == wanted
    return math.isclose(got, wanted, rel_tol=_FLOAT32_SUM)


@dataclass(frozen=True)
class Totals:
    """What all values of a matrix come to: the proof that a pass over it delivered what the dataset holds."""

    n_rows: int
    #: Values other than zero.
    nnz: int
    #: Sum of all values, exact for whole counts.
    total: float
    #: None where nobody computed it.
    checksum: int | None = None

    def times(self, passes: int) -> Totals:
        """Totals of several passes over the same matrix."""
        checksum = None if self.checksum is None else self.checksum * passes % 2**64
        return Totals(self.n_rows * passes, self.nnz * passes, self.total * passes, checksum)

    def differences(self, expected: Totals) -> list[str]:
        """Name each figure that is not the expected one; a checksum only where both are known."""
        figures = [
            ("rows", self.n_rows, expected.n_rows),
            ("non-zeros", self.nnz, expected.nnz),
            ("sum", self.total, expected.total),
        ]
        wrong = [f"{name} {got:,}, expected {want:,}" for name, got, want in figures if not same_sum(got, want)]
        if self.checksum is not None and expected.checksum is not None and self.checksum != expected.checksum:
            places = "" if wrong else ": values stand at wrong places"
            wrong.append(f"checksum {self.checksum:016x}, expected {expected.checksum:016x}{places}")
        return wrong

    def require(self, expected: Totals) -> None:
        """Refuse a pass that did not deliver what the dataset holds."""
        if wrong := self.differences(expected):
            raise AlbError(f"what was read is not what the dataset holds: {'; '.join(wrong)}")
