import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alb_core.base.checksum import combined, coo_checksum
from alb_core.datasets.spec import Spec
from alb_core.datasets.synthetic import cells
from alb_core.datasets.synthetic.cells import GROUP, Batch, Population
from alb_core.datasets.synthetic.profile import MAX_DENSITY

TINY = Spec(cells=700, vars=301)


@pytest.fixture(scope="module")
def tiny() -> Population:
    return Population(TINY)


def joined(population: Population, *ranges: tuple[int, int]) -> Batch:
    parts = [batch for start, stop in ranges for batch in population.batches(start, stop)]
    return Batch(
        ranges[0][0],
        ranges[-1][1],
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def assert_same(one: Batch, other: Batch) -> None:
    for name in ("rows", "columns", "values"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


@pytest.mark.parametrize(
    ("spec", "nnz", "total", "checksum"),
    [
        (TINY, 53_977, 6_703_020, "f0fdfeacecb49a00"),
        (Spec(cells=300, vars=500, profile="census", seed=2**40), 36_248, 5_726_054, "92e012cb4bb21a00"),
    ],
)
def test_golden(spec: Spec, nnz: int, total: int, checksum: str) -> None:
    """The cells of a specification, for ever: if this fails, raise MANIFEST_VERSION or mend the generator."""
    batches = list(Population(spec).batches())
    found = combined(*(coo_checksum(batch.rows, batch.columns, batch.values) for batch in batches))
    assert sum(len(batch.rows) for batch in batches) == nnz
    assert sum(batch.values.sum(dtype=float) for batch in batches) == total
    assert f"{found:016x}" == checksum


@settings(max_examples=30, deadline=None)
@given(cuts=st.sets(st.integers(1, TINY.cells - 1), max_size=6))
def test_cells_do_not_depend_on_how_many_are_drawn_at_a_time(tiny: Population, cuts: set[int]) -> None:
    limits = [0, *sorted(cuts), TINY.cells]
    assert_same(joined(tiny, *itertools.pairwise(limits)), joined(tiny, (0, TINY.cells)))


@pytest.mark.parametrize("size", [1, 301, 5_000, 10**9])
def test_cells_do_not_depend_on_how_many_are_held_at_a_time(
    tiny: Population, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = joined(tiny, (0, TINY.cells))
    monkeypatch.setattr(cells, "_SLICE", size)
    assert_same(joined(tiny, (0, TINY.cells)), expected)


def test_the_seed_changes_the_cells_and_layout_and_fragments_do_not(tiny: Population) -> None:
    cells = joined(tiny, (0, 700))
    assert_same(joined(Population(Spec(cells=700, vars=301, layout="soma", fragments=9)), (0, 700)), cells)
    other = joined(Population(Spec(cells=700, vars=301, seed=1)), (0, 700))
    assert not np.array_equal(other.columns, cells.columns)


@settings(max_examples=25, deadline=None)
@given(
    n_cells=st.integers(1, 2 * GROUP + 3),
    n_vars=st.integers(1, 70),
    profile=st.sampled_from(["slice-2:7", "census"]),
    seed=st.integers(0, 2**63 - 1),
)
def test_any_specification_gives_sound_cells(n_cells: int, n_vars: int, profile: str, seed: int) -> None:
    population = Population(Spec(cells=n_cells, vars=n_vars, profile=profile, seed=seed))
    batch = joined(population, (0, n_cells))
    assert (np.diff(batch.rows * n_vars + batch.columns) > 0).all(), "row-major, each coordinate once"
    assert 0 <= batch.columns.min() <= batch.columns.max() < n_vars
    assert np.array_equal(np.unique(batch.rows), np.arange(n_cells)), "no cell without a count"
    assert (batch.values >= 1).all()
    assert (batch.values == np.floor(batch.values)).all()
    assert population.measured[population.datasets_of(batch.rows), batch.columns].all()
    assert population.boundaries[0] == 0
    assert population.boundaries[-1] == n_cells
    assert (np.diff(population.boundaries) >= 1).all()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (Spec(cells=4_096, vars=20_000), 2_770),
        (Spec(cells=2_048, vars=20_000, seed=5), 2_770),
        (Spec(cells=133_790, vars=20_000), 2_770),
        (Spec(cells=2_048, vars=60_664, profile="census"), 1_945),
        (Spec(cells=2_048, vars=20_000, profile="census"), 1_945),
        (Spec(cells=4_096, vars=1_000), 1_000 * MAX_DENSITY),
    ],
    ids=str,
)
def test_calibrated_to_the_non_zeros_of_a_cell(spec: Spec, expected: float) -> None:
    batches = list(Population(spec).batches(0, 2_048))
    if spec.cells > 100_000:
        population = Population(spec)
        starts = range(0, spec.cells - GROUP, spec.cells // 12)
        batches = [batch for start in starts for batch in population.batches(start, start + GROUP)]
    found = sum(len(batch.rows) for batch in batches) / sum(batch.stop - batch.start for batch in batches)
    assert found == pytest.approx(expected, rel=0.1)
