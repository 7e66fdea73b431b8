"""The pipeline whose blocks are read and converted by processes beside this one (:mod:`alb_core.workers`)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator

from alb_core.handing import Batch
from alb_core.order import Block
from alb_core.spent import Spent
from alb_core.workers import Workers


class Remote:
    """The pipeline of one epoch at a time; the next one has the same processes.

    What it hands out are pieces of blocks: batches are cut where they are wanted, so that nothing depends on how many
    processes there are.
    """

    def __init__(self, work: Callable[[Block], Iterable[Batch]], n_workers: int, *, pin: bool = False) -> None:
        self._work = work
        self._n_workers = n_workers
        self._pin = pin
        self._workers: Workers[Block, Batch] | None = None

    def batches(self, blocks: Iterator[Block], spent: Spent) -> Generator[Batch, None, None]:
        """Pieces of the blocks, in order; waiting for them is noted in ``spent`` as reading."""
        if self._workers is None or self._workers.ended:
            self._workers = Workers(self._work, self._n_workers)
        with contextlib.closing(self._workers.map(blocks)) as pieces:
            while True:
                with spent.on("reading"):
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield (piece[0].pin_memory(), piece[1]) if self._pin else piece
                del piece

    def close(self) -> None:
        """End the processes."""
        if self._workers is not None:
            self._workers.close()
