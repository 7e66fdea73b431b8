"""Pieces cut and joined to batches."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alb_core.loader.batches import recut

DENSE = torch.from_numpy((np.random.default_rng(0).random((60, 7)) < 0.3).astype(np.float32))


def _pieces(lengths, sparse):
    start = 0
    for length in lengths:
        x = DENSE[start : start + length]
        yield x.to_sparse_csr() if sparse else x, pa.table({"row": np.arange(start, start + length)})
        start += length


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
@given(st.lists(st.integers(1, 15), max_size=4), st.lists(st.integers(1, 20), max_size=4), st.booleans())
def test_any_pieces_to_any_sizes(lengths: list[int], sizes: list[int], sparse: bool) -> None:
    """A plain reference: rows in a list."""
    left = list(range(sum(lengths)))
    for x, obs in recut(_pieces(lengths, sparse), iter(sizes)):
        expected, left = left[: sizes[0]], left[sizes[0] :]
        sizes = sizes[1:]
        assert obs.column("row").to_pylist() == expected
        assert x.shape == (len(expected), 7) and (x.layout == torch.sparse_csr) == sparse
        assert torch.equal(x.to_dense(), DENSE[expected])
    assert not left or not sizes


def test_what_fits_is_handed_out_as_it_is_and_nothing_taken_beyond_it() -> None:
    pieces = _pieces([4, 4, 4, 4], False)
    first, second = list(recut(pieces, iter([4, 4])))
    assert first[0].data_ptr() == DENSE.data_ptr() and second[1].column("row").to_pylist() == [4, 5, 6, 7]
    assert len(list(pieces)) == 2


def test_endless_sizes() -> None:
    assert [len(obs) for _, obs in recut(_pieces([5, 5], False), iter(lambda: 3, None))] == [3, 3, 3, 1]
