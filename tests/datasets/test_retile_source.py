"""What is read of an experiment to be copied: all of it, in order, as it is; or a refusal."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tiledbsoma
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import Tiny, coordinates, joinids, write_tables

from alb_core.base.checksum import coo_checksum
from alb_core.base.errors import AlbError
from alb_core.datasets.content import table_checksum
from alb_core.datasets.retile import source as module
from alb_core.datasets.retile.source import SourceExperiment, opened
from alb_core.datasets.retry import Retry

KINDS = [pa.float32(), pa.float64(), pa.int8(), pa.int32(), pa.uint16(), pa.int64()]
COLUMNS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.bool_(): st.booleans(),
    pa.int16(): st.integers(-(2**15), 2**15 - 1),
    pa.int64(): st.integers(-(2**50), 2**50),
    pa.float64(): st.floats(allow_nan=False, allow_infinity=False),
    pa.large_string(): st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5),
}


def x_of(experiment: SourceExperiment, index: int = 0) -> pa.Table:
    """A layer, as it is handed to the writer."""
    batches = list(experiment.layers[index].batches(Retry(()), lambda _: None))
    return pa.Table.from_batches(batches) if batches else None


def obs_of(experiment: SourceExperiment) -> tuple[pa.Table, str]:
    """Obs, as it is handed to the writer, and its checksum."""
    schema, words, checksum = experiment.obs.plan(Retry(()))
    return pa.Table.from_batches(list(experiment.obs.batches(schema, words)), schema), checksum


@st.composite
def columns(draw: Any, rows: int) -> pa.Table:
    """Columns of every kind, some with nulls, some categorical with a word that is in no row."""
    found: dict[str, pa.Array] = {}
    for number, kind in enumerate(draw(st.lists(st.sampled_from(list(COLUMNS)), max_size=4))):
        values = COLUMNS[kind] | st.none() if draw(st.booleans()) else COLUMNS[kind]
        found[f"c{number}"] = pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), kind)
    words = draw(st.lists(st.text("abcé", min_size=1, max_size=3), min_size=1, max_size=4, unique=True))
    codes = st.integers(0, len(words) - 1) | st.none()
    drawn = pa.array(draw(st.lists(codes, min_size=rows, max_size=rows)), pa.int8())
    found["word"] = pa.DictionaryArray.from_arrays(
        drawn, pa.array(words, pa.large_string()), ordered=draw(st.booleans())
    )
    return pa.table(found)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_all_is_read_as_it_is(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    ids = [
        np.sort(data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=20, unique=True))) for _ in ("obs", "var")
    ]
    obs = data.draw(columns(len(ids[0]))).add_column(0, "soma_joinid", pa.array(ids[0], pa.int64()))
    cells = [(int(row), int(column)) for row in ids[0] for column in ids[1]]
    kind = data.draw(st.sampled_from(KINDS))
    wanted = data.draw(st.lists(st.sampled_from(cells), min_size=1, max_size=40, unique=True))
    values = data.draw(st.lists(st.integers(0, 100), min_size=len(wanted), max_size=len(wanted)))
    values[0] = 1
    rows, genes = (np.array(one, np.int64) for one in zip(*wanted, strict=True))
    var = pa.table({"soma_joinid": pa.array(ids[1], pa.int64())})
    other = coordinates(rows, genes, values, pa.float64())
    path = tmp_path_factory.mktemp("drawn") / "experiment"
    write_tables(path, obs, var, coordinates(rows, genes, values, kind), more={"normalized": other})

    with opened(str(path), {}) as experiment:
        assert [layer.name for layer in experiment.layers] == ["raw", "normalized"]
        for place, expected in ((0, kind), (1, pa.float64())):
            read, layer = x_of(experiment, place), experiment.layers[place]
            assert layer.type == expected == read.schema.field("soma_data").type
            triples = list(zip(*(read.column(name).to_pylist() for name in read.column_names), strict=True))
            # Zeros that are stored are left out: no epoch could count them.
            assert triples == sorted(one for one in zip(rows.tolist(), genes.tolist(), values, strict=True) if one[2])
            assert (layer.totals.nnz, layer.totals.sum) == (np.count_nonzero(values), sum(values))
            assert layer.totals.checksum == f"{coo_checksum(rows, genes, np.array(values, np.float32)):016x}"
        table, checksum = obs_of(experiment)
    assert table.to_pydict() == obs.to_pydict()
    assert checksum == table_checksum(table) == table_checksum(obs)
    assert table.schema.field("word").type.ordered == obs.schema.field("word").type.ordered
    with tiledbsoma.DataFrame.open(str(path / "obs")) as frame:
        # tiledbsoma itself drops words that are in no row, when it writes a column with nulls.
        held = frame.read().concat()["word"].chunk(0).dictionary
    assert table["word"].chunk(0).dictionary.to_pylist() == held.to_pylist()


def test_few_rows_at_a_time_are_the_same(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches that overflow are read again in halves; pieces are cut anywhere."""
    with opened(tiny.uri, {}) as experiment:
        whole = x_of(experiment)
        monkeypatch.setattr(module, "MAX_NNZ", 100)
        monkeypatch.setattr(module, "_BATCH_NNZ", 7)
        few = x_of(experiment)
    assert few.column("soma_dim_0").num_chunks > 100
    assert few.equals(whole)
    assert whole["soma_data"].to_pylist() == tiny.x[tiny.x != 0].tolist()


