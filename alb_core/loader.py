"""The loader: blocks -> batches, as a PyTorch dataset over a SOMA experiment."""

from __future__ import annotations

import os
import weakref
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch.utils.data import IterableDataset, get_worker_info

from alb_core import budget, memory, order
from alb_core.block_spec import BlockSpec
from alb_core.convert import METHODS
from alb_core.errors import AlbError
from alb_core.opened import Opened
from alb_core.spent import Spent
from alb_core.whole import Whole

if TYPE_CHECKING:
    from alb_core.streaming import Streaming

Int64 = npt.NDArray[np.int64]

#: What the loader yields: X, float32, shape (rows, vars); obs, a table with a row for each row of X.
Batch = tuple[torch.Tensor, pa.Table]


#: The methods by name: those that convert a block as a whole, and the streaming one.
METHOD_NAMES = (*METHODS, "numba")

#: Methods that can hand out CSR batches.
_SPARSE_METHODS = ("numba",)

#: What belongs to the process that iterates.
_PROCESS = ("_opened", "_idle", "_running")


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
        A name in ``METHOD_NAMES``. ``np.array``, ``scipy.coo`` and ``scipy.csr`` read a block whole and convert it
        (:mod:`alb_core.whole`); ``numba`` packs it as it is read, ahead of the consumer (:mod:`alb_core.streaming`).
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
    max_memory
        Most memory that this process may hold, bytes (method ``numba``): blocks read together, TileDB's memory and
        buffers are sized to it (:mod:`alb_core.budget`), and a block that cannot fit is refused.
    sparse
        Hand out X as ``torch.sparse_csr`` (method ``numba``), to be made dense on a GPU, say.
    pin_memory
        Hand out X in page-locked memory, for an asynchronous copy to a CUDA device; refused without one.

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
        max_memory: int | None = None,
        sparse: bool = False,
        pin_memory: bool = False,
    ) -> None:
        super().__init__()
        faults = []
        if method not in METHOD_NAMES:
            faults.append(f"method is {method!r}, expected one of {', '.join(METHOD_NAMES)}")
        if shuffle not in order.BLOCK_SHUFFLES:
            faults.append(f"shuffle is {shuffle!r}, expected one of {', '.join(order.BLOCK_SHUFFLES)}")
        if isinstance(obs_columns, str):
            faults.append(f"obs_columns is {obs_columns!r}, expected a list of names")
        for name, value, least in (
            ("seed", seed, 0),
            ("batch_size", batch_size, 1),
            ("py_buffer_size", py_buffer_size, 1),
            ("soma_buffer_size", soma_buffer_size, 1),
            ("max_memory", max_memory, 1),
        ):
            if value is not None and value < least:
                faults.append(f"{name} is {value}, expected {least} or more")
        for name, asked in (("max_memory", max_memory is not None), ("sparse", sparse)):
            if asked and method in METHODS:
                faults.append(f"{name} goes with method numba, and method is {method!r}")
        if pin_memory and not torch.cuda.is_available():
            faults.append("pin_memory is for copies to a CUDA device, and there is none")
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
        self.max_memory = max_memory
        self.sparse = sparse
        self.pin_memory = pin_memory
        self._wanted_obs = _as_int64(obs_joinids)
        self._wanted_var = _as_int64(var_joinids)
        #: Of the latest iteration.
        self.spent = Spent()
        self._next_epoch = 0
        self._opened: Opened | None = None
        self._idle: list[Whole | Streaming] = []
        self._running: weakref.WeakSet[Generator[Batch, None, None]] = weakref.WeakSet()

    # -- open and close ------------------------------------------------------------------------------------------

    def open(self) -> Self:
        """Open the experiment now, and find out rows and columns, so that no epoch pays for it.

        Raises
        ------
        AlbError
            If the experiment, the measurement, the layer, a column or a joinid asked for is not there, the layer is
            dense, or the loader was opened before this process was forked.
        """
        self._open()
        return self

    def _open(self) -> Opened:
        if self._opened is not None:
            if self._opened.pid != os.getpid():
                raise AlbError(
                    "the loader was open when this worker process was forked, and TileDB does not survive that: "
                    "close() it first, or give the DataLoader multiprocessing_context='spawn'"
                )
            return self._opened
        config = budget.config(self.max_memory) if self.max_memory is not None else {}
        opened = Opened(
            self.uri,
            self.measurement,
            self.layer,
            obs_joinids=self._wanted_obs,
            var_joinids=self._wanted_var,
            obs_columns=self.obs_columns,
            options={
                "py_buffer_size": self.py_buffer_size,
                "soma_buffer_size": self.soma_buffer_size,
                "config": {**config, **self.config},
            },
        )
        try:
            self._idle.append(self._pipeline(opened))
        except BaseException:
            opened.close()
            raise
        self._opened = opened
        return opened

    def _pipeline(self, opened: Opened) -> Whole | Streaming:
        """Build what turns blocks into batches."""
        common: dict[str, Any] = {"batch_size": self.batch_size, "drop_last": self.drop_last, "pin": self.pin_memory}
        if self.method in METHODS:
            return Whole(opened, self.method, **common)
        # Here, not above: numba is imported, and its kernels loaded, where they are used alone.
        from alb_core.streaming import Streaming

        packed_bytes = budget.UNCAPPED
        if self.max_memory is not None:
            batch_bytes = 4 * self.batch_size * len(opened.columns)
            packed_bytes = budget.packed_bytes(self.max_memory, memory.held_bytes(), batch_bytes)
        block_rows = min(self.spec.block_size, len(opened.rows))
        return Streaming(opened, packed_bytes=packed_bytes, block_rows=block_rows, sparse=self.sparse, **common)

    def close(self) -> None:
        """Close the experiment; iterating again opens it again. An iteration that is not at its end fails."""
        if self._opened is not None and self._opened.pid == os.getpid():
            # Their threads may be reading.
            for batches in list(self._running):
                batches.close()
            self._opened.close()
            self._forget()

    def __enter__(self) -> Self:
        """Open the experiment."""
        return self.open()

    def __exit__(self, *_: object) -> None:
        """Close the experiment."""
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """All but what is open: a copy in another process opens the experiment itself."""
        return {name: value for name, value in self.__dict__.items() if name not in _PROCESS}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take the state, with nothing open."""
        self.__dict__.update(state)
        self._forget()

    def _forget(self) -> None:
        """Hold nothing that belongs to a process (``_PROCESS``)."""
        self._opened, self._idle, self._running = None, [], weakref.WeakSet()

    # -- what it holds -------------------------------------------------------------------------------------------

    @property
    def obs_joinids(self) -> Int64:
        """Joinids of the rows, int64, unshuffled; opens the experiment."""
        return self._open().rows

    @property
    def var_joinids(self) -> Int64:
        """Joinids of the columns of a batch, int64; opens the experiment."""
        return self._open().columns

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
        opened = self._open()
        pipeline = self._idle.pop() if self._idle else self._pipeline(opened)
        batches = pipeline.batches(blocks, self.spent)
        self._running.add(batches)
        try:
            yield from batches
        finally:
            batches.close()
            if self._opened is opened:
                # The next epoch uses its memory again.
                self._idle.append(pipeline)
        if self._opened is not opened:
            raise AlbError(f"the loader of {self.uri} was closed in the middle of an epoch")


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
