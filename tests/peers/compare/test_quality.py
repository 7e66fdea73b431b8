"""Entropy of a perfect shuffle: exact, as counting all batches says, and as a shuffle has it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb_core.peers.compare.results import perfect_entropy, shuffle_quality
from alb_core.peers.counting import entropy


@given(st.lists(st.integers(0, 4), min_size=1, max_size=3).filter(any), st.data())
def test_it_is_the_mean_over_all_batches_that_there_are(sizes: list[int], data: st.DataObject) -> None:
    rows = np.repeat(np.arange(len(sizes)), sizes)
    drawn = data.draw(st.integers(1, min(4, len(rows))))
    all_batches = [entropy(rows[list(chosen)]) for chosen in itertools.combinations(range(len(rows)), drawn)]
    assert perfect_entropy(sizes, drawn) == pytest.approx(np.mean(all_batches), abs=1e-9)


def test_it_is_that_of_a_shuffle() -> None:
    sizes = np.array([7710, 7710, 7709, 5783, 3856])
    rows = np.random.default_rng(3).permutation(np.repeat(np.arange(5), sizes))
    seen = [entropy(rows[start : start + 256]) for start in range(0, len(rows) - 255, 256)]
    assert perfect_entropy(sizes, 256) == pytest.approx(np.mean(seen), rel=1e-3)


def test_millions_of_rows_and_many_datasets_are_no_trouble() -> None:
    assert np.log2(1000) - 1 < perfect_entropy(np.full(1000, 33_000), 1024) < np.log2(1000)
    # A mean of so many rows is off by (datasets - 1) / (2 ln 2 x rows), after Miller and Madow.
    assert perfect_entropy([10**9, 10**9], 1024) == pytest.approx(1 - 1 / (2 * np.log(2) * 1024), rel=1e-5)


def test_quality_is_a_part_of_the_perfect_one() -> None:
    sizes = np.array([500, 500])
    perfect = 3 * perfect_entropy(sizes, 100) + perfect_entropy(sizes, 50)
    assert shuffle_quality(perfect, {"100": 3, "50": 1}, sizes) == pytest.approx(1)
    assert shuffle_quality(perfect / 4, {"100": 3, "50": 1}, sizes) == pytest.approx(0.25)
    assert shuffle_quality(0.0, {"100": 3}, sizes) == 0


@pytest.mark.parametrize(
    ("mixed", "sizes", "groups"),
    [(None, {"9": 1}, [5, 5]), (0.5, {"9": 1}, None), (0.0, {"9": 1}, [50]), (0.0, {}, [5, 5])],
)
def test_where_nothing_is_mixed_there_is_no_quality(
    mixed: float | None, sizes: dict[str, int], groups: list[int] | None
) -> None:
    assert shuffle_quality(mixed, sizes, None if groups is None else np.array(groups)) is None
