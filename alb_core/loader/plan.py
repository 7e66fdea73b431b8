"""What an epoch hands out in one process: its rows, cut into blocks and batches, from wherever it is taken up."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from alb_core.base.errors import AlbError
from alb_core.loader import order
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.training import ranks
from alb_core.loader.training.drawing import Sample
from alb_core.loader.training.ranks import Batches, Share

Int64 = npt.NDArray[np.int64]

#: Of :meth:`Plan.state`; raised when an older one no longer means the same place.
STATE_VERSION = 1


@dataclass
class Place:
    """Where an epoch stands: so many of its batches are handed out."""

    epoch: int
    batch: int = 0


@dataclass(frozen=True, eq=False)
class Plan:
    """All that decides which rows an epoch hands out, in which order and batches."""

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
        """Rows of each batch from ``first`` on. To a worker that is dealt blocks, batches are whole without end."""
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

    def state(self, place: Place) -> dict[str, Any]:
        """Say where an epoch stands, in plain types."""
        return {"version": STATE_VERSION, "epoch": place.epoch, "batch": place.batch, "settings": dict(self._settings)}

    def place(self, state: Any) -> Place:
        """Where an epoch stands, as a state says."""
        try:
            version, epoch, batch, settings = (state[key] for key in ("version", "epoch", "batch", "settings"))
            whole = all(type(number) is int and number >= 0 for number in (version, epoch, batch))
            whole = whole and isinstance(settings, dict)
        except (TypeError, KeyError, IndexError):
            whole = False
        if not whole:
            raise AlbError(f"{str(state)[:80]!r} is not the state of a loader, expected what state_dict() gave")
        if version != STATE_VERSION:
            raise AlbError(f"the state is of version {version}, expected {STATE_VERSION}: start the epoch anew")
        names = [*self._settings, *(name for name in settings if name not in self._settings)]
        other = [
            f"{name} {settings.get(name)}, here {self._settings.get(name)}"
            for name in names
            if settings.get(name) != self._settings.get(name)
        ]
        if other:
            raise AlbError(f"the state is of a loader with other settings: {'; '.join(other)}")
        if batch > len(self.batches) and not self._dealt:
            raise AlbError(f"the state is of batch {batch}, expected at most {len(self.batches)}")
        return Place(epoch, batch)

    @property
    def _dealt(self) -> tuple[int, int] | None:
        return self.worker if self.share.world_size == 1 else None

    @property
    def _share(self) -> Share:
        return self.share if self.worker is None or self._dealt else self.share.part(*self.worker)

    @cached_property
    def _settings(self) -> dict[str, Any]:
        """What must be the same where an epoch is taken up. Not the rank: all have as many batches behind them."""
        settings: dict[str, Any] = {
            "spec": str(self.spec),
            "shuffle": self.shuffle,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "drop_last": self.drop_last,
            "world_size": self.share.world_size,
            "rows": _fingerprint(self.joinids),
            "columns": _fingerprint(self.columns),
        }
        if self.sample is not None:
            settings["sample"] = f"{self.sample.n_samples} by weights {_fingerprint(self.sample.weights)}"
        if self.worker is not None:
            settings["worker"] = "{} of {}".format(*self.worker)
        return settings


def _fingerprint(values: npt.NDArray[Any]) -> str:
    """How many values, and which: enough to tell two selections apart."""
    digest = hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()
    return f"{len(values)}/{digest[:12]}"
