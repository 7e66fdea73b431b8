import numpy as np
import pytest
from scipy import stats

from alb_core.datasets.synthetic.count_tables import (
    ENTRIES,
    MAX_DEPTH,
    ORIGIN,
    QUANTILES,
    STEPS,
    UNMEASURED,
    count_tables,
)


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("octaves", [-6, 0, 3, 8])
def test_tables_are_those_of_the_negative_binomial(size: int, octaves: int) -> None:
    tables = count_tables(size)
    mean = 2.0**octaves
    entry = ORIGIN + octaves * STEPS
    expected = stats.nbinom(size, size / (size + mean))
    assert tables.chance[entry] / 65_536 == pytest.approx(expected.sf(0), abs=2e-5)
    at = np.array([0, QUANTILES // 2, QUANTILES * 99 // 100])
    quantiles = expected.ppf(expected.cdf(0) + expected.sf(0) * (at + 0.5) / QUANTILES)
    assert np.abs(tables.counts[entry, at] - quantiles).max() <= 1
    assert tables.counts[entry].mean() == pytest.approx(mean / expected.sf(0), rel=0.02)


def test_an_unmeasured_gene_is_never_seen_at_any_depth() -> None:
    chance = count_tables(1).chance
    assert not chance[UNMEASURED - MAX_DEPTH : UNMEASURED + MAX_DEPTH + 1].any()


def test_more_depth_is_never_fewer_counts() -> None:
    tables = count_tables(1)
    measured = slice(2 * MAX_DEPTH + 1, ENTRIES)
    assert (np.diff(tables.chance[measured].astype(int)) >= 0).all()
    assert (np.diff(tables.counts[measured].astype(int), axis=0) >= 0).all()
    assert (tables.counts >= 1).all()
