"""Copies of an experiment in AnnData's formats."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pytest
import zarr
from copied import manifest_of

from alb_core.base.errors import AlbError
from alb_core.datasets.copies import write
from alb_core.datasets.copies.copies import FORMATS, copy_path, ensure_copy


@pytest.fixture(autouse=True)
def few_rows(data, monkeypatch):
    # Several reads, and several writes of each array.
    monkeypatch.setattr(write, "_ROWS", 100)
    monkeypatch.setattr(write, "_ROWS_OF_A_CHUNK", 8)
    monkeypatch.setattr(write, "_CHUNKS_OF_A_SHARD", 3)
    monkeypatch.setattr(write, "_VALUES", 1000)


def read_back(path, form):
    return anndata.read_h5ad(path) if form == "h5ad" else anndata.read_zarr(path)


@pytest.mark.parametrize("form", FORMATS)
def test_anndata_reads_the_same_cells(tiny, form):
    path = ensure_copy(Path(tiny.uri), manifest_of(tiny), form)
    held = read_back(path, form)
    np.testing.assert_array_equal(held.X.toarray(), tiny.x)
    assert held.X.dtype == np.float32 and held.X.has_sorted_indices
    assert held.obs["soma_joinid"].tolist() == tiny.obs_joinids.tolist()
    assert held.obs.columns.tolist() == ["soma_joinid"]
    assert held.var["soma_joinid"].tolist() == tiny.var_joinids.tolist()
    assert held.obs_names[3] == str(tiny.obs_joinids[3])


def test_a_copy_is_made_once_and_said_once(tiny, capsys):
    path = ensure_copy(Path(tiny.uri), manifest_of(tiny), "h5ad")
    assert path == copy_path(manifest_of(tiny), "h5ad")
    assert "copying tiny to " in capsys.readouterr().err
    before = path.stat().st_mtime_ns
    assert ensure_copy(Path(tiny.uri), manifest_of(tiny), "h5ad") == path
    assert path.stat().st_mtime_ns == before and capsys.readouterr().err == ""
    changed = manifest_of(tiny)
    changed.bytes_digest = "f" * 64
    assert copy_path(changed, "h5ad") != path


@pytest.mark.parametrize("figure", ["n_rows", "nnz", "total", "checksum"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_copy_that_is_not_what_the_manifest_says_is_not_left(tiny, data, form, figure):
    held = manifest_of(tiny)
    held.totals = replace(held.totals, **{figure: getattr(held.totals, figure) ^ 1})
    with pytest.raises(AlbError, match="what was read is not what the dataset holds"):
        ensure_copy(Path(tiny.uri), held, form)
    assert [path.suffix for path in (data / "peers" / "copies").iterdir()] == [".lock"]


def test_dataset_ids_come_along(census, tmp_path):
    manifest = SimpleNamespace(n_obs=len(census.x), n_vars=census.x.shape[1], nnz=np.count_nonzero(census.x))
    write.write(next(census.path.rglob("homo_sapiens")), manifest, tmp_path / "cells.h5ad", "h5ad")
    assert read_back(tmp_path / "cells.h5ad", "h5ad").obs["dataset_id"].tolist() == census.obs["dataset_id"].to_pylist()


def test_zarr_is_in_shards_of_whole_chunks(tiny):
    data = zarr.open_group(ensure_copy(Path(tiny.uri), manifest_of(tiny), "zarr"), mode="r")["X"]["data"]
    per_row = np.count_nonzero(tiny.x) / len(tiny.x)
    assert data.chunks == (round(8 * per_row),) and data.shards == (3 * round(8 * per_row),)


def test_an_unknown_format_is_refused(tiny):
    with pytest.raises(AlbError, match="format is 'loom', expected one of h5ad, zarr"):
        ensure_copy(Path(tiny.uri), manifest_of(tiny), "loom")
