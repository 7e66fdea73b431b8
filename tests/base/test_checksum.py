from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb_core.base.checksum import Totals, combined, coo_checksum, dense_checksum, same_sum
from alb_core.base.errors import AlbError

RNG = np.random.default_rng(0)
ROWS = np.sort(RNG.choice(10**9, 200, replace=False))
COLUMNS = np.sort(RNG.choice(10**5, 130, replace=False))
MATRIX = (RNG.integers(1, 50, (200, 130)) * (RNG.random((200, 130)) < 0.2)).astype(np.float32)


def _coo() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    i, j = np.nonzero(MATRIX)
    return ROWS[i], COLUMNS[j], MATRIX[i, j]


def test_it_stays_what_it_was() -> None:
    """Manifests hold it: another figure for the same matrix would refuse every dataset that was ever written."""
    assert coo_checksum([0, 1, 5], [2, 0, 7], np.array([1, 2, 3], np.float32)) == 2687411618974793728


def test_dense_and_coo_agree() -> None:
    assert dense_checksum(MATRIX, ROWS, COLUMNS) == coo_checksum(*_coo())


@given(st.integers(0, 2**32))
def test_order_makes_no_difference(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(_coo()[0]))
    assert coo_checksum(*(part[order] for part in _coo())) == coo_checksum(*_coo())
    rows = np.random.default_rng(seed).permutation(len(ROWS))
    columns = np.random.default_rng(seed + 1).permutation(len(COLUMNS))
    shuffled = MATRIX[rows][:, columns]
    assert dense_checksum(shuffled, ROWS[rows], COLUMNS[columns]) == coo_checksum(*_coo())


@given(st.integers(0, 200))
def test_parts_combine(cut: int) -> None:
    parts = [dense_checksum(MATRIX[part], ROWS[part], COLUMNS) for part in (slice(cut), slice(cut, None))]
    assert combined(*parts) == coo_checksum(*_coo())


def _lost(m: np.ndarray, i: int, j: int) -> None:
    m[i, j] = 0


def _altered(m: np.ndarray, i: int, j: int) -> None:
    m[i, j] += 1


def _moved_down(m: np.ndarray, i: int, j: int) -> None:
    m[[i, i - 1], j] = m[[i - 1, i], j]


def _moved_right(m: np.ndarray, i: int, j: int) -> None:
    m[i, [j, j - 1]] = m[i, [j - 1, j]]


@pytest.mark.parametrize("change", [_lost, _altered, _moved_down, _moved_right])
def test_one_wrong_value_changes_it(change) -> None:
    for i, j in np.argwhere(MATRIX)[::50]:
        wrong = MATRIX.copy()
        change(wrong, i, j)
        if not np.array_equal(wrong, MATRIX):
            assert dense_checksum(wrong, ROWS, COLUMNS) != dense_checksum(MATRIX, ROWS, COLUMNS)


def test_a_repeated_value_changes_it() -> None:
    rows, columns, values = _coo()
    again = coo_checksum(rows[:1], columns[:1], values[:1])
    assert combined(coo_checksum(rows, columns, values), again) != coo_checksum(rows, columns, values)


def test_nothing_sums_to_zero() -> None:
    none = np.empty(0, dtype=np.int64)
    assert coo_checksum(none, none, np.empty(0, np.float32)) == 0
    assert dense_checksum(np.zeros((3, 4), np.float32), np.arange(3), np.arange(4)) == 0
    assert combined() == 0


def test_whole_numbers_of_another_type_count_as_float32() -> None:
    rows, columns, values = _coo()
    assert coo_checksum(rows, columns, values.astype(np.int32)) == coo_checksum(rows, columns, values)


@pytest.mark.filterwarnings("error")
def test_wrapping_around_warns_of_nothing() -> None:
    dense_checksum(MATRIX, ROWS, COLUMNS)


def test_sums_of_whole_counts_are_exact_and_those_of_fractions_nearly() -> None:
    assert same_sum(5.0, 5) and same_sum(5, 5.0) and same_sum(2**60, 2**60)
    assert not same_sum(2**60 + 1, 2**60)
    assert not same_sum(1e9 + 1, 10**9) and not same_sum(1e9 + 1, 1e9)
    assert not same_sum(1e9 + 0.5, 10**9), "of whole counts no half can come"
    assert same_sum(1e9 + 0.5, 1e9 + 0.25) and same_sum(4096.0, 4096.0001) and same_sum(4096.0001, 4096.0)
    assert not same_sum(4096.0, 4096.01) and not same_sum(4096.5, 4100.5)


@given(st.lists(st.floats(2**-20, 2**20, width=32), min_size=2, max_size=64), st.randoms())
def test_any_order_of_adding_is_the_same_sum(values: list[float], random) -> None:
    ordered = np.array(values, np.float32)
    random.shuffle(values)
    assert same_sum(float(ordered.sum(dtype=np.float32)), float(np.array(values).sum()))


def test_every_figure_that_differs_is_named() -> None:
    right = Totals(700, 10_000, 25_000, 0xAB)
    assert right.differences(right) == [] and Totals(700, 10_000, 25_000.0).differences(right) == []
    assert Totals(1, 2, 3.0, 4).differences(right) == [
        "rows 1, expected 700",
        "non-zeros 2, expected 10,000",
        "sum 3.0, expected 25,000",
        "checksum 0000000000000004, expected 00000000000000ab",
    ]
    assert Totals(700, 10_000, 25_000, 1).differences(right)[0].endswith(": values stand at wrong places")
    with pytest.raises(AlbError, match=r"^what was read is not what the dataset holds: non-zeros 9, expected 10,000$"):
        Totals(700, 9, 25_000.0).require(right)


def test_what_several_passes_come_to() -> None:
    assert Totals(10, 20, 30.0, 2**64 - 1).times(3) == Totals(30, 60, 90.0, 2**64 - 3)
