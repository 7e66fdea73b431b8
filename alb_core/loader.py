"""The loader: blocks -> batches, as a PyTorch dataset over a SOMA experiment."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch.utils.data import IterableDataset, get_worker_info

from alb_core import order, read
from alb_core.block_spec import BlockSpec
from alb_core.convert import METHODS, BlockMatrix, Positions
from alb_core.errors import AlbError

Int64 = npt.NDArray[np.int64]

#: What the loader yields: X, float32, shape (rows, vars); obs, a table with a row for each row of X.
Batch = tuple[torch.Tensor, pa.Table]


@dataclass(frozen=True)
class _Handles:
    """What is open in one process."""

    pid: int
    stack: contextlib.ExitStack
    x: Any
    obs: Any


@dataclass
class Spent:
    """Where the time of an epoch went, in seconds; of this process alone, not of a DataLoader's workers.

    Attributes
    ----------
    reading
        X and obs, from the experiment to Arrow tables.
    converting
        Arrow tables to blocks, and blocks to batches.
    """

    reading: float = 0.0
    converting: float = 0.0

    @contextlib.contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Add the seconds that the block takes to ``reading`` or ``converting``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, what, getattr(self, what) + time.perf_counter() - start)


class SomaLoader(IterableDataset[Batch]):
    """Batches of cells, dense, from a SOMA experiment.

    For each block its chunks are read in one go, its rows shuffled (mode ``block``) and its table converted by the
    method; batches are cut out of it. Batches run on from one block into the next, so only the last one of an epoch
    may be short.

    Each iteration is one epoch: the first is epoch 0 (or what :meth:`set_epoch` said), each later one the next.
    One (seed, epoch) gives one order; every row comes out once an epoch.

    In a ``torch.utils.data.DataLoader`` (with ``batch_size=None``) blocks are dealt to the workers in turn, so every
    row still comes out once; each worker cuts batches of its own, and its last one may be short. Workers start from
    a copy of the loader at each epoch, so call :meth:`set_epoch` before each, or keep them
    (``persistent_workers=True``). They must be spawned, or forked from a loader that is closed: TileDB's threads do
    not survive a fork.

    Parameters
    ----------
    uri
        Path or URI of the experiment. It is opened at the first need, in the process that iterates.
    spec
        Cut of a block.
    method
        A name in ``alb_core.convert.METHODS``.
    shuffle
        ``none``, ``block`` or ``global``.
    seed
        What orders are drawn from, 0 or more.
    batch_size
        Rows of a batch.
    drop_last
        Leave out a last batch that is short.
    measurement, layer
        Which X.
    obs_joinids
        Rows, int64, in the order that ``none`` keeps and chunks are cut from; None for all, ascending.
    var_joinids
        Columns, int64, in the order wanted; None for all, ascending.
    obs_columns
        Columns of obs that come with each batch, besides ``soma_joinid``.
    py_buffer_size, soma_buffer_size, config
        As :func:`alb_core.read.open_experiment` has them (bytes).

    Raises
    ------
    AlbError
        If arguments are wrong; one message names all that are.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str],
        spec: BlockSpec,
        *,
        method: str = "scipy.csr",
        shuffle: str = "block",
        seed: int = 0,
        batch_size: int = 1024,
        drop_last: bool = False,
        measurement: str = "RNA",
        layer: str = "raw",
        obs_joinids: npt.ArrayLike | None = None,
        var_joinids: npt.ArrayLike | None = None,
        obs_columns: Sequence[str] = (),
        py_buffer_size: int | None = None,
        soma_buffer_size: int | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        faults = []
        if method not in METHODS:
            faults.append(f"method is {method!r}, expected one of {', '.join(METHODS)}")
        if shuffle not in order.BLOCK_SHUFFLES:
            faults.append(f"shuffle is {shuffle!r}, expected one of {', '.join(order.BLOCK_SHUFFLES)}")
        if isinstance(obs_columns, str):
            faults.append(f"obs_columns is {obs_columns!r}, expected a list of names")
        for name, value, least in (
            ("seed", seed, 0),
            ("batch_size", batch_size, 1),
            ("py_buffer_size", py_buffer_size, 1),
            ("soma_buffer_size", soma_buffer_size, 1),
        ):
            if value is not None and value < least:
                faults.append(f"{name} is {value}, expected {least} or more")
        faults += _faults_of_joinids("obs_joinids", obs_joinids) + _faults_of_joinids("var_joinids", var_joinids)
        if faults:
            raise AlbError("; ".join(faults))
        self.uri = str(uri)
        self.spec = spec
        self.method = method
        self.shuffle = shuffle
        self.seed = seed
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.measurement = measurement
        self.layer = layer
        self.obs_columns = tuple(obs_columns)
        self.py_buffer_size = py_buffer_size
        self.soma_buffer_size = soma_buffer_size
        self.config = dict(config or {})
        self._wanted_obs = _as_int64(obs_joinids)
        self._wanted_var = _as_int64(var_joinids)
        #: Of the latest iteration.
        self.spent = Spent()
        self._rows: Int64 | None = None
        self._columns: Int64 | None = None
        self._positions: Positions | None = None
        self._next_epoch = 0
        self._handles: _Handles | None = None

    # -- open and close ------------------------------------------------------------------------------------------

    def open(self) -> Self:
        """Open the experiment now, and find out rows and columns, so that no epoch pays for it.

        Raises
        ------
        AlbError
            If the experiment, the measurement, the layer, a column or a joinid asked for is not there, the layer is
            dense, or the loader was opened before this process was forked.
        """
        if self._handles is not None:
            if self._handles.pid != os.getpid():
                raise AlbError(
                    "the loader was open when this worker process was forked, and TileDB does not survive that: "
                    "close() it first, or give the DataLoader multiprocessing_context='spawn'"
                )
            return self
        with contextlib.ExitStack() as stack:
            experiment = stack.enter_context(
                read.open_experiment(
                    self.uri,
                    py_buffer_size=self.py_buffer_size,
                    soma_buffer_size=self.soma_buffer_size,
                    config=self.config,
                )
            )
            measurement, x = read.sparse_x(experiment, self.measurement, self.layer, self.uri)
            missing = [name for name in self.obs_columns if name not in experiment.obs.keys()]  # noqa: SIM118
            if missing:
                names = ", ".join(experiment.obs.keys())
                raise AlbError(f"obs of {self.uri} has no column {', '.join(missing)}, expected some of: {names}")
            if self._rows is None:
                self._rows = _selected(experiment.obs, self._wanted_obs, "obs")
                self._columns = _selected(measurement.var, self._wanted_var, "var")
                self._positions = Positions(self._columns)
            self._handles = _Handles(os.getpid(), stack.pop_all(), x, experiment.obs)
        return self

    def close(self) -> None:
        """Close the experiment; iterating again opens it again."""
        if self._handles is not None and self._handles.pid == os.getpid():
            self._handles.stack.close()
            self._handles = None

    def __enter__(self) -> Self:
        """Open the experiment."""
        return self.open()

    def __exit__(self, *_: object) -> None:
        """Close the experiment."""
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """All but what is open: a copy in another process opens the experiment itself."""
        return {**self.__dict__, "_handles": None}

    # -- what it holds -------------------------------------------------------------------------------------------

    @property
    def obs_joinids(self) -> Int64:
        """Joinids of the rows, int64, unshuffled; opens the experiment."""
        self.open()
        assert self._rows is not None
        return self._rows

    @property
    def var_joinids(self) -> Int64:
        """Joinids of the columns of a batch, int64; opens the experiment."""
        self.open()
        assert self._columns is not None
        return self._columns

    @property
    def n_rows(self) -> int:
        """Rows of an epoch."""
        return len(self.obs_joinids)

    @property
    def n_vars(self) -> int:
        """Columns of a batch."""
        return len(self.var_joinids)

    @property
    def n_blocks(self) -> int:
        """Blocks of an epoch."""
        return order.n_blocks(self.n_rows, self.spec)

    @property
    def n_batches(self) -> int:
        """Batches of an epoch, without workers."""
        return self.n_rows // self.batch_size if self.drop_last else -(-self.n_rows // self.batch_size)

    # -- epochs --------------------------------------------------------------------------------------------------

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next iteration is, 0 or more; those after it count on from there.

        Raises
        ------
        AlbError
            If it is negative.
        """
        if epoch < 0:
            raise AlbError(f"epoch is {epoch}, expected 0 or more")
        self._next_epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        """Batches of the next epoch; only those of this worker's blocks inside a DataLoader worker."""
        epoch = self._next_epoch
        self._next_epoch += 1
        self.spent = Spent()
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        blocks = order.blocks(self.obs_joinids, self.spec, self.shuffle, self.seed, epoch, first=first, step=step)
        return self._batches(blocks)

    def _batches(self, blocks: Iterator[order.Block]) -> Iterator[Batch]:
        """Cut blocks into batches.

        A batch inside one block is cut out of it as it is; one that spans blocks is filled part by part. Nothing of
        a block is held here while the next one is read, which would double the memory.
        """
        spanning: _SpanningBatch | None = None
        for block in blocks:
            joinids = block.joinids
            matrix, obs = self._read(joinids)
            start = 0
            while start < len(joinids):
                stop = min(start + (spanning.missing if spanning else self.batch_size), len(joinids))
                with self.spent.on("converting"):
                    if spanning is None and stop - start == self.batch_size:
                        batch = matrix.dense(start, stop), obs.slice(start, stop - start)
                    else:
                        spanning = spanning or _SpanningBatch(self.batch_size, self.n_vars)
                        spanning.add(matrix, obs, start, stop)
                        if spanning.missing:
                            break
                        batch, spanning = spanning.whole(), None
                start = stop
                if start == len(joinids):
                    del matrix, obs
                yield batch
                del batch
            else:
                continue
            del matrix, obs
        if spanning and not self.drop_last:
            yield spanning.whole()

    def _read(self, joinids: Int64) -> tuple[BlockMatrix, pa.Table]:
        """One block: X converted, and obs, rows in the order of the joinids."""
        self.open()
        assert self._handles is not None and self._positions is not None
        # Ascending, as TileDB stores them; the method puts rows where they are wanted.
        columns = None if self._wanted_var is None else np.sort(self.var_joinids)
        with self.spent.on("reading"):
            table = read.read_table(self._handles.x, np.sort(joinids), columns)
            obs = read.read_dataframe(self._handles.obs, joinids, self.obs_columns)
        with self.spent.on("converting"):
            return METHODS[self.method](table, Positions(joinids), self._positions), obs


