"""What runs in a process of its own: epochs of the loader, and passes of the chunk readers."""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

import tiledbsoma
import torch
from tqdm import tqdm

from alb_core.base import memory
from alb_core.base.checksum import Totals
from alb_core.base.errors import WrongResultError
from alb_core.cases import chunk_readers, io_counts
from alb_core.cases.consume import EpochResult, run_epoch
from alb_core.loader import order, soma
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.experiment import Selection, require_inside
from alb_core.sweeps import read_chunks
from alb_core.sweeps.data_loader import Configuration, SweepEpoch, SweepSettings, SweepStart

# One process draws the bar: a lock that several could share would be a semaphore that outlives a killed one.
tqdm.set_lock(threading.RLock())


def epochs(
    settings: SweepSettings, configuration: Configuration, numbers: Sequence[int], expected: Totals | None
) -> Iterator[SweepStart | SweepEpoch]:
    """Run the epochs of these numbers with one configuration; yields a :class:`SweepStart`, then each epoch."""
    with _one_line_warnings(str(configuration)), soma.named_errors(settings.location):
        loader = SomaLoader(
            settings.location,
            configuration.spec,
            method=configuration.method,
            shuffle=settings.shuffle,
            seed=settings.seed,
            batch_size=settings.batch_size,
            measurement=settings.measurement,
            layer=settings.layer,
            obs_joinids=settings.rows,
            var_joinids=settings.vars,
            py_buffer_size=settings.py_buffer_size,
            soma_buffer_size=settings.soma_buffer_size,
            config=settings.config,
        )
        with loader, io_counts.count_bytes() as read_bytes:
            cuda = settings.cuda and torch.cuda.is_available()
            yield SweepStart(
                n_rows=loader.n_rows,
                n_vars=loader.n_vars,
                n_blocks=loader.n_blocks,
                device=torch.cuda.get_device_name() if cuda else "cpu",
                libtiledb_version=tiledbsoma.get_libtiledbsoma_core_version(),
            )
            for number in numbers:
                loader.set_epoch(number)
                bytes_before = read_bytes()
                memory.reset_peak()
                start = datetime.now()
                title = f"{configuration}, epoch {number}"
                quiet = True if settings.quiet else None
                take = _batches_to_take(settings)
                n_rows = min(loader.n_rows, take * settings.batch_size) if take else loader.n_rows
                with tqdm(total=n_rows, desc=title, unit=" cells", leave=False, disable=quiet) as bar:
                    result = run_epoch(
                        loader,
                        max_batches=take,
                        device="cuda" if cuda else "cpu",
                        collect_every=settings.collect_every,
                        progress=bar.update,
                    )
                when = {"epoch": number, "start_dt": start, "end_dt": datetime.now()}
                cost = {"max_mem": memory.peak_bytes(), "read_bytes": _difference(read_bytes(), bytes_before)}
                if expected is not None and not settings.max_batches and (wrong := result.totals.differences(expected)):
                    raise WrongResultError(f"{title}: wrong result: {'; '.join(wrong)}")
                yield SweepEpoch({**when, **cost, **_columns(settings, result)}, result.totals)


def chunks(
    settings: read_chunks.ReadSettings, reader: str
) -> Iterator[read_chunks.ReadSize | read_chunks.ReaderPass | str]:
    """Let one reader read all rows; yields how much there is, then the pass, or why the release cannot do it."""
    name, location = f"read_{reader}", settings.location
    with _one_line_warnings(name), soma.named_errors(location), ExitStack() as stack:
        experiment = stack.enter_context(
            soma.open_experiment(
                location,
                py_buffer_size=settings.py_buffer_size,
                soma_buffer_size=settings.soma_buffer_size,
                config=settings.config,
            )
        )
        measurement, x = soma.sparse_x(experiment, settings.measurement, settings.layer, location)
        rows = Selection("obs").of(experiment.obs, location)
        columns = Selection("var").of(measurement.var, location)
        require_inside(x, 0, rows, location)
        first_columns = columns[: settings.n_vars]
        yield read_chunks.ReadSize(len(rows), len(first_columns), len(columns), int(x.nnz))
        try:
            chunk_readers.require_reader(x, reader)
        except NotImplementedError as error:
            yield f"{name} n/a: {error}"
            return
        ordered = order.chunks(rows, settings.chunk_size, settings.shuffle, settings.seed)
        read_bytes = stack.enter_context(io_counts.count_bytes())
        memory.reset_peak()
        hidden = True if settings.verbose else None
        with tqdm(total=len(rows), desc=name, unit=" cells", leave=False, disable=hidden) as bar:
            progress = _ChunkProgress(name, len(rows), bar if not settings.verbose else None)
            result = chunk_readers.read_epoch(x, ordered, reader, soma.as_coords(first_columns), progress=progress)
        yield read_chunks.ReaderPass(
            reader=reader,
            elapsed=result.elapsed,
            first_chunk=result.first_done,
            n_rows=result.n_rows,
            n_chunks=result.n_batches,
            nnz=result.totals.nnz,
            total=result.totals.total,
            max_mem=memory.peak_bytes(),
            read_bytes=read_bytes(),
        )


class _ChunkProgress:
    """Shows each chunk: on a progress bar, or a line on stderr."""

    def __init__(self, name: str, n_rows: int, bar: tqdm | None) -> None:
        self._name, self._n_rows, self._bar = name, n_rows, bar
        self._rows, self._last = 0, time.perf_counter()

    def __call__(self, rows: int, nnz: int) -> None:
        if self._bar is not None:
            self._bar.update(rows)
            return
        self._rows += rows
        now = time.perf_counter()
        print(
            f"{self._name}: {self._rows:,} of {self._n_rows:,} rows, {nnz:,} non-zeros in {now - self._last:.3f} s",
            file=sys.stderr,
            flush=True,
        )
        self._last = now


def _batches_to_take(settings: SweepSettings) -> int | None:
    """Batches of an epoch, with a first one that is not counted; None for all."""
    return settings.max_batches + (not settings.count_first) if settings.max_batches else None


def _columns(settings: SweepSettings, result: EpochResult) -> dict[str, Any]:
    """Columns of a record that an epoch fills. A rate over nothing, as of one batch that is the first, is null."""
    counted = settings.count_first
    rows = result.n_rows if counted else result.rows_after_first
    return {
        "n_rows": rows,
        "elapsed": (result.elapsed if counted else result.after_first) if rows else None,
        "n_batches": result.n_batches if counted else max(0, result.n_batches - 1),
        "gc": result.collecting,
        "first_batch": result.first_batch,
        "reading": result.reading,
        "converting": result.converting,
        "waiting": result.waiting,
        "nnz": result.totals.nnz,
    }


def _difference(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before


@contextmanager
def _one_line_warnings(what: str) -> Iterator[None]:
    """Show a warning once, as a line of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("once", UserWarning)
        warnings.showwarning = lambda message, *_, **__: print(f"alb: {what}: {message}", file=sys.stderr, flush=True)
        yield
