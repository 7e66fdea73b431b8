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
from alb_core.loader.block_pipeline import METHODS, BlockPipeline
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.experiment import ExperimentQuery, OpenExperiment, QueryResult
from alb_core.loader.order import Block
from alb_core.loader.stage_times import StageTimes
from alb_core.loader.training.workers import WorkerPipeline

#: The methods by name: those that convert a block as a whole, and the streaming one.
METHOD_NAMES = (*METHODS, "numba")

#: Rows whose joinids a worker process is given: enough to estimate the bytes of a row.
_OUTLINE_ROWS = 4096


class Pipeline(Protocol):
    """Blocks -> batches, for one epoch at a time."""

    def batches(self, blocks: Iterator[Block], times: StageTimes) -> Generator[Batch, None, None]:
        """Batches of the blocks, in order; seconds are noted in ``times``."""
        ...


@dataclass(frozen=True, eq=False)
class LoaderSettings:
    """How blocks are read and made batches, as :class:`alb_core.loader.dataset.SomaLoader` has it."""

    uri: str
    query: ExperimentQuery
    method: str
    #: 0 where no block spec was given: one is chosen that fits.
    block_size: int
    batch_size: int
    drop_last: bool
    options: Mapping[str, Any]
    max_memory: int | None
    sparse: bool
    pin_memory: bool
    num_workers: int

    def open(self, result: QueryResult | None = None) -> OpenExperiment:
        """Open the experiment in this process."""
        own, config = self.options["config"], {}
        if self.max_memory is not None:
            config = memory_budget.capped_config(self.max_memory)
        elif own is None and self.method not in METHODS:
            config = memory_budget.tuned_config()
        options = {**self.options, "config": {**config, **(own or {})}}
        return OpenExperiment(self.uri, self.query, options, result)

    def default_spec(self, opened: OpenExperiment) -> BlockSpec:
        """Choose the block spec where none was given; the same one on every rank."""
        most = self.max_memory
        if most is not None and self.num_workers:
            most = (most - memory_budget.HELD) // self.num_workers
        room = memory_budget.block_room(most, self._batch_bytes(opened))
        row_bytes, row_by_row = opened.packed_row_bytes, opened.is_row_by_row
        return memory_budget.default_spec(opened.result.n_rows, row_bytes, room, row_by_row=row_by_row)

    def pipeline(self, opened: OpenExperiment) -> Pipeline:
        """Build what turns blocks into batches."""
        if self.num_workers:
            return WorkerPipeline(self._block_reader(opened.result), self.num_workers, pin=self.pin_memory)
        common: dict[str, Any] = {"batch_size": self.batch_size, "drop_last": self.drop_last, "pin": self.pin_memory}
        if self.method in METHODS:
            return BlockPipeline(opened, self.method, **common)
        # Here, not above: numba is imported, and its kernels loaded, where they are used alone.
        from alb_core.loader.packing.pipeline import StreamingPipeline

        packed_bytes = memory_budget.UNCAPPED
        if self.max_memory is not None:
            held, batch_bytes = memory.held_bytes(), self._batch_bytes(opened)
            packed_bytes = memory_budget.packed_bytes(self.max_memory, held, batch_bytes)
        common |= {"block_rows": min(self.block_size, opened.result.n_rows), "sparse": self.sparse}
        return StreamingPipeline(opened, packed_bytes=packed_bytes, max_memory=self.max_memory, **common)

    def _batch_bytes(self, opened: OpenExperiment) -> int:
        return 4 * self.batch_size * len(opened.columns)

    def _block_reader(self, result: QueryResult) -> BlockReader:
        max_memory = None
        if self.max_memory is not None:
            max_memory = (self.max_memory - memory.held_bytes()) // self.num_workers
            if max_memory < 1:
                raise AlbError(f"max_memory is {self.max_memory:,} bytes, which this process holds already: raise it")
        # Each block says which rows to read, and filters and weights are in the plan already.
        query = replace(self.query, obs=replace(self.query.obs, joinids=None), weights=None)
        there = replace(self, query=query, max_memory=max_memory, drop_last=False, pin_memory=False, num_workers=0)
        return BlockReader(there, result.outline(_OUTLINE_ROWS))


class BlockReader:
    """What a worker process does with a block: makes batches of its rows, the last one perhaps short."""

    def __init__(self, settings: LoaderSettings, result: QueryResult) -> None:
        self._settings = settings
        self._result = result
        self._opened: tuple[int, Pipeline] | None = None

    def __call__(self, block: Block) -> Iterator[Batch]:
        """Read a block; opens the experiment at the first one."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), self._settings.pipeline(self._settings.open(self._result))
        return self._opened[1].batches(iter([block]), StageTimes())