class _SpanningBatch:
    """A batch whose rows come from more than one block."""

    def __init__(self, n_rows: int, n_vars: int) -> None:
        self._x = torch.empty((n_rows, n_vars), dtype=torch.float32)
        self._obs: list[pa.Table] = []
        self.missing = n_rows

    def add(self, matrix: BlockMatrix, obs: pa.Table, start: int, stop: int) -> None:
        """Take rows ``start`` to ``stop`` of a block."""
        filled = len(self._x) - self.missing
        matrix.fill(self._x[filled : filled + stop - start], start, stop)
        self._obs.append(obs.slice(start, stop - start))
        self.missing -= stop - start

    def whole(self) -> Batch:
        """Give the batch, as far as it was filled."""
        x = self._x[: len(self._x) - self.missing].clone() if self.missing else self._x
        return x, pa.concat_tables(self._obs)


def _as_int64(joinids: npt.ArrayLike | None) -> Int64 | None:
    return None if joinids is None else np.array(joinids, dtype=np.int64)


def _faults_of_joinids(name: str, joinids: npt.ArrayLike | None) -> list[str]:
    if joinids is None:
        return []
    ids = np.asarray(joinids)
    if ids.ndim != 1 or len(ids) == 0 or not np.issubdtype(ids.dtype, np.integer):
        return [f"{name} is {ids.dtype} of shape {ids.shape}, expected one or more whole numbers"]
    repeated = len(ids) - len(np.unique(ids))
    return [f"{name} repeats {repeated} joinids, expected each once"] if repeated else []


def _selected(dataframe: Any, wanted: Int64 | None, what: str) -> Int64:
    """Joinids to read: those wanted, if the dataframe has them all."""
    present = read.joinids(dataframe)
    if wanted is None:
        return present
    unknown = np.setdiff1d(wanted, present)
    if len(unknown):
        raise AlbError(f"{what} has no soma_joinid {unknown[:5].tolist()} ({len(unknown)} in all)")
    return wanted
