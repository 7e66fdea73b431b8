from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alb_core.base.errors import AlbError
from alb_core.loader import block_pipeline
from alb_core.loader.block_pipeline import METHODS, Positions


def _reference(table: pa.Table, rows: list[int], columns: list[int]) -> np.ndarray:
    """Value by value, as plainly as can be."""
    dense = np.zeros((len(rows), len(columns)), dtype=np.float32)
    for record in table.to_pylist():
        dense[rows.index(record["soma_dim_0"]), columns.index(record["soma_dim_1"])] = record["soma_data"]
    return dense


def _table(rows: list[int], columns: list[int], rng: np.random.Generator, pieces: int) -> pa.Table:
    """Some of the cells, in random order, in several record batches."""
    row, column = np.nonzero(rng.random((len(rows), len(columns))) < 0.3)
    order = rng.permutation(len(row))
    table = pa.table(
        {
            "soma_dim_0": pa.array(np.asarray(rows, dtype=np.int64)[row[order]]),
            "soma_dim_1": pa.array(np.asarray(columns, dtype=np.int64)[column[order]]),
            "soma_data": pa.array(rng.integers(1, 100, len(row)).astype(np.float32)),
        }
    )
    size = -(-len(row) // pieces) or 1
    return pa.concat_tables([table.slice(start, size) for start in range(0, max(len(row), 1), size)])


joinid_lists = st.one_of(
    st.lists(st.integers(0, 60), min_size=1, max_size=20, unique=True),
    st.lists(st.integers(0, 2**40), min_size=1, max_size=20, unique=True),
    st.builds(lambda first, n: list(range(first, first + n)), st.integers(0, 2**40), st.integers(1, 20)),
)


@pytest.mark.parametrize("method", METHODS)
@given(rows=joinid_lists, columns=joinid_lists, seed=st.integers(0, 99), pieces=st.integers(1, 4))
def test_methods_equal_the_reference(method: str, rows: list[int], columns: list[int], seed: int, pieces: int) -> None:
    table = _table(rows, columns, np.random.default_rng(seed), pieces)
    block = METHODS[method](table, Positions(np.array(rows)), Positions(np.array(columns)))
    expected = _reference(table, rows, columns)
    for start, stop in ((0, len(rows)), (len(rows) // 2, len(rows)), (0, 1)):
        batch = block.dense(start, stop)
        assert batch.dtype == torch.float32
        np.testing.assert_array_equal(batch.numpy(), expected[start:stop])
        filled = torch.full_like(batch, 7)
        block.fill(filled, start, stop)
        np.testing.assert_array_equal(filled.numpy(), expected[start:stop])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.int32, np.float64, np.uint8])
def test_values_of_other_types_become_float32(method: str, dtype: type) -> None:
    table = pa.table({"soma_dim_0": [3, 1], "soma_dim_1": [0, 1], "soma_data": np.array([5, 6], dtype)})
    batch = METHODS[method](table, Positions(np.array([1, 3])), Positions(np.array([0, 1]))).dense(0, 2)
    assert batch.dtype == torch.float32
    assert batch.tolist() == [[0, 6], [5, 0]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rows", [[10, 11, 12], [12, 10, 11], [10, 2**40, 11]])
@pytest.mark.parametrize("stranger", [9, 13, 2**41])
def test_a_row_that_was_not_asked_for_is_refused(method: str, rows: list[int], stranger: int) -> None:
    table = pa.table({"soma_dim_0": [10, stranger], "soma_dim_1": [0, 0], "soma_data": np.ones(2, np.float32)})
    with pytest.raises(AlbError, match=f"joinid {stranger} is not among the 3"):
        METHODS[method](table, Positions(np.array(rows)), Positions(np.array([0])))


@given(joinid_lists, st.integers(0, 99))
def test_positions(joinids: list[int], seed: int) -> None:
    positions = Positions(np.array(joinids))
    asked = np.random.default_rng(seed).integers(0, len(joinids), 30)
    assert len(positions) == len(joinids)
    assert positions.of(np.array(joinids)[asked]).tolist() == asked.tolist()
    assert positions.of(np.empty(0, dtype=np.int64)).dtype == np.int32


@pytest.mark.parametrize("joinids", [[5, 6, 5], [4, 4], [2**40, 1, 2**40], [1, 2, 3, 3]])
def test_positions_refuse_a_joinid_twice(joinids: list[int]) -> None:
    with pytest.raises(AlbError, match="expected each once"):
        Positions(np.array(joinids))


def test_looking_up_and_searching_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    joinids = np.random.default_rng(0).permutation(5000)[:700]
    looked_up = Positions(joinids)
    monkeypatch.setattr(block_pipeline, "_MAX_SPAN", 100)
    searched = Positions(joinids)
    asked = joinids[::-3]
    np.testing.assert_array_equal(looked_up.of(asked), searched.of(asked))
    absent = np.setdiff1d(np.arange(5000), joinids)[:1]
    for positions in (looked_up, searched):
        with pytest.raises(AlbError, match="is not among"):
            positions.of(absent)
