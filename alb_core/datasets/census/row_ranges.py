"""Chosen rows of a large table, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]


class RowRanges:
    """Ascending, distinct row numbers, kept as runs of consecutive ones."""

    def __init__(self, pieces: Iterable[Int64]) -> None:
        firsts, lengths = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for piece in pieces:
            if len(piece):
                ascending = np.sort(piece)
                starts = np.flatnonzero(np.diff(ascending, prepend=ascending[0] - 2) != 1)
                firsts.append(ascending[starts])
                lengths.append(np.diff(starts, append=len(piece)))
        first, length = np.concatenate(firsts), np.concatenate(lengths)
        order = first.argsort(kind="stable")
        self._first = first[order]
        self._reached = np.concatenate([np.zeros(1, np.int64), length[order].cumsum()])

    def __len__(self) -> int:
        return int(self._reached[-1])

    def rows(self, start: int, stop: int) -> Int64:
        """Row numbers at positions ``start <= position < stop``, shape (stop - start,), int64."""
        positions = np.arange(start, stop)
        run = np.searchsorted(self._reached, positions, side="right") - 1
        rows: Int64 = self._first[run] + positions - self._reached[run]
        return rows
