"""Runs of one row's entries with ascending columns, which pack best (:mod:`alb_core.packed`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alb_core.packed import kernel

Int64 = npt.NDArray[np.int64]


@kernel
def by_row(
    rows: Int64, columns: Int64, bits: npt.NDArray[np.uint32], low_row: int, counts: Int64
) -> tuple[Int64, Int64, npt.NDArray[np.uint32]]:
    """Sort entries by row, keeping the order inside each (a counting sort)."""
    n = rows.shape[0]
    for i in range(n):
        counts[rows[i] - low_row] += 1
    total = np.int64(0)
    for i in range(counts.shape[0]):
        total, counts[i] = total + counts[i], total
    sorted_rows = np.empty_like(rows)
    sorted_columns = np.empty_like(columns)
    sorted_bits = np.empty_like(bits)
    for i in range(n):
        slot = rows[i] - low_row
        k = counts[slot]
        counts[slot] = k + 1
        sorted_rows[k] = rows[i]
        sorted_columns[k] = columns[i]
        sorted_bits[k] = bits[i]
    return sorted_rows, sorted_columns, sorted_bits


@kernel
def mean_run(rows: Int64, columns: Int64) -> float:
    """Mean length of the runs of one row with ascending columns; 0 for no entries."""
    runs = 0
    for i in range(rows.shape[0]):
        if i == 0 or rows[i] != rows[i - 1] or columns[i] <= columns[i - 1]:
            runs += 1
    return rows.shape[0] / runs if runs else 0.0
