"""annbatch's ``Loader`` over a zarr copy, which needs Python 3.12 or newer.

Its shuffle is the one asked for: chunks of ``chunk_size`` consecutive rows in random order, rows shuffled within
``preload_nchunks`` of them, which hold a batch at least. Its authors advise to shuffle the copy, too; here rows stay
where they are, as for every other loader.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from alb_core.peers.interface import PeerBatch, Wanted, not_installed, settings

NAME = "annbatch"
DISTRIBUTION = "annbatch"
COPIES: tuple[str, ...] = ("zarr",)
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "best": {},
}


def unsupported(wanted: Wanted) -> str | None:
    """Say why the loader cannot do what is wanted; None if it can."""
    if sys.version_info < (3, 12):
        return f"annbatch needs Python 3.12 or newer, this is {sys.version_info.major}.{sys.version_info.minor}"
    if reason := not_installed("annbatch", "zarrs"):
        return reason
    block = max(wanted.block_size, wanted.batch_size)
    if wanted.shuffle and (block % wanted.chunk_size or block % wanted.batch_size):
        return (
            f"a block of {block} rows is no multiple of chunks of {wanted.chunk_size} and batches of "
            f"{wanted.batch_size}"
        )
    return None


def batches(wanted: Wanted) -> Iterator[PeerBatch]:
    """Batches of one epoch.

    Settings: ``chunk_size`` and ``preload_nchunks`` where nothing is shuffled (else a chunk and the chunks of a block;
    its authors' defaults are 512 and 32).
    """
    import anndata
    import zarr
    from annbatch import Loader

    chosen = settings(wanted, chunk_size=512, preload_nchunks=32)
    block = max(wanted.block_size, wanted.batch_size)
    # As its documentation asks for on a local disk.
    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    group = zarr.open_group(wanted.copies["zarr"], mode="r")
    obs = anndata.io.read_elem(group["obs"])[["soma_joinid"]]
    loader = Loader(
        batch_size=wanted.batch_size,
        chunk_size=wanted.chunk_size if wanted.shuffle else chosen["chunk_size"],
        preload_nchunks=block // wanted.chunk_size if wanted.shuffle else chosen["preload_nchunks"],
        shuffle=wanted.shuffle,
        rng=np.random.default_rng((wanted.seed, wanted.epoch)) if wanted.shuffle else None,
        to="torch",
    )
    loader.add_dataset(anndata.io.sparse_dataset(group["X"]), obs)
    return map(_batch, loader)


def _batch(batch: Any) -> PeerBatch:
    return batch["X"].to_dense(), batch["obs"]["soma_joinid"].to_numpy(np.int64)
