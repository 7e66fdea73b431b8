"""Memory of packed cells: a pool of pages that one thread fills and another gives back, and chains of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alb_core.loader.packing import kernels

Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Streams:
    """The streams of several batches: where each begins and ends."""

    #: First page, last page, row and column of the value last written, -1 for none; int32, shape (4, streams).
    table: Int32
    #: Bytes used of the last page of the first stream when it was carried over from streams before; 0 if it was not.
    carried: int = 0
    #: Bytes used of all its pages at that time.
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
        in_all = kernels.bytes_in(table[0, :1], pool.next_page, pool.used)
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
        return int(kernels.bytes_in(self.first_page, pool.next_page, pool.used)) - self.carried_in_all


def none() -> Streams:
    """Return one stream with nothing in it."""
    return Streams(np.full((4, 1), -1, dtype=np.int32))


class PoolFullError(Exception):
    """There is no page left, and no page is lent that could come back."""


class ClosedError(Exception):
    """The pool was closed while a thread waited for pages."""


class Pool:
    """A fixed number of pages of one size."""

    def __init__(self, n_bytes: int, page_size: int) -> None:
        n_pages = max(1, n_bytes // page_size)
        self.pages = np.empty((n_pages, page_size), dtype=np.uint8)
        self.next_page = np.full(n_pages, -1, dtype=np.int32)
        self.used = np.zeros(n_pages, dtype=np.int32)
        self._changed = threading.Condition()
        self.reset()

    def reset(self) -> None:
        """Take back everything, for another epoch."""
        # Low numbers are taken first and again, so that memory never needed is never touched.
        self._free: list[int] = list(range(len(self.pages) - 1, -1, -1))
        self._lent = 0
        self._closed = False

    def take(self, least: int, most: int) -> Int32:
        """Take pages, waiting until there are enough of them."""
        with self._changed:
            while len(self._free) < least:
                if self._closed:
                    break
                if not self._lent:
                    raise PoolFullError
                self._changed.wait()
            if self._closed:
                raise ClosedError
            return np.array([self._free.pop() for _ in range(min(most, len(self._free)))], dtype=np.int32)

    def lend(self, n_chains: int) -> None:
        """Note that chains were handed to a consumer, who gives each back with :meth:`give_chain`."""
        with self._changed:
            self._lent += n_chains

    def give_chain(self, page: int) -> None:
        """Take back all pages of a chain that was lent, by its first one; -1 for an empty chain."""
        with self._changed:
            self._lent -= 1
            self._return(page)

    def drop_chain(self, page: int) -> None:
        """Take back all pages of a chain that was never lent."""
        with self._changed:
            self._return(page)

    def close(self) -> None:
        """Wake the threads that wait for pages, with an error: none will come back."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _return(self, page: int) -> None:
        while page >= 0:
            self._free.append(page)
            page = int(self.next_page[page])
        self._changed.notify_all()
