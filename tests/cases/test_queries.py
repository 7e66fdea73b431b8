"""Opening, asking and reading again, over a real experiment with obs as the datasets have it."""

import mmap
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import tiledbsoma

from alb_core.base.errors import AlbError
from alb_core.cases import queries
from alb_core.cases.queries import OpenCase, QueryCase, RepeatCase, slope

CELLS, GENES = 60, 50


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """60 cells; every third one is of the type that is asked for, and the last twenty have many non-zeros."""
    root = tmp_path_factory.mktemp("access") / "small"
    x = (np.random.default_rng(0).random((CELLS, GENES)) < 0.3).astype(np.float32)
    rows, columns = np.nonzero(x)
    cells, genes = np.arange(CELLS), np.arange(GENES)
    obs = pa.table(
        {
            "soma_joinid": cells,
            "cell_type": pa.array(np.where(cells % 3 == 0, "synthetic cell type 1", "another")),
            # The filter asks for more than 3,000; what a row really has is told apart by what the test sets.
            "nnz": x.sum(axis=1).astype(np.int64),
        }
    )
    var = pa.table({"soma_joinid": genes, "feature_id": [f"g{n}" for n in genes]})
    with tiledbsoma.Experiment.create(str(root)) as made:
        for name, table, place in (("obs", obs, made), ("var", var, None)):
            if place is None:
                place = made.add_new_collection("ms").add_new_collection("RNA", tiledbsoma.Measurement)
            domain = [(0, len(table) - 1)]
            place.add_new_dataframe(name, schema=table.schema, index_column_names=["soma_joinid"], domain=domain).write(
                table
            )
        layers = made.ms["RNA"].add_new_collection("X")
        array = layers.add_new_sparse_ndarray("raw", type=pa.float32(), shape=(CELLS, GENES))
        columns_of = {"soma_dim_0": rows, "soma_dim_1": columns, "soma_data": x[rows, columns]}
        array.write(pa.table(columns_of))
    return SimpleNamespace(root=root, x=x)


@pytest.fixture
def manifest(experiment, monkeypatch):
    held = SimpleNamespace(name="small", n_obs=CELLS, n_vars=GENES)
    monkeypatch.setattr(queries, "ready", lambda dataset: held)
    monkeypatch.setattr(queries, "datasets_root", lambda: experiment.root.parent)
    number = ("nnz > 15", "nnz", lambda values: np.asarray(values > 15))
    monkeypatch.setattr(queries, "FILTERS", {**queries.FILTERS, "number": number})
    monkeypatch.setattr(queries, "REPEATED_ROWS", 20)
    return held


@pytest.mark.parametrize("reach", ["experiment", "x"])
def test_an_experiment_is_opened(manifest, reach):
    OpenCase("small", reach).open()


def test_sizes_that_are_not_the_datasets_fail_the_opening(manifest):
    manifest.n_vars = 51
    OpenCase("small", "experiment").open()
    with pytest.raises(AlbError, match=r"rows of obs, and shape of X: \(60, 60, 50\), expected \(60, 60, 51\)"):
        OpenCase("small", "x").open()


@pytest.mark.parametrize("column", ["enumerated", "number"])
@pytest.mark.parametrize("result", ["joinids", "x"])
def test_a_query_gives_the_rows_of_its_filter(manifest, experiment, column, result):
    case = QueryCase("small", column, result)
    rows = np.arange(0, CELLS, 3) if column == "enumerated" else np.flatnonzero(experiment.x.sum(axis=1) > 15)
    assert np.array_equal(case._rows, rows) and case._nnz == experiment.x[rows].sum()
    case.query()
    case.query()
    case.close()


def test_a_query_with_other_rows_or_non_zeros_fails(manifest):
    case = QueryCase("small", "number", "x")
    case._nnz += 1
    with pytest.raises(AlbError, match="non-zeros of nnz > 15"):
        case.query()
    case._rows = case._rows[1:]
    with pytest.raises(AlbError, match=r"nnz > 15 gave .* rows, expected the"):
        case.query()
    case.close()


def test_a_filter_that_holds_for_nothing_measures_nothing(manifest, monkeypatch):
    none = ("nnz > 1000", "nnz", lambda values: np.asarray(values > 1000))
    monkeypatch.setattr(queries, "FILTERS", {"number": none})
    with pytest.raises(AlbError, match="no row of small has nnz > 1000"):
        QueryCase("small", "number", "x")


def test_the_filters_of_the_suite_say_the_same_in_numpy():
    for words, column, holds in queries.FILTERS.values():
        assert words.startswith(column)
        values = np.array(["synthetic cell type 1", "x"]) if column == "cell_type" else np.array([3001, 3000])
        assert holds(values).tolist() == [True, False]


@pytest.mark.parametrize("what", ["read", "open"])
def test_growth_is_seen_where_something_grows(manifest, monkeypatch, what):
    case = RepeatCase("small", what)
    case.growth()
    kept, once, page = [], case._once, b"x" * 2**25

    def growing():
        once()
        # Mapped, and much: the allocator gives back, a part each time, what other tests have freed.
        kept.append(mmap.mmap(-1, len(page)))
        kept[-1].write(page)

    monkeypatch.setattr(case, "_once", growing)
    assert case.growth() == pytest.approx(2**25, rel=0.2)
    case.close()


def test_a_read_of_other_non_zeros_fails(manifest):
    case = RepeatCase("small", "read")
    case._nnz += 1
    with pytest.raises(AlbError, match="non-zeros of a read"):
        case.growth()
    case.close()


def test_a_slope_is_that_of_most_and_not_of_a_jump():
    assert slope([0, 2, 4, 6, 8]) == 2 and slope([5, 5, 5]) == 0
    # Once a cache of a hundred is made; that is no growth with each read.
    assert slope([0, 0, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100]) == 0
