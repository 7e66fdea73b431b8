"""Which pipeline turns blocks into batches, and how it is built: in this process, or in several beside it."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from alb_core.base import memory
from alb_core.base.errors import AlbError
from alb_core.loader import memory_budget
from alb_core.loader.batches import Batch
from alb_core.loader.block_pipeline import METHODS, Whole
from alb_core.loader.experiment import Found, Opened, Wanted
from alb_core.loader.order import Block
from alb_core.loader.stage_times import Spent
from alb_core.loader.training.workers import Remote

#: The methods by name: those that convert a block as a whole, and the streaming one.
METHOD_NAMES = (*METHODS, "numba")

#: Rows whose joinids processes are given: enough to see what a row holds.
_OUTLINE = 4096


class Pipeline(Protocol):
    """Blocks -> batches, for one epoch at a time."""

    def batches(self, blocks: Iterator[Block], spent: Spent) -> Generator[Batch, None, None]:
        """Batches of the blocks, in order; seconds are noted in ``spent``."""
        ...


@dataclass(frozen=True, eq=False)
class Settings:
    """How blocks are read and made batches, as :class:`alb_core.loader.dataset.SomaLoader` has it."""

    uri: str
    wanted: Wanted
    method: str
    block_size: int
    batch_size: int
    drop_last: bool
    options: Mapping[str, Any]
    max_memory: int | None
    sparse: bool
    pin_memory: bool
    num_workers: int

    def open(self, found: Found | None = None) -> Opened:
        """Open the experiment in this process."""
        own, config = self.options["config"], {}
        if self.max_memory is not None:
            config = memory_budget.capped_config(self.max_memory)
        elif own is None and self.method not in METHODS:
            config = memory_budget.tuned_config()
        options = {**self.options, "config": {**config, **(own or {})}}
        return Opened(self.uri, self.wanted, options, found)

    def pipeline(self, opened: Opened) -> Pipeline:
        """Build what turns blocks into batches."""
        if self.num_workers:
            return Remote(self._pieces(opened.found), self.num_workers, pin=self.pin_memory)
        common: dict[str, Any] = {"batch_size": self.batch_size, "drop_last": self.drop_last, "pin": self.pin_memory}
        if self.method in METHODS:
            return Whole(opened, self.method, **common)
        # Here, not above: numba is imported, and its kernels loaded, where they are used alone.
        from alb_core.loader.packing.pipeline import Streaming

        packed_bytes = memory_budget.UNCAPPED
        if self.max_memory is not None:
            batch_bytes = 4 * self.batch_size * len(opened.columns)
            packed_bytes = memory_budget.packed_bytes(self.max_memory, memory.held_bytes(), batch_bytes)
        common |= {"block_rows": min(self.block_size, opened.found.n_rows), "sparse": self.sparse}
        return Streaming(opened, packed_bytes=packed_bytes, max_memory=self.max_memory, **common)

    def _pieces(self, found: Found) -> Pieces:
        max_memory = None
        if self.max_memory is not None:
            max_memory = (self.max_memory - memory.held_bytes()) // self.num_workers
            if max_memory < 1:
                raise AlbError(f"max_memory is {self.max_memory:,} bytes, which this process holds already: raise it")
        # Which rows there are is told with each block, and filters and weights were dealt with.
        wanted = replace(self.wanted, obs=replace(self.wanted.obs, joinids=None), weights=None)
        there = replace(self, wanted=wanted, max_memory=max_memory, drop_last=False, pin_memory=False, num_workers=0)
        return Pieces(there, found.outline(_OUTLINE))


class Pieces:
    """What a process makes of a block: batches of its rows, the last one perhaps short."""

    def __init__(self, settings: Settings, found: Found) -> None:
        self._settings = settings
        self._found = found
        self._opened: tuple[int, Pipeline] | None = None

    def __call__(self, block: Block) -> Iterator[Batch]:
        """Read a block; opens the experiment at the first one."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), self._settings.pipeline(self._settings.open(self._found))
        return self._opened[1].batches(iter([block]), Spent())
