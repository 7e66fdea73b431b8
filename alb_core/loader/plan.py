"""The plan of an epoch in one process: its rows, cut into blocks and batches, from any batch on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from alb_core.loader import order
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.training import ranks
from alb_core.loader.training.drawing import Sample
from alb_core.loader.training.ranks import Batches, Share

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EpochPlan:
    """All that decides which rows an epoch delivers, in which order and batches."""

    #: Rows selected, int64, in their order unshuffled.
    joinids: Int64
    #: Columns selected, int64. They decide no order, but a state of other columns is one of another loader.
    columns: Int64
    #: As :class:`alb_core.loader.dataset.SomaLoader` has them.
    spec: BlockSpec
    shuffle: str
    seed: int
    batch_size: int
    drop_last: bool
    #: Which share of each epoch is this process's.
    share: Share = field(default_factory=Share)
    #: What is drawn with replacement in place of every row once; None for that.
    sample: Sample | None = None
    #: Number of this process among a DataLoader's workers, and how many there are. Alone they are dealt blocks; beside
    #: other ranks they have shares of their own, so that all ranks have as many batches.
    worker: tuple[int, int] | None = None

    @property
    def n_rows(self) -> int:
        """Rows of an epoch, of all shares together."""
        return len(self.joinids) if self.sample is None else self.sample.n_samples

    @property
    def rows_of_share(self) -> tuple[int, int]:
        """Where the rows of this process start and end (exclusive) among those of an epoch."""
        return self._share.rows(self.n_rows)

    @cached_property
    def batches(self) -> Batches:
        """Batches of this process's share."""
        return ranks.cut(self.n_rows, self.batch_size, self.drop_last, self._share)

    def n_blocks(self, epoch: int) -> int:
        """Blocks of an epoch; of a share, the chunks cut at its ends may make one more in one epoch than in another."""
        if self.share.world_size > 1:
            return sum(1 for _ in self.blocks(epoch))
        return order.n_blocks(self.n_rows, self.spec)

    def sizes(self, first: int = 0) -> Iterator[int]:
        """Rows of each batch from ``first`` on. A worker that is dealt blocks has no last batch."""
        return itertools.repeat(self.batch_size) if self._dealt else self.batches.sizes(first)

    def blocks(self, epoch: int, first_batch: int = 0) -> Iterator[order.Block]:
        """Blocks of an epoch, from the first row of a batch on.

        Blocks before it are skipped, and that in which it lies begins with it: nothing is read twice.
        """
        joinids = self.joinids
        if self.sample is not None:
            joinids = joinids[self.sample.rows(self.seed, epoch)]
        return order.blocks(
            joinids,
            self.spec,
            self.shuffle,
            self.seed,
            epoch,
            share=self.rows_of_share,
            first=self._dealt[0] if self._dealt else 0,
            step=self._dealt[1] if self._dealt else 1,
            after=first_batch * self.batch_size if self._dealt else self.batches.start(first_batch),
        )

    @property
    def is_dealt_blocks(self) -> bool:
        """Whether this is a DataLoader's worker that is dealt whole blocks, and cuts batches of its own."""
        return self._dealt is not None

    @property
    def _dealt(self) -> tuple[int, int] | None:
        return self.worker if self.share.world_size == 1 else None

    @property
    def _share(self) -> Share:
        return self.share if self.worker is None or self._dealt else self.share.part(*self.worker)
