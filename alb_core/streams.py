"""Streams of packed cells, one for each batch, as chains of pages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alb_core import packed
from alb_core.pool import Pool

Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Streams:
    """Where each stream stands."""

    #: First page, last page, row and column of the value last written, -1 for none; int32, shape (4, streams).
    table: Int32
    #: Bytes used of the last page of the first stream, when it was taken over from other streams; 0 for none.
    carried: int = 0
    #: Bytes used of all its pages then.
    carried_in_all: int = 0

    @property
    def first_page(self) -> Int32:
        """First page of each stream, -1 for none, shape (streams,)."""
        first: Int32 = self.table[0]
        return first

    def continued(self, pool: Pool, n: int) -> Streams:
        """Return the last of these streams with new ones after it, ``n`` in all; these stay as they are."""
        table = np.full((4, n), -1, dtype=np.int32)
        table[:, 0] = self.table[:, -1]
        page = int(table[1, 0])
        in_all = packed.bytes_in(table[0, :1], pool.next_page, pool.used)
        return Streams(table, int(pool.used[page]) if page >= 0 else 0, int(in_all))

    def undo(self, pool: Pool, begun: Streams) -> None:
        """Give back what was written since these streams continued ``begun``."""
        page = int(begun.table[1, -1])
        for first in self.first_page[1:].tolist() if page >= 0 else self.first_page.tolist():
            pool.drop_chain(first)
        if page >= 0:
            pool.drop_chain(int(pool.next_page[page]))
            pool.next_page[page] = -1
            pool.used[page] = self.carried

    def bytes_added(self, pool: Pool) -> int:
        """Bytes written since these streams continued others."""
        return int(packed.bytes_in(self.first_page, pool.next_page, pool.used)) - self.carried_in_all


def none() -> Streams:
    """Return one stream with nothing in it."""
    return Streams(np.full((4, 1), -1, dtype=np.int32))
