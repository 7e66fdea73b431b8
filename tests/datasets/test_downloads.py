"""Downloads by the real writer from a Census of the tests: whole or not at all, and resumed where they stopped."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tiledbsoma
from census import ONE, Census, counts, serve_versions, write_census
from s3 import S3
from slices import FEW, N_VARS, content, downloaded, nothing_counts, slice_of

from alb_core.base.errors import AlbError
from alb_core.datasets import obs_var_reader
from alb_core.datasets.bucket import guarded
from alb_core.datasets.census.download import download
from alb_core.datasets.find import dataset_path, list_datasets
from alb_core.datasets.manifest import X_PATH, Manifest, load, quick_check
from alb_core.datasets.spec import CensusSlice
from alb_core.datasets.verify import verify
from alb_core.datasets.writer.environment import writing_release

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(("layout", "max_nnz"), [("census", FEW), ("soma", 10**9)])
def test_a_download_is_the_slice(writable: Path, census: Census, layout: str, max_nnz: int, whole: Manifest) -> None:
    lines: list[str] = []
    asked = slice_of(census.uri, layout=layout)
    path = download(asked, writable, report=lines.append, max_nnz=max_nnz)
    assert path == writable / "census-benchmark_1:3"
    rows = census.rows(["d2", "d3"], N_VARS)
    empty = 550 - len(rows)
    assert empty > 0
    assert lines[0] == (
        f"downloading census-benchmark_1:3 to {path}: 2 source datasets, 550 cells x 60 vars, from {census.uri}"
    )
    assert lines[1].startswith(
        f"downloaded census-benchmark_1:3: {len(rows)} cells ({empty} without data in these vars left out), "
    )
    with tiledbsoma.Experiment.open(str(path)) as experiment:
        raw = experiment.ms["RNA"].X["raw"]
        assert raw.shape == (len(rows), N_VARS)
        assert raw.schema_config_options().capacity == (65_536 if layout == "census" else 100_000)
        read = raw.read(result_order="row-major").tables().concat()
        x = np.zeros(raw.shape, np.float32)
        x[read["soma_dim_0"], read["soma_dim_1"]] = read["soma_data"]
        assert np.array_equal(x, census.x[rows, :N_VARS])
        obs = experiment.obs.read().concat().sort_by("soma_joinid")
        assert obs["soma_joinid"].to_pylist() == list(range(len(rows)))
        assert obs["census_joinid"].to_pylist() == rows.tolist()
        expected = census.obs.take(pa.array(rows))
        for name in set(census.obs.column_names) - {"soma_joinid"}:
            assert obs[name].to_pylist() == expected[name].to_pylist(), name
        # In the types that the Census has, words of other datasets left out. The cells of d3 lie before those of d2.
        assert pa.types.is_dictionary(obs["cell_type"].type)
        assert obs.schema.field("is_primary_data").type == pa.bool_()
        assert obs["dataset_id"].chunk(0).dictionary.to_pylist() == ["d3", "d2"]
        var = experiment.ms["RNA"].var.read().concat()
        assert var["feature_name"].to_pylist() == census.var["feature_name"].to_pylist()[:N_VARS]
    manifest = verify(str(path))
    assert manifest.kind == "census"
    assert manifest.spec == {
        **asked.as_json(),
        "fragments": 1,
        "census_build_date": "2026-01-02",
        "dataset_ids": ["d2", "d3"],
    }
    assert (manifest.n_obs, manifest.nnz) == (len(rows), int((x != 0).sum()))
    assert manifest.x_sum == int(x.sum(dtype=np.float64))
    assert manifest.writer["tiledbsoma"] == writing_release().version
    # One or dozens of parts, one layout or the other: the same content.
    assert content(manifest) == content(whole)
    assert not list(writable.glob(".*.download"))
    assert not list(writable.glob(".*.partial-*"))


def test_vars_beyond_the_last_are_not_missed(writable: Path, census: Census) -> None:
    path = downloaded(census.uri, writable, asked=slice_of(census.uri, n_vars=20_000, start=0, end=1))
    assert (load(path).n_vars, load(path).n_obs) == (120, len(census.rows(["d1"], 120)))


def test_downloads_are_found_by_name_and_by_path(
    writable: Path, census: Census, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = downloaded(census.uri, writable)
    (writable / "soma" / "other").mkdir(parents=True)
    assert dataset_path("mine") == dataset_path(str(path)) == path
    monkeypatch.chdir(writable)
    assert dataset_path("./mine") == dataset_path("../data/mine/") == path
    assert dataset_path("other") == writable / "soma" / "other"
    assert verify("mine") == verify(str(path)) == guarded(str(path), {})
    assert guarded(str(writable / "soma" / "other"), {}) is None
    assert [(row.name, row.cells, row.state) for row in list_datasets()][-1] == ("mine", load(path).n_obs, "ready")
    (path / "obs" / "stray").touch()
    repair = rf"alb download -s 1 -e 3 -c {ONE} -v 60 -u {census.uri} -n mine -f makes it again$"
    for refuse in (lambda: verify("mine"), lambda: quick_check(path)):
        with pytest.raises(AlbError, match=repair):
            refuse()
    elsewhere = path.rename(writable / "soma" / "mine")
    with pytest.raises(AlbError, match=f"-n mine -d {writable / 'soma'} -f makes it again"):
        quick_check(elsewhere)


def test_values_need_not_be_whole(writable: Path, tmp_path: Path) -> None:
    x = counts(1_100, 30) / np.float32(3)
    # So many cells without data, one after another, that a whole part is empty.
    x[50:200] = 0
    census = write_census(tmp_path / "census", 30, x)
    path = downloaded(census.uri, writable, asked=slice_of(census.uri, n_vars=30), max_nnz=50)
    manifest = verify(str(path))
    assert manifest.x_sum == math.fsum(x[np.isin(census.dataset_of, ["d2", "d3"])].ravel().tolist())
    assert isinstance(manifest.x_sum, float)


def test_a_slice_without_data_is_told(writable: Path, tmp_path: Path) -> None:
    x = counts(1_100, 30)
    x[:, :3] = 0
    census = write_census(tmp_path / "census", 30, x)
    with pytest.raises(AlbError, match="no cell of d2, d3 has data in the first 3 vars of"):
        downloaded(census.uri, writable, asked=slice_of(census.uri, n_vars=3), max_nnz=FEW)
    assert nothing_counts(writable)
    assert not list(writable.glob(".mine.download"))


def test_obs_is_written_in_many_fragments_where_it_is_large(
    writable: Path, census: Census, whole: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obs_var_reader, "_ROWS", 100)
    path = downloaded(census.uri, writable, max_nnz=FEW)
    assert len(list((path / "obs" / "__fragments").iterdir())) > 3
    assert content(verify(str(path))) == content(whole)


# What is there already


def test_what_is_there_is_refused_then_replaced(writable: Path, census: Census) -> None:
    first = load(downloaded(census.uri, writable))
    with pytest.raises(AlbError, match=r"mine is there, with the same options: -f replaces it"):
        downloaded(census.uri, writable)
    other = slice_of(census.uri, start=0)
    with pytest.raises(AlbError, match=r"mine is there, with start 1 \(not 0\): -f replaces it"):
        downloaded(census.uri, writable, asked=other)
    assert quick_check(writable / "mine") == first
    assert load(downloaded(census.uri, writable, asked=other, force=True)).n_obs > first.n_obs
    assert not list(writable.glob(".mine.partial-*"))
    (writable / "mine" / "obs" / "stray").touch()
    with pytest.raises(AlbError, match="mine is there, but is damaged: -f replaces it"):
        downloaded(census.uri, writable)
    assert content(load(downloaded(census.uri, writable, force=True))) == content(first)


def test_a_replacement_that_fails_keeps_the_old_dataset(writable: Path, census: Census, tmp_path: Path) -> None:
    first = load(downloaded(census.uri, writable))
    broken = write_census(tmp_path / "census", 30, counts(1_100, 30) * np.float32(np.nan))
    with pytest.raises(AlbError, match="not finite"):
        downloaded(broken.uri, writable, force=True)
    assert verify("mine") == first


# Faults


def test_s3_gives_the_same(writable: Path, s3_server: S3, s3_census: str, whole: Manifest) -> None:
    path = downloaded(s3_census, writable, config=s3_server.tiledb, max_nnz=FEW)
    assert content(verify(str(path))) == content(whole)
    assert load(path).spec["census_uri"] == s3_census


def test_a_published_version(
    writable: Path, s3_server: S3, s3_census: str, whole: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Census's own way from a version to an address, with a directory of versions of the tests."""
    serve_versions(s3_server, monkeypatch)
    config = {key: value for key, value in s3_server.tiledb.items() if key != "vfs.s3.region"}
    asked = CensusSlice(1, 3, collection_id=ONE, n_vars=N_VARS, census_version="2026-01-02")
    path = downloaded("", writable, asked=asked, config=config)
    assert content(load(path)) == content(whole)
    assert (load(path).spec["census_version"], load(path).spec["census_uri"]) == ("2026-01-02", None)


def test_the_same_cells_are_the_same_bytes(writable: Path, census: Census) -> None:
    """However they came to the writer: X has the same files after one part and after dozens."""
    digests = []
    for max_nnz in (FEW, 10**9):
        path = downloaded(census.uri, writable, max_nnz=max_nnz, force=True)
        files = sorted((path / X_PATH / "__fragments").glob("*/[ad]*.tdb"))
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert len(digests[0]) == 3
    assert digests[0] == digests[1]
