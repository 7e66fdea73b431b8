"""Experiments that this project did not write: the right cells, or one line that names the place."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tiledbsoma
from tiny import coordinates, joinids, write_tables
from torch.utils.data import DataLoader

from alb_core.base.errors import AlbError, ArgumentError
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.packing import kernels
from alb_core.loader.pipelines import METHOD_NAMES

SPEC = BlockSpec(chunk_size=2, chunks_per_block=2)
ONE = coordinates([0], [0], [1])


def batches(uri: str, **options: Any) -> list[Any]:
    with SomaLoader(uri, **{"spec": SPEC, **options}) as loader:
        return list(loader)


def dense(uri: str, **options: Any) -> list[list[float]]:
    """All batches, in stored order, as one list of rows."""
    return [row for x, _ in batches(uri, shuffle="none", **options) for row in x.to_dense().tolist()]


def add_layer(uri: str, name: str, x: pa.Table, shape: tuple[int, int], **create: Any) -> None:
    """Add a layer of X whose array is created with options of TileDB; each table of the list is a fragment."""
    kind = x.schema.field("soma_data").type
    with tiledbsoma.Experiment.open(uri, "w") as experiment:
        experiment.ms["RNA"].X.add_new_sparse_ndarray(
            name, type=kind, shape=shape, platform_config={"tiledb": {"create": create}}
        ).write(x)


@pytest.mark.parametrize("values", [[2, 40, 5, 1000], [0.5, 1000, 0.25, 7]], ids=["counts", "fractions"])
def test_values_of_one_coordinate_add_up(tmp_path: Path, values: list[float]) -> None:
    uri = write_tables(tmp_path / "mine", joinids(3), joinids(4), ONE)
    add_layer(uri, "twice", coordinates([1, 1, 1, 2], [3, 3, 0, 2], values), (3, 4), allows_duplicates=True)
    a, b, c, d = values
    expected = [[0, 0, 0, 0], [c, 0, 0, a + b], [0, 0, d, 0]]
    for method in METHOD_NAMES:
        assert dense(uri, layer="twice", method=method) == expected, method
    for var_joinids in (None, [3, 2, 1, 0]):
        [(x, _)] = batches(uri, layer="twice", method="numba", sparse=True, shuffle="none", var_joinids=var_joinids)
        assert x.crow_indices().tolist() == [0, 0, 2, 3]
        assert x.col_indices().tolist() == ([0, 3, 2] if var_joinids is None else [0, 3, 1])
        assert np.array_equal(sorted(x.values().tolist()), sorted([c, a + b, d]))


def refused(uri: str, **options: Any) -> str:
    """What an epoch is refused with, the same by every method and shuffle."""
    said = set()
    for method in METHOD_NAMES:
        for shuffle in ("none", "block"):
            with pytest.raises(AlbError) as caught:
                batches(uri, method=method, shuffle=shuffle, **options)
            said.add(str(caught.value))
    [one] = said
    assert "\n" not in one
    return one


def indexed(path: Path, index: list[str], ids: list[int]) -> str:
    """An experiment whose obs is indexed by some columns, with rows of these joinids."""
    uri = write_tables(path, joinids(10), joinids(2), coordinates(ids, [1] * len(ids), [float(i) for i in ids]))
    with tiledbsoma.Experiment.open(uri, "w") as experiment:
        del experiment["obs"]
    labels = [f"cell {chr(122 - number)}" for number in range(len(ids))]
    obs = pa.table(
        {
            "soma_joinid": pa.array(ids, pa.int64()),
            "label": pa.array(labels, pa.large_string()),
            "n": pa.array([100 - number for number in range(len(ids))], pa.int64()),
        }
    )
    domain = tuple(None if name == "label" else (0, 200) for name in index)
    with tiledbsoma.Experiment.open(uri, "w") as experiment:
        experiment.add_new_dataframe(
            "obs", uri="obs-anew", schema=obs.schema, index_column_names=index, domain=domain
        ).write(obs)
    return uri


def resized(path: Path, n_obs: int, n_vars: int, shape: tuple[int, int]) -> str:
    """An experiment with so many rows and columns, whose layer ``mine`` has another shape."""
    uri = write_tables(path, joinids(n_obs), joinids(n_vars), coordinates([0], [0], [1]))
    add_layer(uri, "mine", coordinates([0, 1], [1, 0], [3, 4]), shape)
    return uri


@pytest.mark.parametrize("index", [["label"], ["label", "soma_joinid"], ["n"], ["n", "soma_joinid", "label"]])
def test_obs_indexed_otherwise(tmp_path: Path, index: list[str]) -> None:
    ids = [7, 1, 4, 2, 9, 3]
    uri = indexed(tmp_path / "mine", index, ids)
    for method in ("scipy.csr", "numba"):
        found = batches(uri, method=method, obs_columns=["label"], obs_codes=["n"], batch_size=4)
        obs = pa.concat_tables([table for _, table in found])
        assert sorted(obs.column("soma_joinid").to_pylist()) == sorted(ids)
        for joinid, label, code in zip(*(obs.column(name).to_pylist() for name in obs.column_names), strict=True):
            assert label == f"cell {chr(122 - ids.index(joinid))}"
            assert code == len(ids) - 1 - ids.index(joinid)
        assert [row for x, _ in found for row in x[:, 1].tolist()] == obs.column("soma_joinid").to_pylist()


def test_a_joinid_that_obs_has_twice(tmp_path: Path) -> None:
    uri = indexed(tmp_path / "mine", ["label", "soma_joinid"], [1, 2])
    with tiledbsoma.DataFrame.open(f"{uri}/obs-anew", "w") as obs:
        obs.write(pa.table({"soma_joinid": [2], "label": pa.array(["again"], pa.large_string()), "n": [0]}))
    assert "soma_joinid 2 more than once" in refused(uri)


def test_obs_or_var_without_rows(tmp_path: Path) -> None:
    none = coordinates([], [], [])
    assert "obs of" in refused(write_tables(tmp_path / "a", joinids(0), joinids(2), none))
    assert "var of" in (said := refused(write_tables(tmp_path / "b", joinids(2), joinids(0), none)))
    assert "has no rows, expected one at least" in said


def test_cells_beyond_the_shape_of_x(tmp_path: Path) -> None:
    uri = resized(tmp_path / "mine", 5, 2, (3, 2))
    assert f"obs of {uri} has soma_joinid 3 (2 such in all), and the shape of X ends at 3" in refused(uri, layer="mine")
    assert dense(uri, layer="mine", obs_joinids=[1, 0]) == [[4, 0], [0, 3]]
    wide = resized(tmp_path / "wide", 3, 4, (3, 2))
    assert "var of" in refused(wide, layer="mine")


def test_columns_that_var_has_not_are_left_out(tmp_path: Path) -> None:
    uri = write_tables(
        tmp_path / "mine",
        joinids(2),
        pa.table({"soma_joinid": pa.array([1, 3], pa.int64())}),
        coordinates([0], [0], [1]),
    )
    add_layer(uri, "mine", coordinates([0, 0, 0, 1], [0, 1, 4, 3], [1, 2, 3, 4]), (2, 5))
    for method in METHOD_NAMES:
        assert dense(uri, layer="mine", method=method) == [[2, 0], [0, 4]], method


@pytest.mark.parametrize(
    ("kind", "warned"), [(pa.int16(), 0), (pa.float32(), 0), (pa.uint8(), 0), (pa.int32(), 1), (pa.float64(), 1)]
)
def test_a_type_beyond_float32_is_said_once(tmp_path: Path, kind: pa.DataType, warned: int) -> None:
    uri = write_tables(tmp_path / "mine", joinids(2), joinids(2), coordinates([0, 1], [0, 1], [1, 2], kind))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert dense(uri, spec="1x1") == [[1, 0], [0, 2]]
    said = [str(one.message) for one in said if "float32" in str(one.message)]
    assert (
        said
        == [
            f"X layer 'raw' of {uri} holds {kind}, and batches float32: whole numbers above 16,777,216 and other "
            "values that float32 has not are rounded"
        ]
        * warned
    )


@pytest.mark.parametrize("mark", ["#", "?"])
def test_a_path_that_tiledb_cannot_find(tmp_path: Path, mark: str) -> None:
    """Releases differ in whether they can."""
    assert f"TileDB cannot find it for the {mark!r} in its path" in refused(str(tmp_path / f"mine{mark}1"))


def test_an_experiment_of_a_later_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ValueError("Unsupported SOMA object encoding\nversion")

    uri = write_tables(tmp_path / "mine", joinids(2), joinids(2), ONE)
    with monkeypatch.context() as patched:
        patched.setattr(tiledbsoma.Experiment, "open", fails)
        assert refused(uri) == f"no SOMA experiment at {uri}: Unsupported SOMA object encoding version"
    monkeypatch.setattr(tiledbsoma.SparseNDArray, "read", fails)
    assert refused(uri) == f"reading {uri} failed: Unsupported SOMA object encoding version"


def test_specs_as_people_type_them(tmp_path: Path) -> None:
    uri = write_tables(tmp_path / "mine", joinids(2), joinids(2), ONE)
    assert SomaLoader(uri, "512x64").spec == BlockSpec(64, 512)
    assert SomaLoader(uri, 64).spec == SomaLoader(uri, np.int32(64)).spec == BlockSpec(64, 1)
    for wrong in (1.5, True, "64 by 2"):
        with pytest.raises(AlbError, match="spec"):
            SomaLoader(uri, wrong)  # type: ignore[arg-type]


def test_as_many_batches_as_it_says(tmp_path: Path) -> None:
    uri = write_tables(tmp_path / "mine", joinids(7), joinids(2), ONE)
    loader = SomaLoader(uri, SPEC, batch_size=3)
    assert len(loader) == len(DataLoader(loader, batch_size=None)) == len(list(loader)) == 3
    with pytest.raises(AlbError, match=r"DataLoader\(loader, batch_size=None\)"):
        list(DataLoader(loader))


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": "a"},
        {"batch_size": None},
        {"batch_size": 1.5},
        {"n_samples": [1], "weights": "cell_type"},
        {"num_workers": True},
        {"measurement": 1},
        {"layer": None},
        {"method": ["numba"]},
        {"shuffle": None},
        {"config": 1},
        {"uri": 5},
        {"obs_columns": 5},
        {"obs_codes": [5]},
        {"obs_joinids": [[1], [1, 2]]},
        {"var_joinids": ["a"]},
        {"weights": [[1], [1, 2]]},
        {"rank": "0", "world_size": 2},
        {"max_memory": "1G", "method": "numba"},
    ],
)
def test_wrong_arguments_are_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        SomaLoader(**{"uri": "anywhere", "spec": SPEC, **wrong})


def test_kernels_without_a_place_to_keep_them() -> None:
    namespace: dict[str, Any] = {}
    exec("def one_more(x):\n    return x + 1", namespace)  # of no file, so numba has no place for it
    kernels._mention_no_cache.cache_clear()
    with pytest.warns(UserWarning, match="set NUMBA_CACHE_DIR"):
        assert kernels.kernel(namespace["one_more"])(1) == 2
