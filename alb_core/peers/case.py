"""A peer as a case of the suite: one epoch over a dataset inside the benchmark environment, timed and proved."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from alb_core.base.checksum import combined, dense_checksum
from alb_core.base.errors import AlbError
from alb_core.cases.epochs import SEED, Case
from alb_core.datasets.copies.copies import copy_path
from alb_core.loader import soma
from alb_core.loader.batches import sum_of
from alb_core.loader.block_spec import parse_one
from alb_core.peers.interface import Peer, PeerBatch, Wanted

Int64 = npt.NDArray[np.int64]

#: Name in the parameters of the suite -> module.
PEERS: Mapping[str, str] = {
    "tiledbsoma-ml": "tiledbsoma_ml",
    "cellxgene-census": "cellxgene_census_loader",
    "scdataset": "scdataset",
    "annloader": "annloader",
    "annbatch": "annbatch",
}


@dataclass(frozen=True)
class PeerEpoch:
    """What an epoch of a peer delivered: rows, values other than zero, their sum and, where proved, their checksum."""

    n_rows: int
    nnz: int
    total: float
    checksum: int | None


class PeerCase(Case):
    """One epoch of a loader that people use over all rows of a dataset, to dense batches, at its defaults."""

    def __init__(self, dataset: str, peer: str, block_spec: str, shuffle: str, batch_size: int) -> None:
        super().__init__(dataset)
        self._peer: Peer = importlib.import_module(f"alb_core.peers.{PEERS[peer]}")
        spec = parse_one(block_spec)
        copies = {form: str(copy_path(self._manifest, form)) for form in self._peer.COPIES}
        self._wanted = Wanted(
            location=self._uri,
            copies=copies,
            n_rows=self._manifest.n_obs,
            n_vars=self._manifest.n_vars,
            batch_size=batch_size,
            chunk_size=spec.chunk_size,
            block_size=spec.block_size,
            shuffle=shuffle == "block",
            seed=SEED,
            options=self._peer.OPTIONS["default"],
        )
        if reason := self._peer.unsupported(self._wanted):
            raise NotImplementedError(reason)
        missing = [path for path in copies.values() if not Path(path).exists()]
        if missing:
            raise AlbError(f"no copy of {dataset} at {missing[0]}: asv with the alb_core plugin makes it")
        with soma.open_experiment(self._uri) as experiment:
            self._columns = soma.joinids(experiment.ms["RNA"].var)
        try:
            _warm_up(self._peer, self._wanted)
        except ImportError as error:
            raise NotImplementedError(f"{peer} does not go with this tiledbsoma: {error}") from error

    def _run(self, check: bool) -> PeerEpoch:
        return counted(self._peer.batches(self._wanted), self._columns if check else None)


def counted(batches: Iterable[PeerBatch], columns: Int64 | None = None) -> PeerEpoch:
    """Take the batches of an epoch, touch every value, and count."""
    rows = nnz = checksum = 0
    total = 0.0
    for x, joinids in batches:
        if columns is not None:
            checksum = combined(checksum, dense_checksum(x.numpy(), joinids, columns))
        total += sum_of(x)
        # By bit patterns, as whole numbers, which torch counts four times as fast as floats.
        nnz += int(torch.count_nonzero(x.view(torch.int32)))
        rows += len(x)
        del x  # or the batch would be held while the next one is made
    return PeerEpoch(rows, nnz, total, checksum if columns is not None else None)


_WARM: set[str] = set()


def _warm_up(peer: Peer, wanted: Wanted) -> None:
    """Run an epoch that nobody times: what is imported and compiled once a process is no part of one."""
    if peer.NAME not in _WARM:
        counted(peer.batches(wanted))
        _WARM.add(peer.NAME)
