"""A peer as a case of the suite: one epoch over a dataset inside the benchmark environment, timed and proved."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.cases.consume import EpochCounts, EpochResult, consume
from alb_core.cases.epochs import SEED, Case
from alb_core.datasets.copies.copies import copy_path
from alb_core.loader import soma
from alb_core.loader.block_spec import parse_one
from alb_core.peers.interface import Peer, Wanted

#: Name in the parameters of the suite -> module.
PEERS: Mapping[str, str] = {
    "tiledbsoma-ml": "tiledbsoma_ml",
    "cellxgene-census": "cellxgene_census_loader",
    "scdataset": "scdataset",
    "annloader": "annloader",
    "annbatch": "annbatch",
}


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

    def _run(self, check: bool) -> EpochResult:
        return consume(self._peer.batches(self._wanted), EpochCounts(check, self._columns))


_WARM: set[str] = set()


def _warm_up(peer: Peer, wanted: Wanted) -> None:
    """Run an epoch before those that are timed, once a process: imports and compiling are no part of an epoch."""
    if peer.NAME not in _WARM:
        consume(peer.batches(wanted), EpochCounts())
        _WARM.add(peer.NAME)
