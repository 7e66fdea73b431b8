"""tiledbsoma-ml: ``ExperimentDataset`` and ``experiment_dataloader``, from 0.1.0 on.

Its shuffle is the one asked for: chunks of ``shuffle_chunk_size`` consecutive rows in random order, rows shuffled
within each ``io_batch_size``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from alb_core.peers.interface import PeerBatch, Wanted, epoch_seed, not_installed, settings

NAME = "tiledbsoma-ml"
DISTRIBUTION = "tiledbsoma-ml"
COPIES: tuple[str, ...] = ()
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "best": {"buffer_size": 16 * 2**20, "config": {"sm.mem.malloc_trim": "false"}},
}


def unsupported(wanted: Wanted) -> str | None:
    """Say why the loader cannot do what is wanted; None if it can."""
    if reason := not_installed("tiledbsoma_ml"):
        return reason
    if wanted.shuffle and wanted.block_size % wanted.chunk_size:
        return f"a block of {wanted.block_size} rows is no multiple of chunks of {wanted.chunk_size}"
    return None


def batches(wanted: Wanted) -> Iterator[PeerBatch]:
    """Batches of one epoch.

    Settings: ``io_batch_size`` (rows read at once where nothing is shuffled, else a block; its authors' default is
    65,536), ``use_eager_fetch``, ``buffer_size`` (bytes of a column buffer), ``config`` (more TileDB options) and
    ``workers``.
    """
    import tiledbsoma
    from tiledbsoma_ml import ExperimentDataset, experiment_dataloader

    _keep_compiled()
    chosen = settings(wanted, io_batch_size=2**16, use_eager_fetch=True, buffer_size=None, config={}, workers=0)
    config = dict(chosen["config"])
    if chosen["buffer_size"] is not None:
        config["soma.init_buffer_bytes"] = str(chosen["buffer_size"])
    context = tiledbsoma.SOMATileDBContext(tiledb_config=config)
    with (
        tiledbsoma.Experiment.open(wanted.location, context=context) as experiment,
        experiment.axis_query("RNA") as query,
    ):
        dataset = ExperimentDataset(
            query,
            layer_name="raw",
            batch_size=wanted.batch_size,
            io_batch_size=wanted.block_size if wanted.shuffle else chosen["io_batch_size"],
            shuffle=wanted.shuffle,
            shuffle_chunk_size=wanted.chunk_size,
            # 0.1.0 counts epochs and draws every one from the same seed.
            seed=epoch_seed(wanted),
            use_eager_fetch=chosen["use_eager_fetch"],
        )
    # Its own collation keeps numpy arrays, which a worker would send through a pipe; tensors go by shared memory.
    return iter(
        experiment_dataloader(
            dataset, num_workers=chosen["workers"], collate_fn=_collated, worker_init_fn=_begin_worker
        )
    )


def _begin_worker(_: int) -> None:
    _keep_compiled()


@cache
def _keep_compiled() -> None:
    """Have numba keep what it compiles of the loader on the disk.

    0.1.0 compiles again in every process, 5 to 10 s: its users pay that once a training, and here it would hide what
    an epoch costs.
    """
    from numba.core.dispatcher import Dispatcher

    try:
        from tiledbsoma_ml import _csr
    except ImportError:
        return
    for compiled in vars(_csr).values():
        if isinstance(compiled, Dispatcher):
            compiled.enable_caching()


def _collated(batch: Any) -> PeerBatch:
    import torch

    x, obs = batch
    # A batch of a single row comes as a vector.
    return torch.from_numpy(np.atleast_2d(x)), obs["soma_joinid"].to_numpy(dtype=np.int64)
