"""Run one epoch: take its batches, touch every value, count, and say where the time went (design rules 8 and 9).

Every epoch of the suite is consumed here: the loader's, the chunk readers' and those of other loaders. Some of these
run in environments without tiledbsoma, so this module imports the standard library, numpy and torch alone.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from alb_core.base.checksum import Totals, combined, dense_checksum

if TYPE_CHECKING:
    from alb_core.loader.batches import Batch
    from alb_core.loader.dataset import SomaLoader

Int64 = npt.NDArray[np.int64]

#: Up to here float32 holds every whole number, so a sum of counts is exact.
_EXACT_FLOAT32 = 2.0**24

_NO_COLUMNS = np.empty(0, dtype=np.int64)


def values_of(x: torch.Tensor) -> tuple[int, float]:
    """Touch every value of a dense batch: how many are not zero, and their sum, exact for whole counts."""
    # Row by row in float32, which is quick, and in float64 where that may round.
    per_row = x.sum(dim=1)
    if len(per_row) and float(per_row.max()) >= _EXACT_FLOAT32:
        per_row = x.sum(dim=1, dtype=torch.float64)
    total = float(per_row.sum(dtype=torch.float64))
    # By bit patterns, as whole numbers, which torch counts four times as fast as floats.
    return int(torch.count_nonzero(x.view(torch.int32))), total


class EpochCounts:
    """What the batches of an epoch hold, counted one after another.

    With ``check`` the checksum is computed, too; that takes longer than loading, so not where time is measured.
    """

    def __init__(self, check: bool = False, columns: Int64 = _NO_COLUMNS) -> None:
        self.check = check
        self.n_rows = self.n_batches = self.nnz = 0
        self.total = 0.0
        #: Joinids of the columns; the checksum alone needs them.
        self.columns = columns
        self._checksum = 0

    def add(self, x: Any, rows: Any) -> None:
        """Count a dense batch; ``rows`` are its joinids, or the table of obs that has them."""
        checksum = 0
        if self.check:
            joinids = rows if isinstance(rows, np.ndarray) else rows.column("soma_joinid").to_numpy()
            checksum = dense_checksum(x.numpy(), joinids, self.columns)
        self.add_values(*values_of(x), checksum)
        self.add_rows(len(x))

    def add_values(self, nnz: int, total: float, checksum: int) -> None:
        """Count values."""
        self.nnz += nnz
        self.total += total
        self._checksum = combined(self._checksum, checksum)

    def add_rows(self, n_rows: int) -> None:
        """Count a batch of so many rows."""
        self.n_rows += n_rows
        self.n_batches += 1

    @property
    def totals(self) -> Totals:
        """What all batches so far come to."""
        return Totals(self.n_rows, self.nnz, self.total, self._checksum if self.check else None)


@dataclass(frozen=True)
class EpochResult:
    """One epoch: what it delivered, and how long it took. All times are seconds."""

    totals: Totals
    #: Batches delivered; chunks, where chunks are read.
    n_batches: int
    #: The whole epoch, the first batch included.
    elapsed: float
    #: Until the first batch was there: the reading of its block. A chunk is read while it is counted: 0 for chunks.
    first_batch: float
    #: Until the first batch was counted, too.
    first_done: float
    #: Rows delivered after the first batch.
    rows_after_first: int
    #: In which the consumer waited for a batch, the first included.
    waiting: float
    #: Garbage collection.
    collecting: float
    #: Of the processor, by all threads, in user code and in the kernel.
    processor: float
    #: In which the loader read and converted (:class:`alb_core.loader.stage_times.StageTimes`): 0 if processes of a
    #: DataLoader did, None of a loader that does not say.
    reading: float | None = None
    converting: float | None = None

    @property
    def n_rows(self) -> int:
        """Rows delivered."""
        return self.totals.n_rows

    @property
    def after_first(self) -> float:
        """Seconds from when the first batch was done with to the end."""
        return self.elapsed - self.first_done


def consume(
    batches: Iterable[tuple[Any, Any]],
    counts: EpochCounts,
    *,
    max_batches: int | None = None,
    device: str = "cpu",
    collect_every: int = 0,
    pause: float = 0.0,
    progress: Callable[[int], object] | None = None,
) -> EpochResult:
    """Take the batches of one epoch and let each be counted.

    Counting takes about 8 ms for 1,024 x 20,000 values on the reference machine: enough to prove what was delivered,
    little beside its loading. ``pause`` is what the consumer takes for a batch beside that, in seconds; ``progress`` is
    told the rows of each batch.
    """
    first_rows = 0
    first_batch = first_done = waiting = collecting = 0.0
    source = iter(batches)
    processor = time.process_time()
    start = time.perf_counter()
    asked = start
    for x, rows in source:
        waiting += time.perf_counter() - asked
        if counts.n_batches == 0:
            first_batch = waiting
        if device != "cpu":
            x = x.to(device)
        counts.add(x, rows)
        if progress is not None:
            progress(len(rows))
        if pause:
            time.sleep(pause)
        del x, rows  # or the batch would be held while the next one is made
        if collect_every and counts.n_batches % collect_every == 0:
            before = time.perf_counter()
            gc.collect()
            collecting += time.perf_counter() - before
        asked = time.perf_counter()
        if counts.n_batches == 1:
            first_rows, first_done = counts.n_rows, asked - start
        if counts.n_batches == max_batches:
            break
    else:
        waiting += time.perf_counter() - asked
    elapsed = time.perf_counter() - start
    processor = time.process_time() - processor
    return EpochResult(
        totals=counts.totals,
        n_batches=counts.n_batches,
        elapsed=elapsed,
        first_batch=first_batch,
        first_done=first_done,
        rows_after_first=counts.n_rows - first_rows,
        waiting=waiting,
        collecting=collecting,
        processor=processor,
    )


def run_epoch(
    loader: SomaLoader, batches: Iterable[Batch] | None = None, *, check: bool = False, **options: Any
) -> EpochResult:
    """Run the next epoch of the loader, or take ``batches`` that a DataLoader makes of it; ``options`` of consume()."""
    counts = EpochCounts(check, loader.var_joinids)
    if batches is not None:
        loader.close()
    result = consume(loader if batches is None else batches, counts, **options)
    return replace(result, reading=loader.stage_times.reading, converting=loader.stage_times.converting)
