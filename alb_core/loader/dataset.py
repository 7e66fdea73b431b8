"""The loader: an experiment -> blocks -> batches, as a PyTorch dataset."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from torch.utils.data import IterableDataset, get_worker_info

from alb_core.base.errors import AlbError, ArgumentError
from alb_core.loader import arguments, experiment
from alb_core.loader.batches import Batch, recut
from alb_core.loader.block_spec import BlockSpec, as_spec
from alb_core.loader.experiment import ExperimentQuery, OpenExperiment, Selection
from alb_core.loader.order import Block
from alb_core.loader.pipelines import LoaderSettings, Pipeline
from alb_core.loader.plan import EpochPlan
from alb_core.loader.stage_times import StageTimes
from alb_core.loader.training import codes, ranks, saved_state
from alb_core.loader.training.progress import progress_bar
from alb_core.loader.training.ranks import Share
from alb_core.loader.training.saved_state import Place
from alb_core.loader.training.workers import WorkerPipeline

Int64 = npt.NDArray[np.int64]

#: Attributes of the process that iterates.
_PROCESS = ("_opened", "_planned", "_idle", "_running")


class SomaLoader(IterableDataset[Batch]):
    """Batches of cells, dense, from a SOMA experiment, as a PyTorch dataset.

    Data passes these stages, a module each:

    1. ``experiment``: the experiment is opened, and rows and columns are selected.
    2. ``order``: rows are cut into chunks, chunks are drawn, and those of a block are shuffled together; ``plan`` says
       which of them this process delivers.
    3. ``block_pipeline`` reads each block and converts it, or ``packing.pipeline`` packs it as it is read, ahead of the
       consumer; with ``num_workers``, processes do (``training.workers``).
    4. ``batches`` are cut. They run on from one block into the next, so only the last one of an epoch may be short.

    Each iteration is one epoch: the first is epoch 0 (or what :meth:`set_epoch` said), each later one the next.
    One (seed, epoch) gives one order, whatever the method and ``num_workers``; every row comes out once an epoch.

    Under ``torch.distributed`` each rank delivers a share of its own (:mod:`alb_core.loader.training.ranks`), drawn
    anew each epoch: together every row once, and as many batches for each.

    In a ``torch.utils.data.DataLoader`` (with ``batch_size=None``) with workers of its own, every row still comes out
    once, but each worker cuts batches of its own blocks. Workers start from a copy of the loader at each epoch: call
    :meth:`set_epoch` before each, or keep them (``persistent_workers=True``). They must be spawned, or forked from a
    loader that is closed, since TileDB's threads do not survive a fork. ``num_workers`` here has none of that.

    Parameters
    ----------
    uri
        Path or URI of the experiment. It is opened at the first need, in the process that iterates.
    spec
        Cut of a block, as ``parse_one`` gives it, or as text such as ``512x64``; None for a fast one, chosen by rows,
        the layout of X and ``max_memory`` (a part of it for each of ``num_workers``). All ranks choose the same.
    method
        ``numba``, which packs a block as it is read; or ``np.array``, ``scipy.coo`` or ``scipy.csr``, which read it
        whole and convert it.
    shuffle
        ``none``, ``block`` or ``global``.
    seed
        What orders are drawn from, 0 or more.
    batch_size
        Rows of a batch.
    drop_last
        Leave out a last batch that is short, and on several ranks what not all of them have.
    measurement, layer
        Which X.
    obs_joinids
        Rows, int64, in the order that ``none`` keeps and chunks are cut from; None for all, ascending.
    var_joinids
        Columns, int64, in the order of a batch; None for all, ascending.
    obs_query, var_query
        TileDB value filters over obs and var, such as ``tissue == 'lung' and is_primary_data == True``. With joinids
        as well, those of them for which it holds.
    obs_columns
        Columns of obs that come with each batch, besides ``soma_joinid``.
    obs_codes
        More of them, each as int64 codes in place of its values (:mod:`alb_core.loader.training.codes`): positions in
        :attr:`categories`, the same ones in every batch; -1 for no value. A tuple of columns is a joint label.
    weights
        Draw rows with replacement: a number for each row of :attr:`obs_joinids`, which it is drawn in proportion to,
        or a column of obs whose classes are to come equally often. Drawn anew each epoch, then cut into chunks in
        stored order. What a block holds several times is read once.
    n_samples
        Rows to draw for an epoch; None for as many as there are.
    rank, world_size
        Whose share of how many; those of ``torch.distributed`` if not given.
    num_workers
        Processes that read, spawned with the first epoch and kept until :meth:`close`. Batches are the same for any
        number; 0 reads in this process.
    progress
        Show a bar of rows on a terminal, on the first rank (needs tqdm).
    py_buffer_size, soma_buffer_size, config
        As :func:`alb_core.loader.soma.open_experiment` has them (bytes). Without ``config`` (and ``{}`` is one), method
        ``numba`` takes that of :func:`alb_core.loader.memory_budget.tuned_config`, the others the library's defaults.
    max_memory
        Most memory that this process and ``num_workers`` may hold, bytes (method ``numba``): blocks read together,
        TileDB's memory and buffers are sized to it (:mod:`alb_core.loader.memory_budget`), and a block that cannot fit
        is refused.
    sparse
        Deliver X as ``torch.sparse_csr`` (method ``numba``), to be made dense on a GPU, say.
    pin_memory
        Deliver X in page-locked memory, for an asynchronous copy to a CUDA device; refused without one.

    Raises
    ------
    AlbError
        If arguments are wrong; one message names all that are.
    """

    _opened: OpenExperiment | None
    _planned: EpochPlan | None
    _idle: list[Pipeline]
    _running: weakref.WeakSet[Generator[Batch, None, None]]

    def __init__(
        self,
        uri: str | os.PathLike[str],
        spec: BlockSpec | str | int | None = None,
        *,
        method: str = "numba",
        shuffle: str = "block",
        seed: int = 0,
        batch_size: int = 1024,
        drop_last: bool = False,
        measurement: str = "RNA",
        layer: str = "raw",
        obs_joinids: npt.ArrayLike | None = None,
        var_joinids: npt.ArrayLike | None = None,
        obs_query: str | None = None,
        var_query: str | None = None,
        obs_columns: Sequence[str] = (),
        obs_codes: Sequence[str | tuple[str, ...]] = (),
        weights: npt.ArrayLike | str | None = None,
        n_samples: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        num_workers: int = 0,
        progress: bool = False,
        py_buffer_size: int | None = None,
        soma_buffer_size: int | None = None,
        config: Mapping[str, Any] | None = None,
        max_memory: int | None = None,
        sparse: bool = False,
        pin_memory: bool = False,
    ) -> None:
        arguments.require(locals())
        super().__init__()
        self.uri = str(uri)
        self._spec = None if spec is None else as_spec(spec)
        self.shuffle = shuffle
        self.seed = seed
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.progress = progress
        self._share = None if rank is None or world_size is None else Share(rank, world_size)
        self._settings = LoaderSettings(
            self.uri,
            ExperimentQuery(
                measurement,
                layer,
                Selection("obs", experiment.as_int64(obs_joinids), obs_query),
                Selection("var", experiment.as_int64(var_joinids), var_query),
                tuple(obs_columns),
                tuple(obs_codes),
                weights if weights is None or isinstance(weights, str) else np.array(weights, dtype=np.float64),
                n_samples,
            ),
            method,
            0 if self._spec is None else self._spec.block_size,
            batch_size,
            drop_last,
            {"py_buffer_size": py_buffer_size, "soma_buffer_size": soma_buffer_size, "config": config},
            max_memory,
            sparse,
            pin_memory,
            num_workers,
        )
        #: Seconds that the stages of the latest iteration took.
        self.stage_times = StageTimes()
        self._next = Place(0)
        self._place = self._next
        self._forget()

    def open(self) -> Self:
        """Open the experiment now, and find out rows and columns, so that no epoch pays for it.

        Raises
        ------
        AlbError
            If the experiment, the measurement, the layer, a column or a joinid asked for is not there, the layer is
            dense, or the loader was opened before this process was forked.
        """
        self._open()
        self._spec = self.spec
        return self

    def _open(self) -> OpenExperiment:
        if self._opened is not None:
            if self._opened.pid != os.getpid():
                raise AlbError(
                    "the loader was open when this worker process was forked, and TileDB does not survive that: "
                    "close() it first, or give the DataLoader multiprocessing_context='spawn'"
                )
            return self._opened
        if self._settings.num_workers and get_worker_info() is not None:
            raise AlbError(
                f"num_workers is {self._settings.num_workers} inside a worker of a DataLoader, which may have no "
                "processes of its own: give num_workers to one of the two"
            )
        opened = self._settings.open()
        try:
            self._idle.append(self._settings.pipeline(opened))
        except BaseException:
            opened.close()
            raise
        self._opened = opened
        return opened

    def close(self) -> None:
        """Close the experiment; iterating again opens it again. An iteration that is not at its end fails."""
        if self._opened is not None and self._opened.pid == os.getpid():
            # Their threads may be reading.
            for batches in list(self._running):
                batches.close()
            for pipeline in self._idle:
                if isinstance(pipeline, WorkerPipeline):
                    pipeline.close()
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
        state = {name: value for name, value in self.__dict__.items() if name not in _PROCESS}
        return {**state, "_share": self.share}  # torch.distributed may not be initialised there

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take the state, with nothing open."""
        self.__dict__.update(state)
        self._forget()

    def _forget(self) -> None:
        """Hold nothing that belongs to a process (``_PROCESS``)."""
        self._opened, self._planned, self._idle, self._running = None, None, [], weakref.WeakSet()

    @property
    def spec(self) -> BlockSpec:
        """Cut of a block: the one given, else the one chosen, for which the experiment is opened."""
        if self._spec is None:
            self._spec = self._settings.default_spec(self._open())
        return self._spec

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
        """Rows of an epoch, or of this rank's share of one."""
        start, stop = self._plan().rows_of_share
        return stop - start

    @property
    def n_vars(self) -> int:
        """Columns of a batch."""
        return len(self.var_joinids)

    @property
    def n_blocks(self) -> int:
        """Blocks of the next epoch, or of this rank's share of it."""
        return self._plan().n_blocks(self._next.epoch)

    @property
    def n_batches(self) -> int:
        """Batches of an epoch, as many on every rank; without a DataLoader's workers."""
        return len(self._plan().batches)

    def __len__(self) -> int:
        """Batches of an epoch, for progress bars and schedules (:attr:`n_batches`)."""
        return self.n_batches

    @property
    def categories(self) -> dict[str, tuple[Any, ...]]:
        """What the codes of each column of ``obs_codes`` stand for: value ``i`` for code ``i``; of a tuple, a tuple."""
        known = self._open().result.categories
        return {codes.name_of(label): codes.values_of(label, known) for label in self._settings.query.obs_codes}

    @property
    def share(self) -> Share:
        """Rank and world size: those given, else those that ``torch.distributed`` says now."""
        return self._share or ranks.current()

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next iteration is, 0 or more; those after it count on from there.

        Raises
        ------
        AlbError
            If it is not.
        """
        if not arguments.is_whole(epoch) or epoch < 0:
            raise ArgumentError(f"epoch is {epoch!r}, expected 0 or more")
        # A place to go on from, in this very epoch, stays.
        if epoch != self._next.epoch:
            self._next = Place(epoch)
        self._place = self._next

    def state_dict(self) -> dict[str, Any]:
        """Return where the latest iteration stands, in plain types; a batch that was delivered counts as done.

        All ranks have one and the same state. It is that of a loader that this process iterates over, not of copies
        in a DataLoader's workers.
        """
        return saved_state.save(self._plan(), self._place)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state says: the next iteration delivers the rest of its epoch, and reads no more than that.

        Raises
        ------
        AlbError
            If the state is of a loader with other rows, columns, batches, order, weights or number of ranks.
        """
        self._next = self._place = saved_state.restore(self._plan(), state)

    def __iter__(self) -> Iterator[Batch]:
        """Batches of the next epoch; only those of this worker inside a DataLoader worker."""
        place = self._place = Place(self._next.epoch, self._next.batch)
        self._next = Place(place.epoch + 1)
        self.stage_times = StageTimes()
        return self._epoch(self._plan(), place)

    def _plan(self) -> EpochPlan:
        opened, share, worker = self._open(), self.share, get_worker_info()
        numbers = None if worker is None else (worker.id, worker.num_workers)
        if self._planned is None or (self._planned.share, self._planned.worker) != (share, numbers):
            cut = self.spec, self.shuffle, self.seed, self.batch_size, self.drop_last
            self._planned = EpochPlan(opened.rows, opened.columns, *cut, share, opened.result.sample, numbers)
        return self._planned

    def _epoch(self, plan: EpochPlan, place: Place) -> Iterator[Batch]:
        """Batches of an epoch from a place on, which goes with them."""
        with contextlib.ExitStack() as stack:
            bar = None
            if self.progress and plan.share.rank == 0 and plan.worker is None:
                left = sum(plan.sizes(place.batch))
                bar = stack.enter_context(progress_bar(sum(plan.sizes()), left, f"epoch {place.epoch}"))
            pieces = stack.enter_context(contextlib.closing(self._pieces(plan.blocks(place.epoch, place.batch))))
            for x, obs in recut(pieces, plan.sizes(place.batch)):
                place.batch += 1
                if bar is not None:
                    bar(len(obs))
                yield x, obs
                del x, obs
            # What drop_last leaves: a pipeline that is not taken to its end ends as for a consumer that stops early.
            for _ in pieces:
                pass
        place.epoch, place.batch = place.epoch + 1, 0

    def _pieces(self, blocks: Iterator[Block]) -> Generator[Batch, None, None]:
        opened = self._open()
        pipeline = self._idle.pop() if self._idle else self._settings.pipeline(opened)
        batches = pipeline.batches(blocks, self.stage_times)
        self._running.add(batches)
        try:
            yield from batches
        finally:
            batches.close()
            if self._opened is opened:
                # The next epoch uses its memory, or its processes, again.
                self._idle.append(pipeline)
        if self._opened is not opened:
            raise AlbError(f"the loader of {self.uri} was closed in the middle of an epoch")
