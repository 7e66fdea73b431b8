"""Rows drawn with replacement."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb_core.errors import AlbError
from alb_core.sampling import Sample, balanced

#: Chi-square that a fair draw exceeds once in 1,000 times, by degrees of freedom.
CHI_SQUARE = {1: 10.83, 2: 13.82, 3: 16.27, 9: 27.88}


def chi_square(counts, expected) -> float:
    counts, expected = np.asarray(counts, float), np.asarray(expected, float)
    return float(((counts - expected) ** 2 / expected).sum())


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 1e-9, 1e9]), min_size=1, max_size=50).filter(any),
    st.integers(1, 300),
    st.integers(0, 5),
    st.integers(0, 3),
)
def test_what_is_drawn(weights: list[float], n_samples: int, seed: int, epoch: int) -> None:
    rows = Sample(np.array(weights), n_samples).rows(seed, epoch)
    assert len(rows) == n_samples
    assert (np.diff(rows) >= 0).all()
    assert all(weights[row] > 0 for row in rows)
    assert rows.tolist() == Sample(np.array(weights), n_samples).rows(seed, epoch).tolist()


def test_each_epoch_and_seed_has_its_draw() -> None:
    sample = Sample(np.ones(100), 50)
    assert len({tuple(sample.rows(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_a_draw_stays_what_it_was() -> None:
    """Results are compared over years, and epochs taken up by later releases of numpy."""
    assert Sample(np.array([1.0, 0.0, 3.0, 2.0]), 10).rows(1, 2).tolist() == [0, 2, 2, 2, 2, 2, 3, 3, 3, 3]


@pytest.mark.parametrize("seed", range(3))
def test_rows_come_as_often_as_their_weights_say(seed: int) -> None:
    weights = np.arange(1.0, 11.0)
    counts = np.bincount(Sample(weights, 20_000).rows(seed, 0), minlength=10)
    assert chi_square(counts, 20_000 * weights / weights.sum()) < CHI_SQUARE[9]


@pytest.mark.parametrize("seed", range(3))
def test_classes_come_equally_often(seed: int) -> None:
    codes = np.array([0] * 1000 + [1] * 100 + [-1] * 50 + [2] * 10 + [3])
    counts = np.bincount(codes[Sample(balanced(codes), 8000).rows(seed, 0)], minlength=4)
    assert chi_square(counts, [2000] * 4) < CHI_SQUARE[3]
    unweighted = np.bincount(codes[codes >= 0][Sample(np.ones(1111), 8000).rows(seed, 0)], minlength=4)
    assert chi_square(unweighted, [2000] * 4) > CHI_SQUARE[3]


def test_rows_without_a_class_are_not_drawn() -> None:
    assert balanced(np.array([0, -1, 1, 0])).tolist() == [0.5, 0, 1, 0.5]
    with pytest.raises(AlbError, match="weights are 0 for all 3 rows"):
        Sample(balanced(np.array([-1, -1, -1])), 5)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_wrong_weights(wrong: float) -> None:
    with pytest.raises(AlbError, match=rf"^weights has {wrong} for row 1 \(1 such in all\), expected finite numbers"):
        Sample(np.array([1.0, wrong]), 5)
