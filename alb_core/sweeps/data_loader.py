"""A sweep: epochs of the loader over many configurations, each in a process of its own, each epoch a record.

Nothing of torch or tiledbsoma is imported here, but in the processes that measure (:mod:`alb_core.sweeps.worker`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from alb_core.base import processes
from alb_core.base.checksum import Totals
from alb_core.loader.block_spec import BlockSpec

#: Fewer blocks than this, and the rate without the first batch leaves out much of the reading (design rule 8).
ENOUGH_BLOCKS = 8


@dataclass(frozen=True)
class SweepSettings:
    """What all configurations of a sweep share."""

    #: The experiment as the user named it, and where it is: an absolute path or a URI.
    uri: str
    location: str
    #: As :class:`alb_core.loader.dataset.SomaLoader` has them.
    shuffle: str = "block"
    seed: int = 0
    batch_size: int = 1024
    #: Batches on the clock; 0 for all.
    max_batches: int = 0
    #: The first batch is one of them; else it comes before them.
    count_first: bool = False
    #: Batches between two collections of garbage; 0 for none.
    collect_every: int = 10
    #: Move batches to the GPU, where there is one.
    cuda: bool = True
    #: As the loader has them (bytes).
    py_buffer_size: int = 2**30
    soma_buffer_size: int = 2**30
    config: Mapping[str, str] = field(default_factory=dict)
    measurement: str = "RNA"
    layer: str = "raw"
    #: Rows and columns, joinids; None for all.
    rows: npt.NDArray[np.int64] | None = None
    vars: npt.NDArray[np.int64] | None = None
    #: No progress bar.
    quiet: bool = False

    def columns(self) -> dict[str, Any]:
        """Columns of a record that the settings fill."""
        return {
            "uri": self.uri,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "max_batches": self.max_batches,
            "first_batch_counted": self.count_first,
            "gc_freq": self.collect_every,
            "tiledb_config": " ".join(f"{key}={self.config[key]}" for key in sorted(self.config) if not _secret(key)),
            "py_buffer_size": self.py_buffer_size,
            "soma_buffer_size": self.soma_buffer_size,
            "measurement": self.measurement,
            "layer": self.layer,
        }


def _secret(option: str) -> bool:
    """Tell whether an option of TileDB must not be written down: ``vfs.s3.aws_secret_access_key`` and its like."""
    return any(word in option.lower() for word in ("key", "secret", "token", "password", "credentials"))


@dataclass(frozen=True)
class Configuration:
    """What one process measures: a cut of blocks and a method."""

    spec: BlockSpec
    method: str

    def __str__(self) -> str:
        """As messages show it: ``8x64 scipy.csr``."""
        return f"{self.spec} {self.method}"

    def columns(self) -> dict[str, Any]:
        """Columns of a record that the configuration fills."""
        return {
            "chunk_method": self.method,
            "chunk_size": self.spec.chunk_size,
            "chunks_per_block": self.spec.chunks_per_block,
            "block_size": self.spec.block_size,
        }


@dataclass(frozen=True)
class SweepStart:
    """What a process tells before it measures: rows and vars of the experiment, blocks of an epoch, versions."""

    n_rows: int
    n_vars: int
    n_blocks: int
    device: str
    libtiledb_version: str


@dataclass(frozen=True)
class SweepEpoch:
    """One epoch that a process has measured."""

    #: Columns of its record.
    columns: Mapping[str, Any]
    #: What all its batches came to.
    totals: Totals


#: (chunk size, chunks per block, method, epoch): the identity of a record within its sweep.
Key = tuple[int, int, str, int]


def run(
    settings: SweepSettings,
    configurations: Sequence[Configuration],
    n_epochs: int,
    *,
    shared: Mapping[str, Any],
    expected: Totals | None,
    done: Collection[Key] = (),
    say: Callable[[str], None],
) -> Iterator[dict[str, Any]]:
    """Measure all configurations, one after another; yields a record for each epoch.

    Each epoch must come to what is ``expected``; where nothing is, to what the first epoch came to.
    """
    noted: set[str] = set()
    for configuration in configurations:
        numbers = [number for number in range(n_epochs) if key(configuration, number) not in done]
        begun: SweepStart | None = None
        start = datetime.now()
        epoch = numbers[0] if numbers else 0
        record = {**shared, **settings.columns(), **configuration.columns()}
        try:
            for item in _epochs(settings, configuration, numbers, expected) if numbers else ():
                if isinstance(item, SweepStart):
                    begun = item
                    record.update(_of(begun))
                    _note(settings, configuration, begun, noted, say)
                    continue
                if expected is None and not settings.max_batches:
                    expected = item.totals
                yield {**record, **item.columns, "oom": False}
                start, epoch = datetime.now(), item.columns["epoch"] + 1
        except processes.OutOfMemoryError as error:
            say(f"{configuration}, epoch {epoch}: {error}")
            yield {**record, "epoch": epoch, "start_dt": start, "end_dt": datetime.now(), "oom": True}


def key(configuration: Configuration, epoch: int) -> Key:
    """What tells an epoch from the others of its sweep."""
    return configuration.spec.chunk_size, configuration.spec.chunks_per_block, configuration.method, epoch


def interrupted(
    table: pa.Table, same: Mapping[str, Any], configurations: Sequence[Configuration], n_epochs: int
) -> tuple[datetime | None, set[Key]]:
    """Find the latest sweep of a table that had the same settings, and what it has measured."""
    for name, value in same.items():
        column = table.column(name)
        table = table.filter(pc.is_null(column) if value is None else pc.equal(column, pa.scalar(value, column.type)))
    began = pc.max(table.column("alb_start_dt")).as_py()
    if began is None:
        return None, set()
    names = ("chunk_size", "chunks_per_block", "chunk_method", "epoch", "oom")
    rows = zip(
        *(table.filter(pc.equal(table.column("alb_start_dt"), began)).column(name).to_pylist() for name in names),
        strict=True,
    )
    done: set[Key] = set()
    for chunk_size, chunks, method, epoch, oom in rows:
        last = n_epochs - 1 if oom else epoch
        done.update((chunk_size, chunks, method, number) for number in range(epoch, last + 1))
    return began, done & {key(item, number) for item in configurations for number in range(n_epochs)}


def _epochs(
    settings: SweepSettings, configuration: Configuration, numbers: Sequence[int], expected: Totals | None
) -> Iterator[SweepStart | SweepEpoch]:
    """Measure one configuration, in a process of its own."""
    return processes.iterate("alb_core.sweeps.worker:epochs", settings, configuration, numbers, expected)


def _of(begun: SweepStart) -> dict[str, Any]:
    """Columns of a record that are known once the experiment is open."""
    return {
        "n_cols": begun.n_vars,
        "total_rows": begun.n_rows,
        "n_blocks": begun.n_blocks,
        "device": begun.device,
        "libtiledb_version": begun.libtiledb_version,
    }


def _note(
    settings: SweepSettings,
    configuration: Configuration,
    begun: SweepStart,
    noted: set[str],
    say: Callable[[str], None],
) -> None:
    """Say what a reader of the figures must know; of the computer, once."""
    if settings.cuda and begun.device == "cpu" and "cuda" not in noted:
        noted.add("cuda")
        say("no CUDA here: batches stay in the memory of the CPU (-C says that this is meant)")
    if begun.n_blocks < ENOUGH_BLOCKS and not settings.count_first:
        say(
            f"{configuration}: an epoch has {begun.n_blocks} blocks, fewer than {ENOUGH_BLOCKS}: a rate without the "
            "first batch leaves out the reading of its block (-F counts it)"
        )
