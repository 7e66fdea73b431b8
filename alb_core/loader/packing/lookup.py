"""Lookup tables of the kernels: which batch a row goes to, and where a column stands in it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

#: Joinids further apart than this are searched for, not looked up: 2**28 entries of 4 bytes are 1 GiB of addresses.
MAX_SPAN = 2**28


class Slots:
    """Numbers of joinids in a table that covers them: joinid - lowest, or the rank where that is too large."""

    def __init__(self, joinids: Int64) -> None:
        self.joinids = joinids
        self._searched = int(joinids[-1]) - int(joinids[0]) >= MAX_SPAN
        self.low = 0 if self._searched else int(joinids[0])
        self.span = len(joinids) if self._searched else int(joinids[-1]) - self.low + 1

    def slots(self, joinids: Int64) -> Int64:
        """Slots of joinids as X has them, int64, before ``low`` is subtracted; out of range for an unknown joinid."""
        if not self._searched:
            return joinids
        ranks = np.searchsorted(self.joinids, joinids)
        ranks[self.joinids[np.minimum(ranks, self.span - 1)] != joinids] = self.span
        return ranks


class Places(Slots):
    """Places of rows in the order of an epoch; a row may have several."""

    def __init__(self, joinids: Int64, base: int = 0) -> None:
        by_row = np.argsort(joinids, kind="stable")
        ascending = joinids[by_row]
        begins = np.ones(len(joinids), dtype=bool)
        begins[1:] = ascending[1:] != ascending[:-1]
        super().__init__(ascending[begins])
        # Zeros cost memory only where they are written, so a few rows out of millions stay cheap.
        self.first: Int32 = np.zeros(self.span, dtype=np.int32)
        self.first[self.slots(self.joinids) - self.low] = by_row[begins] + base + 1
        self.following: Int32 = np.empty(0, dtype=np.int32)
        if not begins.all():
            self.following = np.full(base + len(joinids), -1, dtype=np.int32)
            again = np.flatnonzero(~begins)
            self.following[by_row[again - 1] + base] = by_row[again] + base


class ColumnRanks(Slots):
    """Ranks of the columns asked for, ascending, and where each stands in a batch."""

    def __init__(self, joinids: Int64) -> None:
        by_column = np.argsort(joinids)
        super().__init__(joinids[by_column])
        self.n = len(joinids)
        self.ranks: Int32 = np.empty(0, dtype=np.int32)
        if self.span != self.n:
            self.ranks = np.full(self.span, -1, dtype=np.int32)
            self.ranks[self.joinids - self.low] = np.arange(self.n, dtype=np.int32)
        in_order = bool((by_column == np.arange(self.n)).all())
        self.order: Int32 = np.empty(0, dtype=np.int32) if in_order else by_column.astype(np.int32)
