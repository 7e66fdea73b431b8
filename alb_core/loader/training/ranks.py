"""Shares of an epoch: which of its rows each of several ranks delivers, and in which batches.

The rows of an epoch stand in one order, that in which chunks are drawn. Each rank takes one run of it, so that at most
one chunk is cut between two ranks. The shares are equally long, to a row, and every rank has the same number of
batches: a rank with one batch more would wait for the others for ever.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch.distributed

from alb_core.base.errors import AlbError


@dataclass(frozen=True)
class Share:
    """One of ``world_size`` shares, counted from 0."""

    rank: int = 0
    world_size: int = 1

    def rows(self, n_rows: int) -> tuple[int, int]:
        """Where the share starts and ends (exclusive) among the rows of an epoch."""
        return n_rows * self.rank // self.world_size, n_rows * (self.rank + 1) // self.world_size

    def part(self, part: int, n_parts: int) -> Share:
        """One of ``n_parts`` parts of the share: the parts of all shares are themselves equal shares."""
        return Share(self.rank * n_parts + part, self.world_size * n_parts)


def current() -> Share:
    """Share of this process: its rank in ``torch.distributed`` where that is initialised, else everything."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return Share(torch.distributed.get_rank(), torch.distributed.get_world_size())
    return Share()


def faults(rank: int | None, world_size: int | None) -> list[str]:
    """What is wrong with a rank and a world size, a sentence each."""
    if rank is None and world_size is None:
        return []
    if rank is None or world_size is None:
        return [f"rank is {rank} and world_size {world_size}, expected both or neither"]
    if not all(isinstance(number, (int, np.integer)) for number in (rank, world_size)):
        return [f"rank is {rank!r} and world_size {world_size!r}, expected whole numbers"]
    if world_size < 1:
        return [f"world_size is {world_size}, expected 1 or more"]
    return [] if 0 <= rank < world_size else [f"rank is {rank}, expected 0 to {world_size - 1}"]


@dataclass(frozen=True)
class Batches:
    """Sizes of the batches of one share: full ones, then what is left."""

    #: Rows of a full batch.
    batch_size: int
    #: How many batches are full.
    full: int
    #: Rows of those after them: none, one short batch, or two (:func:`cut`).
    rest: tuple[int, ...]

    def __len__(self) -> int:
        """Batches."""
        return self.full + len(self.rest)

    def start(self, batch: int) -> int:
        """Row of the share at which a batch starts."""
        return min(batch, self.full) * self.batch_size + sum(self.rest[: max(0, batch - self.full)])

    def sizes(self, first: int = 0) -> Iterator[int]:
        """Rows of each batch, from batch ``first`` on."""
        full = itertools.repeat(self.batch_size, max(0, self.full - first))
        return itertools.chain(full, self.rest[max(0, first - self.full) :])


def cut(n_rows: int, batch_size: int, drop_last: bool, share: Share) -> Batches:
    """Cut a share into batches, as many as every other share has.

    A share may be one row longer than another, and need a batch more for that row alone. The shorter one then
    cuts its last full batch in two: all of it but a row, and that row.
    """
    shortest, longer = divmod(n_rows, share.world_size)
    if share.world_size > 1 and shortest == 0:
        raise AlbError(f"{n_rows} rows for {share.world_size} ranks or workers, expected a row for each at least")
    if drop_last:
        return Batches(batch_size, shortest // batch_size, ())
    if longer and batch_size == 1:
        raise AlbError(
            f"{n_rows} rows in batches of 1 are not as many batches for each of {share.world_size} ranks or workers: "
            "take drop_last=True, or batches of 2 or more"
        )
    start, stop = share.rows(n_rows)
    full, rest = divmod(stop - start, batch_size)
    if rest:
        return Batches(batch_size, full, (rest,))
    if longer and stop - start == shortest:
        return Batches(batch_size, full - 1, (batch_size - 1, 1))
    return Batches(batch_size, full, ())
