"""scDataset over an h5ad copy, with its ``BlockShuffling`` strategy.

Its shuffle is the one asked for: chunks of ``block_size`` consecutive rows in random order, rows shuffled within each
fetch of ``batch_size * fetch_factor``; a fetch is a batch where the block asked for is smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from alb_core.peers.interface import PeerBatch, Wanted, epoch_seed, not_installed, settings

NAME = "scDataset"
DISTRIBUTION = "scdataset"
COPIES: tuple[str, ...] = ("h5ad",)
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "best": {"sparse": True},
}


def unsupported(wanted: Wanted) -> str | None:
    """Say why the loader cannot do what is wanted; None if it can."""
    if reason := not_installed("scdataset", "anndata"):
        return reason
    if wanted.shuffle and wanted.block_size > wanted.batch_size and wanted.block_size % wanted.batch_size:
        return f"a block of {wanted.block_size} rows is no multiple of batches of {wanted.batch_size}"
    return None


def batches(wanted: Wanted) -> Iterator[PeerBatch]:
    """Batches of one epoch.

    Settings: ``fetch_factor`` (batches of a fetch where nothing is shuffled, else a block's; its authors' default is
    16), ``sparse`` (a fetch is read run by run of consecutive rows and made dense batch by batch, by callbacks of
    ours; else its ``adata_to_mindex`` makes the whole fetch dense), and ``workers``.
    """
    from scdataset import BlockShuffling, Streaming, scDataset
    from torch.utils.data import DataLoader

    chosen = settings(wanted, fetch_factor=16, sparse=False, workers=0)
    of_a_block = max(1, wanted.block_size // wanted.batch_size)
    cells = _Rows(wanted.copies["h5ad"], wanted.n_rows) if chosen["sparse"] else _backed(wanted.copies["h5ad"])
    if chosen["sparse"] and not chosen["workers"]:
        cells.open()
    dataset = scDataset(
        cells,
        BlockShuffling(wanted.chunk_size) if wanted.shuffle else Streaming(),
        batch_size=wanted.batch_size,
        fetch_factor=of_a_block if wanted.shuffle else chosen["fetch_factor"],
        seed=epoch_seed(wanted),
        **(_SPARSE if chosen["sparse"] else _dense()),
    )
    return iter(DataLoader(dataset, batch_size=None, num_workers=chosen["workers"], collate_fn=_as_it_is))


def _as_it_is(batch: Any) -> Any:
    return batch


def _backed(path: str) -> Any:
    import anndata

    return anndata.read_h5ad(path, backed="r")


def _dense() -> dict[str, Any]:
    """Callbacks as its documentation has them."""
    from scdataset.transforms import adata_to_mindex

    return {
        "fetch_transform": partial(adata_to_mindex, columns=["soma_joinid"]),
        "batch_transform": _of_mindex,
    }


def _of_mindex(batch: Any) -> PeerBatch:
    import torch

    return torch.from_numpy(batch["X"]), np.asarray(batch["soma_joinid"], np.int64)


class _Rows:
    """Rows of an h5ad file, opened by whichever process first reads."""

    def __init__(self, path: str, n_rows: int) -> None:
        self._path, self._n_rows = path, n_rows
        self._adata: Any = None

    def __len__(self) -> int:
        return self._n_rows

    def open(self) -> Any:
        if self._adata is None:
            self._adata = _backed(self._path)
        return self._adata

    def __getitem__(self, rows: npt.NDArray[np.intp]) -> tuple[Any, npt.NDArray[np.int64]]:
        """CSR and joinids of rows, ascending."""
        adata = self.open()
        # AnnData reads a mask by its runs, and a list of rows one by one.
        mask = np.zeros(self._n_rows, dtype=bool)
        mask[rows] = True
        return adata.X[mask], adata.obs["soma_joinid"].to_numpy(np.int64)[rows]


def _of_sparse(fetched: tuple[Any, npt.NDArray[np.int64]], rows: npt.NDArray[np.intp]) -> PeerBatch:
    import torch

    x, joinids = fetched
    return torch.from_numpy(x[rows].toarray()), joinids[rows]


_SPARSE = {"batch_callback": _of_sparse}
