"""AnnData's experimental ``AnnLoader``, over an h5ad copy on the disk.

It has no chunks: it shuffles single rows of all, which is finer than any shuffle asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from alb_core.peers.interface import PeerBatch, Wanted, epoch_seed, not_installed, settings

NAME = "AnnLoader"
DISTRIBUTION = "anndata"
COPIES: tuple[str, ...] = ("h5ad",)
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "best": {"order": "wanted"},
}


def unsupported(wanted: Wanted) -> str | None:
    """Say why the loader cannot do what is wanted; None if it can."""
    return not_installed("anndata")


def batches(wanted: Wanted) -> Iterator[PeerBatch]:
    """Batches of one epoch.

    Settings: ``order`` of a shuffle, ``rows`` (its own, of single rows) or ``wanted`` (chunks and blocks, by a sampler
    of ours).
    """
    import anndata

    with warnings.catch_warnings():
        # That it is deprecated, from 0.12.17 on.
        warnings.simplefilter("ignore", FutureWarning)
        from anndata.experimental import AnnLoader

        chosen = settings(wanted, order="rows")
        sampler = {"sampler": _order(wanted)} if wanted.shuffle and chosen["order"] == "wanted" else {}
        # Its own shuffle draws from numpy's global state.
        np.random.seed(epoch_seed(wanted))
        loader = AnnLoader(
            anndata.read_h5ad(wanted.copies["h5ad"], backed="r"),
            batch_size=wanted.batch_size,
            shuffle=wanted.shuffle and not sampler,
            # Of the rest of a batch, its own conversion to tensors.
            convert={"obs": {"soma_joinid": _joinids}},
            **sampler,
        )
    return map(_batch, loader)


def _joinids(column: Any) -> Any:
    """Return an array: torch cannot take a column of pandas whose index is not of numbers."""
    return column.to_numpy()


def _order(wanted: Wanted) -> list[int]:
    """Rows in the order of chunks drawn at random, shuffled within each block."""
    rng = np.random.default_rng(epoch_seed(wanted))
    chunks = np.split(np.arange(wanted.n_rows), range(wanted.chunk_size, wanted.n_rows, wanted.chunk_size))
    rng.shuffle(chunks)
    rows = np.concatenate(chunks)
    for start in range(0, len(rows), wanted.block_size):
        rng.shuffle(rows[start : start + wanted.block_size])
    return list(rows.tolist())


def _batch(batch: Any) -> PeerBatch:
    # Each access to X reads from the disk.
    return batch.X, np.asarray(batch.obs["soma_joinid"], dtype=np.int64)
