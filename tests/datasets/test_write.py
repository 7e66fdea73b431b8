"""The writer's boundary: whatever tables and batches, written by the floor, read by the installed release."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tiledbsoma

from alb_core.base.errors import AlbError
from alb_core.datasets.manifest import size_on_disk
from alb_core.datasets.writer.write import X_SCHEMA, write_experiment

pytestmark = pytest.mark.e2e

N_OBS, N_VARS = 5_000, 3_000


def coordinates() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row-major, over several tiles each way, with empty rows at the start, in the middle and at the end."""
    random = np.random.default_rng(0)
    flat = np.sort(random.choice(N_OBS * N_VARS, 100_000, replace=False))
    rows, columns = np.divmod(flat, N_VARS)
    kept = (rows > 10) & ~((rows > 2_000) & (rows < 2_600)) & (rows < 4_900)
    values = random.integers(1, 100, len(flat)).astype(np.float32)
    return rows[kept], columns[kept], values[kept]


def batches(size: int, *columns: np.ndarray) -> list[pa.RecordBatch]:
    return [
        pa.RecordBatch.from_arrays([pa.array(one[start : start + size]) for one in columns], schema=X_SCHEMA)
        for start in range(0, len(columns[0]) or 1, size)
    ]


def obs() -> pa.Table:
    words = pa.array(["a", "b", "c"] * N_OBS)[:N_OBS].dictionary_encode()
    return pa.table({"soma_joinid": pa.array(range(N_OBS), pa.int64()), "word": words})


def var() -> pa.Table:
    return pa.table({"soma_joinid": pa.array(range(N_VARS), pa.int64()), "feature_id": [str(i) for i in range(N_VARS)]})


def fragments_of(path: Path) -> int:
    return len(list((path / "ms/RNA/X/raw/__fragments").iterdir()))


@pytest.mark.parametrize("layout", ["census", "soma"])
@pytest.mark.parametrize(("fragments", "size"), [(1, 7_777), (3, 100_000), (11, 1_000)])
def test_what_is_written_is_what_is_read(writable: Path, layout: str, fragments: int, size: int) -> None:
    path = writable / "experiment"
    rows, columns, values = coordinates()
    write_experiment(
        path, (N_OBS, N_VARS), batches(size, rows, columns, values), obs, var, layout=layout, fragments=fragments
    )
    with tiledbsoma.Experiment.open(str(path)) as experiment:
        x = experiment.ms["RNA"].X["raw"]
        read = x.read(result_order="row-major").tables().concat()
        assert x.shape == (N_OBS, N_VARS)
        assert np.array_equal(read["soma_dim_0"], rows)
        assert np.array_equal(read["soma_dim_1"], columns)
        assert np.array_equal(read["soma_data"], values)
        assert experiment.obs.read().concat()["word"].to_pylist() == obs()["word"].to_pylist()
        assert experiment.ms["RNA"].var.read().concat()["feature_id"].to_pylist() == var()["feature_id"].to_pylist()
    assert fragments_of(path) == fragments


def test_layouts_are_those_of_the_census_and_of_the_floor(writable: Path) -> None:
    rows, columns, values = coordinates()
    options = {}
    for layout in ("census", "soma"):
        path = writable / layout
        write_experiment(path, (N_OBS, N_VARS), batches(50_000, rows, columns, values), obs, var, layout=layout)
        with tiledbsoma.Experiment.open(str(path)) as experiment:
            options[layout] = experiment.ms["RNA"].X["raw"].schema_config_options()
    census, soma = options["census"], options["soma"]
    filters = {
        name: json.loads(one["filters"]) if isinstance(one["filters"], str) else one["filters"]
        for name, one in json.loads(census.dims).items()
    }
    assert (census.capacity, soma.capacity) == (65_536, 100_000)
    assert (census.allows_duplicates, soma.allows_duplicates) == (True, False)
    assert census.cell_order == census.tile_order == "row-major"
    assert {one["tile"] for one in json.loads(census.dims).values()} == {"2048"}
    assert [one["name"] for one in filters["soma_dim_0"]] == ["ZSTD"]
    assert [one["name"] for one in filters["soma_dim_1"]] == ["BYTESHUFFLE", "ZSTD"]
    assert size_on_disk(writable / "census" / "ms") != size_on_disk(writable / "soma" / "ms")


@pytest.mark.parametrize(("n_rows", "n_fragments"), [(1_000, 1), (0, 0)])
def test_a_fragment_without_non_zeros_is_left_out(writable: Path, n_rows: int, n_fragments: int) -> None:
    path = writable / "experiment"
    columns = [one[coordinates()[0] < n_rows] for one in coordinates()]
    write_experiment(path, (N_OBS, N_VARS), batches(500, *columns), obs, var, fragments=5)
    with tiledbsoma.Experiment.open(str(path)) as experiment:
        assert experiment.ms["RNA"].X["raw"].nnz == len(columns[0])
    assert fragments_of(path) == n_fragments


@pytest.mark.parametrize("fault", ["order", "repeat", "beyond"])
def test_unsound_coordinates_are_refused(writable: Path, fault: str) -> None:
    rows, columns, values = (one.copy() for one in coordinates())
    if fault == "order":
        rows[[5, 50_000]] = rows[[50_000, 5]]
    elif fault == "repeat":
        rows[1], columns[1] = rows[0], columns[0]
    else:
        rows[-1] = N_OBS
    with pytest.raises(AlbError, match="X is not in row-major order, repeats a coordinate, or has more rows"):
        write_experiment(writable / "experiment", (N_OBS, N_VARS), batches(1_000, rows, columns, values), obs, var)


def test_an_error_of_the_source_comes_through_and_ends_the_writer(writable: Path) -> None:
    def source() -> object:
        yield from batches(1_000, *coordinates())[:3]
        raise AlbError("the source has dried up")

    with pytest.raises(AlbError, match="dried up"):
        write_experiment(writable / "experiment", (N_OBS, N_VARS), source(), obs, var)  # type: ignore[arg-type]


def test_a_place_that_is_taken_is_told(writable: Path) -> None:
    (writable / "experiment").write_text("mine")
    with pytest.raises(AlbError, match=r"could not write .*experiment"):
        write_experiment(writable / "experiment", (N_OBS, N_VARS), [], obs, var)
    assert (writable / "experiment").read_text() == "mine"
