"""Rows drawn with replacement."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import all_ids, cut, require_true
from tiny import Tiny

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.experiment import OpenExperiment
from alb_core.loader.order import BLOCK_SHUFFLES
from alb_core.loader.pipelines import METHOD_NAMES
from alb_core.loader.training.drawing import Sample, balanced

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


@pytest.mark.parametrize("method", METHOD_NAMES)
@pytest.mark.parametrize("shuffle", BLOCK_SHUFFLES)
def test_a_loader_of_drawn_rows(tiny: Tiny, monkeypatch: pytest.MonkeyPatch, method: str, shuffle: str) -> None:
    """Rows as often as drawn, with their own values and obs, and each read once for its block."""
    asked: list[list[int]] = []
    for name in ("table", "tables"):
        plain = getattr(OpenExperiment, name)
        monkeypatch.setattr(
            OpenExperiment, name, lambda o, ids, plain=plain: (asked.append(ids.tolist()), plain(o, ids))[1]
        )
    weights = np.where(np.arange(700) < 50, 10.0, 0.0)
    with SomaLoader(
        tiny.uri, BlockSpec(16, 8), method=method, shuffle=shuffle, seed=2, batch_size=100, weights=weights,
        n_samples=450, obs_columns=["raw_sum"],
    ) as loader:  # fmt: skip
        assert (loader.n_rows, loader.n_batches, loader.n_blocks) == (450, 5, 4)
        asked.clear()
        loader.set_epoch(1)
        batches = list(loader)
    rows = [i for batch in require_true(tiny, batches) for i in batch]
    drawn = tiny.obs_joinids[Sample(weights, 450).rows(2, 1)]
    assert sorted(rows) == drawn.tolist()
    assert [len(ids) for ids in cut(rows, 100)] == [len(obs) for _, obs in batches]
    sums = dict(zip(tiny.obs_joinids.tolist(), tiny.raw_sum.tolist(), strict=True))
    assert [s for _, obs in batches for s in obs.column("raw_sum").to_pylist()] == [sums[i] for i in rows]
    assert (rows == drawn.tolist()) == (shuffle == "none")
    for ids in asked:
        assert len(ids) == len(set(ids))


def test_a_loader_with_balanced_classes(tiny: Tiny) -> None:
    rare = np.flatnonzero(tiny.cell_type == "neuron")[:10]
    rows = np.sort(np.concatenate([rare, np.flatnonzero(tiny.cell_type == "T cell")]))
    loader = SomaLoader(
        tiny.uri, BlockSpec(16, 8), obs_joinids=tiny.obs_joinids[rows], weights="cell_type", n_samples=2000,
        obs_columns=["cell_type"],
    )  # fmt: skip
    with loader:
        for _ in range(2):
            types = [name for _, obs in loader for name in obs.column("cell_type").to_pylist()]
            assert chi_square([types.count("neuron"), types.count("T cell")], [1000, 1000]) < CHI_SQUARE[1]
        loader.set_epoch(0)
        first = all_ids(loader)
        assert first != all_ids(loader)
        loader.set_epoch(0)
        assert all_ids(loader) == first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"weights": np.ones(699)}, r"^weights has 699 numbers for 700 rows, expected one for each$"),
        ({"weights": np.zeros(700)}, r"^weights are 0 for all 700 rows, expected one above 0 at least$"),
        ({"weights": "tissue"}, "no column tissue, expected some of"),
        ({"weights": "raw_sum"}, r"^column raw_sum of obs is double, expected text"),
    ],
)
def test_weights_that_do_not_fit(tiny: Tiny, arguments: dict, words: str) -> None:
    with pytest.raises(AlbError, match=words):
        SomaLoader(tiny.uri, BlockSpec(16, 8), **arguments).open()


def test_arguments_of_a_sample() -> None:
    with pytest.raises(AlbError) as caught:
        SomaLoader("nowhere", BlockSpec(16, 8), n_samples=3)
    assert "n_samples is 3, expected weights with it" in str(caught.value)
    with pytest.raises(AlbError) as caught:
        SomaLoader("nowhere", BlockSpec(16, 8), weights=[["a"]], n_samples=0)
    assert "weights is <U1 of shape (1, 1), expected a number for each row" in str(caught.value)
    assert "n_samples is 0, expected 1 or more" in str(caught.value)
