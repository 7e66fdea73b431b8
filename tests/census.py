"""A collection in the shape of the CELLxGENE Census, written by whichever tiledbsoma runs the tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import tiledbsoma
from s3 import REGION, S3
from tiny import add_dataframe, coordinates, fill_dataframe

ONE, OTHER = "11111111-aaaa-4aaa-8aaa-000000000001", "22222222-bbbb-4bbb-8bbb-000000000002"
BUILD_DATE = "2026-01-02"

#: As the Census's builder creates X/raw.
X_OPTIONS = {
    "tiledb": {
        "create": {
            "capacity": 65_536,
            "dims": {
                "soma_dim_0": {"tile": 2_048, "filters": [{"_type": "ZstdFilter", "level": 9}]},
                "soma_dim_1": {"tile": 2_048, "filters": ["ByteShuffleFilter", {"_type": "ZstdFilter", "level": 9}]},
            },
            "attrs": {"soma_data": {"filters": ["ByteShuffleFilter", {"_type": "ZstdFilter", "level": 9}]}},
            "cell_order": "row-major",
            "tile_order": "row-major",
            "allows_duplicates": True,
        }
    }
}


#: Collection and number of cells of each source dataset, in the order of census_info/datasets.
SOURCES = {"d0": (OTHER, 150), "d1": (ONE, 400), "d2": (ONE, 250), "d3": (ONE, 300)}
#: The order of their cells: another one, so that neither can be taken for the other.
LAID = ("d3", "d0", "d1", "d2")


@dataclass(frozen=True)
class Census:
    """A Census at ``path``, and the truth about its human cells."""

    path: Path
    x: npt.NDArray[np.float32]
    dataset_of: npt.NDArray[np.object_]
    obs: pa.Table
    var: pa.Table

    @property
    def uri(self) -> str:
        """Where it is."""
        return str(self.path)

    def rows(self, dataset_ids: Sequence[str], n_vars: int) -> npt.NDArray[np.int64]:
        """Joinids of the cells of some datasets that have data in the first vars."""
        wanted = np.isin(self.dataset_of, list(dataset_ids)) & (self.x[:, :n_vars] != 0).any(axis=1)
        return np.flatnonzero(wanted)


def counts(n_obs: int, n_vars: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Whole counts, one in seven non-zero; some rows are empty, some beyond the first half of the vars alone."""
    rng = np.random.default_rng(seed)
    x = (rng.integers(1, 50, (n_obs, n_vars)) * (rng.random((n_obs, n_vars)) < 0.15)).astype(np.float32)
    x[5::41, : n_vars // 2] = 0
    x[7::83] = 0
    return x


def write_census(
    path: Path,
    n_vars: int = 120,
    x: npt.NDArray[np.float32] | None = None,
    *,
    fragments: int = 3,
    dataset_of: npt.NDArray[np.object_] | None = None,
    obs_column: str | None = None,
) -> Census:
    """Write it: two collections, four datasets, human and mouse.

    X, to which dataset each cell belongs, and one more column of obs may be given.
    """
    if dataset_of is None:
        dataset_of = np.concatenate([np.full(SOURCES[name][1], name, dtype=object) for name in LAID])
    x = counts(len(dataset_of), n_vars) if x is None else x
    obs, var = obs_table(dataset_of, x), var_table(n_vars)
    if obs_column is not None:
        obs = obs.append_column(obs_column, obs["soma_joinid"])
    mice = obs_table(np.full(10, "d1", dtype=object), x[:10])
    with tiledbsoma.Collection.create(path.as_uri()) as census:
        info = census.add_new_collection("census_info")
        add_dataframe(info, "summary", summary_table())
        add_dataframe(info, "datasets", datasets_table())
        data = census.add_new_collection("census_data")
        _add_experiment(data, "homo_sapiens", obs, var, x, fragments)
        _add_experiment(data, "mus_musculus", mice, var, x[:10], 1)
    fill_dataframe(path / "census_info" / "summary", summary_table())
    fill_dataframe(path / "census_info" / "datasets", datasets_table())
    for organism, cells in (("homo_sapiens", obs), ("mus_musculus", mice)):
        fill_dataframe(path / "census_data" / organism / "obs", cells)
        fill_dataframe(path / "census_data" / organism / "ms" / "RNA" / "var", var)
    return Census(path, x, dataset_of, obs, var)


def summary_table() -> pa.Table:
    """Return census_info/summary."""
    labels = {"census_schema_version": "1.2.0", "census_build_date": BUILD_DATE, "total_cell_count": "1100"}
    return pa.table(
        {"soma_joinid": pa.array(range(len(labels))), "label": list(labels), "value": list(labels.values())}
    )


def datasets_table() -> pa.Table:
    """Return census_info/datasets."""
    return pa.table(
        {
            "soma_joinid": pa.array(range(len(SOURCES)), pa.int64()),
            "collection_id": [collection for collection, _ in SOURCES.values()],
            "collection_name": ["a collection"] * len(SOURCES),
            "dataset_id": list(SOURCES),
            "dataset_title": [f"dataset {name}" for name in SOURCES],
            "dataset_h5ad_path": [f"{name}.h5ad" for name in SOURCES],
            "dataset_total_cell_count": pa.array([cells for _, cells in SOURCES.values()], pa.int64()),
        }
    )


def obs_table(dataset_of: npt.NDArray[np.object_], x: npt.NDArray[np.float32]) -> pa.Table:
    """Dictionary-encoded columns, strings, numbers and a bool, as the Census has them."""
    cells = np.arange(len(dataset_of))
    words = np.array(["T cell", "B cell", "neuron", "oligodendrocyte, Größe"], dtype=object)
    with np.errstate(invalid="ignore"):
        means = x.sum(axis=1, dtype=np.float64) / (x != 0).sum(axis=1)
    return pa.table(
        {
            "soma_joinid": pa.array(cells, pa.int64()),
            "dataset_id": pa.array(dataset_of, pa.string()).dictionary_encode(),
            "cell_type": pa.array(words[cells * 7 % 11 % 4], pa.string()).dictionary_encode(),
            "is_primary_data": pa.array(cells % 3 == 0),
            "observation_joinid": pa.array([f"{cell * 2_654_435_761 % 2**40:010x}" for cell in cells], pa.string()),
            "raw_sum": pa.array(x.sum(axis=1, dtype=np.float64)),
            "nnz": pa.array((x != 0).sum(axis=1).astype(np.int64)),
            # NaN where there is nothing, as in the Census.
            "raw_mean_nnz": pa.array(means),
        }
    )


def var_table(n_vars: int) -> pa.Table:
    """Genes."""
    return pa.table(
        {
            "soma_joinid": pa.array(range(n_vars), pa.int64()),
            "feature_id": [f"ENSG{gene:011d}" for gene in range(n_vars)],
            "feature_name": [f"GENE{gene}" for gene in range(n_vars)],
            "feature_length": pa.array(range(n_vars), pa.int64()),
        }
    )


def coo(x: npt.NDArray[np.float32], first: int = 0) -> pa.Table:
    """Non-zeros of some rows."""
    rows, columns = np.nonzero(x)
    return coordinates(rows + first, columns, x[rows, columns])


def serve_versions(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the Census's package find its directory of versions on S3: one version, in ``census-bucket``."""
    client = s3.client()
    client.create_bucket(Bucket="versions")
    place = {"relative_uri": "/census", "s3_region": REGION}
    version = {"release_date": None, "release_build": BUILD_DATE, "soma": place, "h5ads": place}
    mirror = {"provider": "S3", "base_uri": "s3://census-bucket", "region": REGION}
    for name, body in (("RELEASE", {BUILD_DATE: version}), ("MIRRORS", {"default": "here", "here": mirror})):
        client.put_object(Bucket="versions", Key=name, Body=json.dumps(body).encode(), ACL="public-read")
        constant = f"cellxgene_census._release_directory.CELL_CENSUS_{name}_DIRECTORY_URL"
        monkeypatch.setattr(constant, f"http://{s3.endpoint}/versions/{name}")


def _add_experiment(
    data: tiledbsoma.Collection, organism: str, obs: pa.Table, var: pa.Table, x: npt.NDArray[np.float32], fragments: int
) -> None:
    experiment = data.add_new_collection(organism, tiledbsoma.Experiment)
    add_dataframe(experiment, "obs", obs)
    rna = experiment.add_new_collection("ms").add_new_collection("RNA", tiledbsoma.Measurement)
    add_dataframe(rna, "var", var)
    layers = rna.add_new_collection("X")
    raw = layers.add_new_sparse_ndarray("raw", type=pa.float32(), shape=x.shape, platform_config=X_OPTIONS)
    for part in np.array_split(np.arange(len(x)), fragments):
        raw.write(coo(x[part], int(part[0])))
    layers.add_new_sparse_ndarray("normalized", type=pa.float32(), shape=x.shape).write(coo(x / 2))
