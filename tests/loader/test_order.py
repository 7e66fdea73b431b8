from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.order import BLOCK_SHUFFLES, CHUNK_SHUFFLES, Block, blocks, chunks, n_blocks

# Properties are drawn with chunks of any size; what is said of large ones has a test of its own.
pytestmark = pytest.mark.filterwarnings("ignore:a chunk of")

JOINIDS = np.arange(1000) * 3 + 7


def _cut(n: int, chunk_size: int, per_block: int, shuffle: str, seed: int = 0, epoch: int = 0) -> list[Block]:
    return list(blocks(np.arange(n) * 3 + 7, BlockSpec(chunk_size, per_block), shuffle, seed, epoch))


def _rows(cut: list[Block]) -> list[int]:
    return np.concatenate([block.joinids for block in cut]).tolist()


@given(st.integers(1, 300), st.integers(1, 40), st.sampled_from(CHUNK_SHUFFLES), st.integers(0, 9), st.integers(0, 3))
def test_chunks_hold_every_row_once(n: int, chunk_size: int, shuffle: str, seed: int, epoch: int) -> None:
    joinids = np.arange(n) * 3 + 7
    cut = list(chunks(joinids, chunk_size, shuffle, seed, epoch))
    assert sorted(np.concatenate(cut).tolist()) == joinids.tolist()
    assert all(len(chunk) == chunk_size for chunk in cut[:-1])
    assert 1 <= len(cut[-1]) <= chunk_size
    if shuffle == "none":
        assert np.concatenate(cut).tolist() == joinids.tolist()
    if shuffle == "chunk":
        assert np.concatenate([np.sort(chunk) for chunk in cut]).tolist() == joinids.tolist()


@given(
    st.integers(1, 300),
    st.integers(1, 40),
    st.integers(1, 9),
    st.sampled_from(BLOCK_SHUFFLES),
    st.integers(0, 9),
    st.integers(0, 3),
)
def test_blocks_hold_every_row_once(
    n: int, chunk_size: int, per_block: int, shuffle: str, seed: int, epoch: int
) -> None:
    cut = _cut(n, chunk_size, per_block, shuffle, seed, epoch)
    assert sorted(_rows(cut)) == (np.arange(n) * 3 + 7).tolist()
    assert len(cut) == n_blocks(n, BlockSpec(chunk_size, per_block))
    assert all(len(block.chunks) == per_block for block in cut[:-1])
    assert all(len(block) == len(block.joinids) > 0 for block in cut)
    if shuffle == "none":
        assert _rows(cut) == (np.arange(n) * 3 + 7).tolist()


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 9), st.integers(0, 9))
def test_chunks_of_a_block_are_consecutive(n: int, chunk_size: int, per_block: int, seed: int) -> None:
    for block in _cut(n, chunk_size, per_block, "block", seed):
        for chunk in block.chunks:
            assert (np.diff(chunk) == 3).all()
            assert (chunk[0] - 7) // 3 % chunk_size == 0


@pytest.mark.parametrize("cut", ["chunk", "block"])
@pytest.mark.parametrize("shuffle", ["own", "global"])
def test_orders_repeat_and_differ(cut: str, shuffle: str) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        mode = cut if shuffle == "own" else shuffle
        if cut == "chunk":
            return np.concatenate(list(chunks(JOINIDS, 64, mode, seed, epoch))).tolist()
        return _rows(_cut(1000, 16, 4, mode, seed, epoch))

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_block_shuffle_draws_chunks_at_random_and_mixes_them() -> None:
    cut = _cut(1000, 10, 10, "block")
    starts = [int(chunk[0]) for block in cut for chunk in block.chunks]
    assert starts != sorted(starts)
    assert _rows(cut) != [row for block in cut for chunk in block.chunks for row in chunk.tolist()]


def test_chunk_shuffle_does_not_repeat_one_permutation() -> None:
    inside = {tuple((chunk - chunk.min()).tolist()) for chunk in chunks(JOINIDS, 100, "chunk")}
    assert len(inside) == 10


def test_an_order_stays_what_it_was() -> None:
    """Results are compared over years: the same (seed, epoch) must mean the same rows."""
    assert [c.tolist() for c in chunks(np.arange(8), 4, "global", 1, 2)] == [[3, 7, 0, 5], [6, 2, 1, 4]]
    assert _rows(list(blocks(np.arange(12), BlockSpec(2, 3), "block", 1, 2))) == [1, 6, 7, 10, 0, 11, 9, 3, 2, 5, 8, 4]


@pytest.mark.parametrize("shuffle", BLOCK_SHUFFLES)
def test_dealing_blocks_changes_none_of_them(shuffle: str) -> None:
    whole = [block.joinids.tolist() for block in blocks(JOINIDS, BlockSpec(16, 4), shuffle, 5, 1)]
    dealt = [
        [block.joinids.tolist() for block in blocks(JOINIDS, BlockSpec(16, 4), shuffle, 5, 1, first=i, step=3)]
        for i in range(3)
    ]
    assert [whole[i::3] for i in range(3)] == dealt


@pytest.mark.parametrize(
    ("refuse", "words"),
    [
        (lambda: chunks(JOINIDS, 64, "block"), "shuffle is 'block', expected one of none, chunk, global"),
        (lambda: blocks(JOINIDS, BlockSpec(64, 1), "chunk"), "shuffle is 'chunk', expected one of none, block, global"),
        (lambda: chunks(JOINIDS, 0), "chunk_size is 0"),
        (lambda: blocks(JOINIDS, BlockSpec(64, 1), "block", 0, -1), "epoch is -1"),
        (lambda: chunks(JOINIDS, 64, "chunk", -1), "seed is -1"),
    ],
)
def test_arguments_are_refused_at_once(refuse, words: str) -> None:
    with pytest.raises(AlbError, match=words):
        refuse()


def test_no_rows_no_blocks() -> None:
    none = np.empty(0, dtype=np.int64)
    assert list(blocks(none, BlockSpec(4, 2), "block")) == []
    assert list(chunks(none, 4, "global")) == []


def test_a_chunk_larger_than_the_rows_is_allowed_and_said() -> None:
    for cut in (lambda: chunks(np.arange(10), 64), lambda: blocks(np.arange(10), BlockSpec(64, 2))):
        with pytest.warns(UserWarning, match="a chunk of 64 rows holds all 10 rows"):
            [only] = cut()
        assert len(only) == 10
