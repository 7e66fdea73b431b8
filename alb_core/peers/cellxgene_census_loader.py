"""The PyTorch loader that cellxgene-census had from 1.15 to 1.17: ``cellxgene_census.experimental.ml.pytorch``.

Its shuffle is the one asked for: chunks of about ``soma_chunk_size`` consecutive rows (it makes them equally long) in
random order, rows shuffled within ``shuffle_chunk_count`` chunks.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alb_core.peers.interface import PeerBatch, Wanted, epoch_seed, not_installed, settings

NAME = "cellxgene-census loader"
DISTRIBUTION = "cellxgene-census"
COPIES: tuple[str, ...] = ()
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "best": {},
}

_LOADER = Path("experimental", "ml", "pytorch.py")


def unsupported(wanted: Wanted) -> str | None:
    """Say why the loader cannot do what is wanted; None if it can."""
    if reason := not_installed("cellxgene_census", "torchdata", "psutil"):
        return reason
    spec = importlib.util.find_spec("cellxgene_census")
    if not any((Path(home) / _LOADER).is_file() for home in (spec and spec.submodule_search_locations) or ()):
        return "this cellxgene-census has no PyTorch loader, expected 1.15 to 1.17"
    if wanted.shuffle and wanted.block_size % wanted.chunk_size:
        return f"a block of {wanted.block_size} rows is no multiple of chunks of {wanted.chunk_size}"
    return None


def batches(wanted: Wanted) -> Iterator[PeerBatch]:
    """Batches of one epoch.

    Settings: ``soma_chunk_size`` (rows read at once where nothing is shuffled, else a chunk; its authors' default is
    64), ``use_eager_fetch``, ``config`` (TileDB options, over those of the Census's own context) and ``workers``.
    """
    import tiledbsoma

    chosen = settings(wanted, soma_chunk_size=64, use_eager_fetch=True, config={}, workers=0)
    # Of its own deprecation and of torchdata's, at every use.
    with warnings.catch_warnings(record=True):
        from cellxgene_census.experimental.ml import pytorch

        _configure(pytorch, chosen["config"])
        with tiledbsoma.Experiment.open(wanted.location) as experiment:
            pipe = pytorch.ExperimentDataPipe(
                experiment,
                measurement_name="RNA",
                X_name="raw",
                batch_size=wanted.batch_size,
                shuffle=wanted.shuffle,
                seed=epoch_seed(wanted),
                soma_chunk_size=wanted.chunk_size if wanted.shuffle else chosen["soma_chunk_size"],
                use_eager_fetch=chosen["use_eager_fetch"],
                shuffle_chunk_count=wanted.block_size // wanted.chunk_size,
                encoders=[_JoinIds()],
            )
        # Reads the joinids; the first batch would pay for it.
        _ = pipe.shape
        loader = pytorch.experiment_dataloader(pipe, num_workers=chosen["workers"])
    return map(_batch, loader)


def _batch(batch: Any) -> PeerBatch:
    x, obs = batch
    # A batch of a single row comes as vectors.
    return x.reshape(-1, x.shape[-1]), obs.numpy().astype(np.int64).reshape(-1)


def _configure(pytorch: Any, config: Mapping[str, str]) -> None:
    """Give the loader a context with options of TileDB: it opens experiments with the Census's own, and takes none."""
    from cellxgene_census import get_default_soma_context

    pytorch.get_default_soma_context = lambda: get_default_soma_context(tiledb_config=dict(config))


class _JoinIds:
    """An encoder that leaves joinids as they are; the loader's own turns each column into ranks of its values."""

    name = "soma_joinid"
    columns = ("soma_joinid",)

    def fit(self, obs: Any) -> None:
        """Learn nothing."""

    def transform(self, obs: Any) -> Any:
        """Return the joinids."""
        return obs["soma_joinid"]
