"""Peers as cases of the suite, over a real experiment with the manifest's figures known to the test."""

from dataclasses import replace
from pathlib import Path

import pytest
from copied import manifest_of

from alb_core.base.errors import AlbError
from alb_core.cases import epochs
from alb_core.datasets.copies.copies import ensure_copy
from alb_core.peers import case
from alb_core.peers.case import PeerCase


@pytest.fixture
def manifest(tiny_without_gaps, tmp_path, monkeypatch):
    """The tiny experiment as a proved dataset: rules 1 and 3 have tests of their own."""
    held = manifest_of(tiny_without_gaps, Path(tiny_without_gaps.uri).name)
    monkeypatch.setenv("ALB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(epochs, "ready", lambda dataset: held)
    monkeypatch.setattr(epochs, "datasets_root", lambda: Path(tiny_without_gaps.uri).parent)
    monkeypatch.setattr(case, "_WARM", set())
    return held


@pytest.fixture
def copied(manifest, tiny_without_gaps):
    ensure_copy(Path(tiny_without_gaps.uri), manifest, "h5ad")
    return manifest


@pytest.mark.parametrize(
    ("peer", "shuffle"),
    [("tiledbsoma-ml", "none"), ("scdataset", "block"), ("annloader", "none"), ("annloader", "block")],
)
def test_a_case_delivers_what_the_manifest_holds(copied, peer, shuffle):
    held = PeerCase(copied.name, peer, "4x16", shuffle, 128)
    held.epoch()
    held.epoch(prove=True)
    held.close()


@pytest.mark.parametrize("figure", ["n_rows", "nnz", "total"])
def test_a_figure_that_differs_fails_the_timed_epoch(copied, figure):
    held = PeerCase(copied.name, "scdataset", "4x16", "block", 128)
    copied.totals = replace(copied.totals, **{figure: getattr(copied.totals, figure) + 1})
    with pytest.raises(AlbError, match="not what the dataset holds"):
        held.epoch()


def test_values_of_other_rows_fail_the_proof(copied, monkeypatch):
    held = PeerCase(copied.name, "scdataset", "4x16", "block", 128)
    right = held._peer.batches
    monkeypatch.setattr(held._peer, "batches", lambda wanted: ((x, ids[::-1].copy()) for x, ids in right(wanted)))
    held.epoch()  # as many, and as much
    with pytest.raises(AlbError, match="checksum"):
        held.epoch(prove=True)


@pytest.mark.parametrize("peer", ["cellxgene-census", "annbatch"])
def test_what_is_not_there_is_not_applicable(copied, peer):
    with pytest.raises(NotImplementedError):
        PeerCase(copied.name, peer, "4x16", "none", 128)


def test_a_loader_that_a_release_is_too_old_for_is_not_applicable(copied, monkeypatch):
    import tiledbsoma_ml

    monkeypatch.delattr(tiledbsoma_ml, "ExperimentDataset")
    with pytest.raises(NotImplementedError, match="tiledbsoma-ml does not go with this tiledbsoma: cannot import"):
        PeerCase(copied.name, "tiledbsoma-ml", "4x16", "none", 128)


def test_a_copy_that_nobody_made_is_an_error(manifest):
    with pytest.raises(AlbError, match=r"no copy of .* at .*: asv with the alb_core plugin makes it"):
        PeerCase(manifest.name, "annloader", "4x16", "none", 128)
