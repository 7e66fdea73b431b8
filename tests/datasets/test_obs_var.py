import itertools

import numpy as np
import pyarrow as pa
import pytest

from alb_core.datasets.content import table_checksum
from alb_core.datasets.spec import Spec
from alb_core.datasets.synthetic.cells import Population
from alb_core.datasets.synthetic.obs_var import RunningCounts, obs_table, var_table

SPEC = Spec(cells=600, vars=200, seed=3)


@pytest.fixture(scope="module")
def made() -> tuple[Population, np.ndarray, pa.Table, pa.Table]:
    population = Population(SPEC)
    counted = RunningCounts(SPEC.cells, SPEC.vars)
    dense = np.zeros((SPEC.cells, SPEC.vars))
    for batch in population.batches():
        counted.add(batch.rows, batch.columns, batch.values)
        dense[batch.rows, batch.columns] = batch.values
    return population, dense, obs_table(population, counted), var_table(population, counted)


def test_counted_columns_of_obs_are_true(made: tuple[Population, np.ndarray, pa.Table, pa.Table]) -> None:
    population, dense, obs, _ = made
    column = {name: obs.column(name).to_numpy() for name in obs.schema.names[-5:]}
    assert np.array_equal(column["raw_sum"], dense.sum(axis=1))
    assert np.array_equal(column["nnz"], (dense > 0).sum(axis=1))
    seen = [row[row > 0] for row in dense]
    assert np.allclose(column["raw_mean_nnz"], [values.mean() for values in seen])
    variances = [values.var(ddof=1) if len(values) > 1 else 0.0 for values in seen]
    assert np.allclose(column["raw_variance_nnz"], variances)
    measured = population.measured.sum(axis=1)[population.datasets_of(np.arange(SPEC.cells))]
    assert np.array_equal(column["n_measured_vars"], measured)


def test_counted_columns_of_var_are_true(made: tuple[Population, np.ndarray, pa.Table, pa.Table]) -> None:
    population, dense, _, var = made
    assert var.schema.names == ["soma_joinid", "feature_id", "feature_name", "feature_length", "nnz", "n_measured_obs"]
    assert np.array_equal(var.column("nnz").to_numpy(), (dense > 0).sum(axis=0))
    measured = population.measured[population.datasets_of(np.arange(SPEC.cells))].sum(axis=0)
    assert np.array_equal(var.column("n_measured_obs").to_numpy(), measured)
    assert len(set(var.column("feature_id").to_pylist())) == SPEC.vars


def test_rows_of_a_source_dataset_are_contiguous(made: tuple[Population, np.ndarray, pa.Table, pa.Table]) -> None:
    ids = made[2].column("dataset_id").to_pylist()
    changes = sum(one != other for one, other in itertools.pairwise(ids))
    assert changes + 1 == len(set(ids)) == 5


def test_golden(made: tuple[Population, np.ndarray, pa.Table, pa.Table]) -> None:
    """The tables of a specification, for ever: if this fails, raise MANIFEST_VERSION or mend the tables."""
    assert table_checksum(made[2])[:16] == "1fdd006bde7b75e5"
    assert table_checksum(made[3])[:16] == "2b472bc480b88234"
