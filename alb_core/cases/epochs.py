"""Cases of the suite: one combination of parameters, opened, run and proved.

:meth:`Case.epoch` is what asv measures: one epoch, counted as it runs, and a failure if the counts are not the
dataset's (design rule 9).
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from alb_core.base.certificate import require_own_libraries
from alb_core.base.checksum import Totals
from alb_core.base.errors import AlbError
from alb_core.base.paths import datasets_root
from alb_core.cases import chunk_readers
from alb_core.cases.consume import EpochResult, run_epoch
from alb_core.cases.epoch_seconds import EpochSeconds, say
from alb_core.cases.preflight import ready
from alb_core.loader import memory_budget, order, soma
from alb_core.loader.block_spec import parse_one
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.packing import kernel_cache
from alb_core.loader.soma import Int64

#: Seed of every shuffle of the suite: one order of rows for all commits.
SEED = 42

#: Least blocks of an epoch, so that its time is not that of its first batch (design rule 8).
LEAST_BLOCKS = 8


class Case(ABC):
    """A combination of parameters over one dataset, opened."""

    def __init__(self, dataset: str) -> None:
        self._manifest = ready(dataset)
        #: Totals of the rows that are read; None for those of the manifest, where all are.
        self._expected: Totals | None = None
        self._uri = str(datasets_root() / dataset)
        self._stack = ExitStack()
        self._epochs: list[EpochSeconds] = []

    @property
    def location(self) -> Path:
        """The dataset's directory."""
        return Path(self._uri)

    def epoch(self, *, prove: bool = False) -> EpochResult:
        """Run one epoch, and refuse what is not what the dataset holds; with a checksum to ``prove``."""
        result = self._run(prove)
        self._epochs.append(EpochSeconds(result.elapsed, result.processor))
        result.totals.require(self._expected or self._manifest.totals)
        return result

    def close(self) -> None:
        """Close the experiment, and say what its epochs took where this is asked for."""
        require_own_libraries()
        say(self._epochs)
        self._stack.close()

    @abstractmethod
    def _run(self, check: bool) -> EpochResult: ...


class ReadCase(Case):
    """The rows of a dataset, chunk by chunk, through one of tiledbsoma's readers: all, or the first of the order."""

    def __init__(
        self, dataset: str, method: str, chunk_size: int, shuffle: str, buffer_size: int, rows: int | None = None
    ) -> None:
        super().__init__(dataset)
        self._method, self._chunk_size, self._shuffle = method, chunk_size, shuffle
        experiment = self._stack.enter_context(
            soma.open_experiment(self._uri, py_buffer_size=buffer_size, soma_buffer_size=buffer_size)
        )
        self._x = experiment.ms["RNA"].X["raw"]
        chunk_readers.require_reader(self._x, method)
        self._rows = soma.joinids(experiment.obs)
        self._columns = soma.as_coords(soma.joinids(experiment.ms["RNA"].var))
        self._chunks = None if rows is None else rows // chunk_size
        if rows is not None:
            self._expected = _totals_of(experiment.obs, np.concatenate([*self._order()]))

    def _order(self) -> Iterator[Int64]:
        """Chunks in the order in which they are read."""
        chunks = order.chunks(self._rows, self._chunk_size, self._shuffle, SEED)
        return itertools.islice(chunks, self._chunks)

    def _run(self, check: bool) -> EpochResult:
        return chunk_readers.read_epoch(self._x, self._order(), self._method, self._columns, check=check)


class LoadCase(Case):
    """One epoch of the loader over the rows of a dataset, all or the first, to dense batches."""

    def __init__(
        self,
        dataset: str,
        method: str,
        block_spec: str,
        shuffle: str,
        batch_size: int,
        buffer_size: int | None = None,
        context: str = "default",
        rows: int | None = None,
    ) -> None:
        super().__init__(dataset)
        if method == "numba":
            kernel_cache.ensure()
        self._loader = self._stack.enter_context(
            SomaLoader(
                self._uri,
                parse_one(block_spec),
                method=method,
                shuffle=shuffle,
                seed=SEED,
                batch_size=batch_size,
                obs_joinids=None if rows is None else np.arange(rows),
                py_buffer_size=buffer_size,
                soma_buffer_size=buffer_size,
                config={"default": {}, "tuned": memory_budget.tuned_config()}[context],
            )
        )
        if rows is not None:
            with soma.open_experiment(self._uri) as experiment:
                self._expected = _totals_of(experiment.obs, np.arange(rows))
        elif self._loader.n_blocks < LEAST_BLOCKS:
            raise AlbError(
                f"an epoch of {dataset} in blocks {block_spec} has {self._loader.n_blocks} blocks, expected "
                f"{LEAST_BLOCKS} or more: its time would be that of its first batch"
            )

    def first_batch(self) -> float:
        """Seconds until the first batch of an epoch is there: the reading and converting of what it needs."""
        self._loader.set_epoch(0)
        return run_epoch(self._loader, max_batches=1).first_batch

    def _run(self, check: bool) -> EpochResult:
        self._loader.set_epoch(0)
        return run_epoch(self._loader, check=check)


def _totals_of(obs: Any, rows: Int64) -> Totals:
    """Totals of some rows, as obs says them of each."""
    said = obs.read(coords=(np.sort(rows),), column_names=["nnz", "raw_sum"]).concat()
    return Totals(len(rows), int(said.column("nnz").to_numpy().sum()), float(said.column("raw_sum").to_numpy().sum()))