def test_nulls_and_nan_are_told_apart_or_refused(tmp_path: Path) -> None:
    def seen(name: str, values: list[float | None]) -> Any:
        obs = joinids(2).append_column("a", pa.array(values, pa.float64()))
        write_tables(tmp_path / name, obs, joinids(2), coordinates([0], [0], [1]))
        with opened(str(tmp_path / name), {}) as experiment:
            return obs_of(experiment)[0]

    null, nan = seen("null", [1, None]), seen("nan", [1, math.nan])
    assert null["a"].to_pylist() == [1, None]
    assert null.schema.metadata[b"a"] == b"nullable"
    assert math.isnan(nan["a"].to_pylist()[1])
    assert b"a" not in (nan.schema.metadata or {})
    with pytest.raises(AlbError, match="both nulls and NaN in its column a"):
        seen("both", [math.nan, None])


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (coordinates([0, 2], [0, 0], [1, 1]), "2 entries, of which 1 have rows in obs and var"),
        (coordinates([0], [1], [1]), "holds columns that are not in var"),
        (coordinates([0], [0], [math.nan]), "not finite"),
        (coordinates([0], [0], [1e300], pa.float64()), "beyond those of float32"),
    ],
    ids=["row", "column", "nan", "overflow"],
)
def test_what_a_dataset_cannot_hold_is_refused(tmp_path: Path, x: pa.Table, words: str) -> None:
    """Obs has the joinids 0, 1 and 3, var 0 and 2."""
    obs, var = (pa.table({"soma_joinid": pa.array(ids, pa.int64())}) for ids in ([0, 1, 3], [0, 2]))
    write_tables(tmp_path / "mine", obs, var, x)
    with opened(str(tmp_path / "mine"), {}) as experiment, pytest.raises(AlbError, match=words):
        x_of(experiment)


def test_other_experiments_are_refused(tmp_path: Path) -> None:
    one = coordinates([0], [0], [1])

    def refused(name: str) -> str:
        with pytest.raises(AlbError) as caught, opened(str(tmp_path / name), {}):
            pass
        return str(caught.value)

    write_tables(tmp_path / "dense", joinids(2), joinids(2), np.ones((2, 2), np.float32))
    assert "is a DenseNDArray, expected a SparseNDArray" in refused("dense")
    write_tables(tmp_path / "other", joinids(2), joinids(2), one, layer="data")
    assert "has no X layer 'raw', expected one of data" in refused("other")
    times = joinids(2).append_column("time", pa.array([0, 1], pa.timestamp("us")))
    write_tables(tmp_path / "times", times, joinids(2), one)
    assert "column time holds timestamp[us]" in refused("times")


def test_what_has_no_place_is_named(tmp_path: Path) -> None:
    path = write_tables(tmp_path / "mine", joinids(2), joinids(2), coordinates([0], [0], [1]))
    with tiledbsoma.Experiment.open(path, "w") as experiment:
        experiment.add_new_collection("uns").close()
        experiment.ms.add_new_collection("ATAC", tiledbsoma.Measurement).close()
        experiment.ms["RNA"].add_new_collection("obsm").close()
    with opened(path, {}) as experiment:
        assert experiment.left_out == ("uns", "ms/ATAC", "ms/RNA/obsm")
