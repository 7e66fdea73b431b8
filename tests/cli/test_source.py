from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import contradict, dataset
from tiny import Tiny, write_tiny

from alb_core.base.errors import AlbError
from alb_core.base.paths import DATA_VARIABLE
from alb_core.cli.source import located
from alb_core.datasets import bucket
from alb_core.sweeps import records

SLICE = {
    "collection_id": "283d65eb",
    "census_uri": None,
    "census_version": "2023-12-15",
    "start": 2,
    "end": 7,
    "sorted_datasets": True,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a synthetic dataset, a slice of a Census, and an experiment of somebody else."""
    root = tmp_path_factory.mktemp("data")
    dataset(root / "soma" / "mine", n_obs=50, n_vars=20)
    dataset(root / "census-benchmark_2:7", SLICE, n_obs=50, n_vars=20)
    moved = write_tiny(root / "theirs", n_obs=50, n_vars=20)
    assert not Path(moved.uri, "manifest.json").exists()
    return root


@pytest.fixture(autouse=True)
def data(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DATA_VARIABLE, str(root))
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize(
    "word", ["mine", "soma/mine", "./soma/mine/", "soma/../soma/mine", "{root}/soma/mine", "file://{root}/soma/mine"]
)
def test_a_dataset_by_its_name_or_any_path(word: str, root: Path) -> None:
    source = located(word.format(root=root))
    assert source.uri == word.format(root=root), "as typed"
    assert source.location == str(root / "soma" / "mine")
    assert source.manifest is not None and source.manifest.n_obs == 50


def test_a_slice_of_a_census(root: Path) -> None:
    source = located("census-benchmark_2:7")
    assert source.location == str(root / "census-benchmark_2:7")
    assert source.columns() == {
        "dataset": "census-benchmark_2:7",
        "collection_id": "283d65eb",
        "census_uri": None,
        "census_version": "2023-12-15",
        "start_idx": 2,
        "end_idx": 7,
        "sorted_datasets": True,
    }
    assert set(source.columns()) <= set(records.COLUMNS)


def test_an_experiment_of_somebody_else(root: Path) -> None:
    for word in ("theirs", "./theirs/"):
        source = located(word)
        assert (source.location, source.manifest) == (str(root / "theirs"), None)
        assert source.expected("RNA", "raw") is None
        assert source.columns()["dataset"] == "theirs"


@pytest.mark.parametrize("word", ["s3://bucket/some/place", "s3://bucket/some/place/", "tiledb://me/place"])
def test_a_uri_stays_a_uri(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "guard", lambda place, config: None)
    source = located(word)
    assert (source.uri, source.location, source.manifest) == (word, word.rstrip("/"), None)
    assert source.columns()["dataset"] == "place"
    assert source.columns()["start_idx"] is None


def test_what_all_rows_must_hold(root: Path) -> None:
    source = located("mine")
    assert source.manifest is not None
    for words in (("RNA", "raw"), ("RNA", "raw", 20), ("RNA", "raw", 10**6)):
        assert source.expected(*words) == source.manifest.totals
    for words in (("RNA", "raw", 19), ("RNA", "normalized"), ("ATAC", "raw")):
        assert source.expected(*words) is None


@pytest.mark.parametrize("uri", ["s3://", "s3:///place"])
def test_no_bucket(uri: str) -> None:
    with pytest.raises(AlbError, match=f"^{uri} names no bucket, expected s3://BUCKET/PATH$"):
        located(uri)


@pytest.mark.parametrize("word", ["nothing", "./nothing", "", "{root}/nothing", "file://{root}/nothing", "no\nthing"])
def test_nothing_there(word: str, root: Path) -> None:
    with pytest.raises(AlbError) as caught:
        located(word.format(root=root))
    assert "\n" not in str(caught.value)


def test_a_dataset_that_is_not_what_its_manifest_says_is_refused(root: Path, tmp_path: Path) -> None:
    made: Tiny = dataset(tmp_path / "mine", n_obs=50, n_vars=20)
    [values] = Path(made.uri).glob("ms/RNA/X/raw/__fragments/*/a0.tdb")
    with values.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(AlbError, match=r"dataset mine has files of other names or sizes than were written: alb data "):
        located(made.uri)
    values.unlink()
    with pytest.raises(AlbError, match=r"dataset mine has \d+ files, its manifest says \d+"):
        located(made.uri)
    other = dataset(tmp_path / "other", n_obs=50, n_vars=20)
    contradict(tmp_path / "other", nnz=7)
    manifest = located(other.uri).manifest
    assert manifest is not None and manifest.nnz == 7 != np.count_nonzero(other.x), (
        "figures are held against the reading"
    )
