"""Passes of the chunk readers over an experiment, each in a process of its own.

Nothing of tiledbsoma is imported here, but in the processes that measure (:mod:`alb_core.sweeps.worker`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from alb_core.base import memory, processes
from alb_core.base.checksum import Totals
from alb_core.base.errors import WrongResultError

#: Bytes of a non-zero in an Arrow table: two int64 coordinates and a float32 (of wider types a little more).
NONZERO_BYTES = 20

#: Memory that a reader takes at its peak, in multiples of what its largest table holds: measured with chunks of
#: 1,000 to 10,000 rows of 2,800 non-zeros in stored order (2.3.0), and rounded up.
_MULTIPLES = {"table": 3.0, "blockwise_table": 3.0, "blockwise_scipy_coo": 4.5, "blockwise_scipy_csr": 4.5}

#: What TileDB may hold of unpacked tiles (its option ``sm.mem.total_budget``, as it is by default).
_TILE_BUDGET = 10 * 2**30

#: Of a process that has imported torch and tiledbsoma, and read nothing.
_PROCESS_BYTES = 350 * 2**20


@dataclass(frozen=True)
class ReadSettings:
    """What all readers share."""

    #: Absolute path or URI of the experiment.
    location: str
    #: As :func:`alb_core.loader.order.chunks` has them.
    chunk_size: int = 10_000
    shuffle: str = "none"
    seed: int = 0
    #: First vars to read.
    n_vars: int = 20_000
    #: As the loader has them (bytes).
    py_buffer_size: int = 2**30
    soma_buffer_size: int = 2**30
    config: Mapping[str, str] = field(default_factory=dict)
    measurement: str = "RNA"
    layer: str = "raw"
    #: A line on stderr for each chunk, in place of a progress bar.
    verbose: bool = False


@dataclass(frozen=True)
class ReadSize:
    """How much there is to read: rows, vars among the first that were asked for, and values of the whole layer."""

    n_rows: int
    n_vars: int
    all_vars: int
    nnz: int


@dataclass(frozen=True)
class ReaderPass:
    """What one reader did."""

    #: Its name.
    reader: str
    #: Seconds for all rows, and until the first chunk was read.
    elapsed: float
    first_chunk: float
    #: Rows, chunks and values read, and their sum.
    n_rows: int
    n_chunks: int
    nnz: int
    total: float
    #: Most memory that the process held, and bytes read from storage (None where TileDB does not say).
    max_mem: int
    read_bytes: int | None

    @property
    def cells_per_second(self) -> float:
        """Rows a second."""
        return self.n_rows / self.elapsed

    @property
    def totals(self) -> Totals:
        """What was read came to."""
        return Totals(self.n_rows, self.nnz, self.total)


def run(
    settings: ReadSettings, readers: Sequence[str], *, expected: Totals | None, say: Callable[[str], None]
) -> Iterator[ReaderPass]:
    """Let each reader read all rows; all must read what is ``expected``, or else what the first one read."""
    source = "the manifest says"
    for reader in readers:
        for item in processes.iterate("alb_core.sweeps.worker:chunks", settings, reader):
            if isinstance(item, ReadSize):
                warning = too_large(item, settings, reader, memory.available_bytes())
                if warning:
                    say(warning)
            elif isinstance(item, str):
                say(item)
            else:
                if expected is None:
                    source, expected = f"read_{reader} read", item.totals
                if item.totals.differences(expected):
                    raise WrongResultError(
                        f"read_{reader} read {item.nnz:,} elements that add up to {item.total:,}, "
                        f"{source} {expected.nnz:,} that add up to {expected.total:,}: they must be the same"
                    )
                yield item


def peak_estimate(size: ReadSize, settings: ReadSettings, reader: str) -> int:
    """Memory that a reader will take at its peak, in bytes, roughly and rather too much."""
    whole = size.nnz * NONZERO_BYTES * min(1.0, size.n_vars / max(size.all_vars, 1))
    held = whole * min(1.0, settings.chunk_size / max(size.n_rows, 1))
    if reader == "table":
        # It hands out what fits three column buffers; the others gather a whole chunk.
        held = min(held, 3.0 * settings.soma_buffer_size)
    # Rows from everywhere lie in all tiles, and a query unpacks each that it touches.
    tiles = min(whole, _TILE_BUDGET) if settings.shuffle == "global" else 0.0
    return _PROCESS_BYTES + int(tiles + held * _MULTIPLES.get(reader, max(_MULTIPLES.values())))


def too_large(size: ReadSize, settings: ReadSettings, reader: str, available: int | None) -> str | None:
    """Warn before a pass that will hardly fit in memory; None where it will, or nobody knows."""
    needed = peak_estimate(size, settings, reader)
    if available is None or needed <= available:
        return None
    return (
        f"read_{reader} with chunks of {settings.chunk_size:,} rows may take {needed / 2**30:.1f} GiB, and "
        f"{available / 2**30:.1f} GiB are free: smaller chunks (-c) take less"
    )


def as_json(settings: ReadSettings, passes: Sequence[ReaderPass], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return all figures, with what they were measured by, as one document."""
    given = {name: value for name, value in asdict(settings).items() if name not in ("location", "config", "verbose")}
    readers = [{**asdict(item), "cells_per_second": item.cells_per_second} for item in passes]
    return {**shared, **given, "readers": readers}
