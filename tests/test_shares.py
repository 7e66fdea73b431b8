"""Ranks and their shares: every row once, and as many batches for each."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alb_core import shares
from alb_core.block_spec import BlockSpec
from alb_core.errors import AlbError
from alb_core.order import BLOCK_SHUFFLES, blocks
from alb_core.plan import Plan
from alb_core.shares import Share


def _plans(n, spec, shuffle, batch_size, world, *, seed=0, drop_last=False, worker=None):
    joinids = np.arange(n) * 3 + 7
    return [
        Plan(joinids, np.arange(5), spec, shuffle, seed, batch_size, drop_last, Share(rank, world), worker=worker)
        for rank in range(world)
    ]


def _rows(plan, epoch=0, first_batch=0):
    return [i for block in plan.blocks(epoch, first_batch) for i in block.joinids.tolist()]


def _batches(plan, epoch=0, first_batch=0):
    """Batches as the loader is to cut them, in the plainest way."""
    rows = iter(_rows(plan, epoch, first_batch))
    return [list(itertools.islice(rows, size)) for size in plan.sizes(first_batch)]


@given(st.integers(1, 400), st.integers(1, 50), st.booleans(), st.integers(1, 7))
def test_batches_of_shares(n: int, batch_size: int, drop_last: bool, world: int) -> None:
    every = [Share(rank, world) for rank in range(world)]
    ends = [share.rows(n) for share in every]
    assert [start for start, _ in ends] == [0, *(stop for _, stop in ends[:-1])]
    assert ends[-1][1] == n
    lengths = [stop - start for start, stop in ends]
    assert max(lengths) - min(lengths) <= 1
    if n < world and world > 1:
        with pytest.raises(AlbError, match=f"{n} rows for {world} ranks or workers, expected a row for each"):
            shares.cut(n, batch_size, drop_last, every[0])
        return
    if batch_size == 1 and n % world and not drop_last:
        with pytest.raises(AlbError, match="take drop_last=True, or batches of 2 or more"):
            shares.cut(n, batch_size, drop_last, every[0])
        return
    cuts = [shares.cut(n, batch_size, drop_last, share) for share in every]
    assert len({len(cut) for cut in cuts}) == 1
    for cut, length in zip(cuts, lengths, strict=True):
        sizes = list(cut.sizes())
        assert len(sizes) == len(cut)
        assert all(1 <= size <= batch_size for size in sizes)
        if drop_last:
            assert sizes == [batch_size] * (n // world // batch_size)
        else:
            assert sum(sizes) == length
            # All but the last two are whole, and those hold as many rows as one or two whole ones would.
            assert all(size == batch_size for size in sizes[:-2])
        for first in range(len(cut) + 1):
            assert cut.start(first) == sum(sizes[:first])
            assert list(cut.sizes(first)) == sizes[first:]


def test_one_share_has_the_batches_that_it_always_had() -> None:
    assert list(shares.cut(10, 4, False, Share()).sizes()) == [4, 4, 2]
    assert list(shares.cut(8, 4, False, Share()).sizes()) == [4, 4]
    assert list(shares.cut(10, 4, True, Share()).sizes()) == [4, 4]
    assert list(shares.cut(0, 4, False, Share()).sizes()) == []


def test_a_row_more_is_a_batch_more_for_all() -> None:
    assert [list(shares.cut(9, 4, False, Share(rank, 2)).sizes()) for rank in (0, 1)] == [[3, 1], [4, 1]]


@given(
    st.integers(1, 300),
    st.integers(1, 40),
    st.integers(1, 9),
    st.sampled_from(BLOCK_SHUFFLES),
    st.integers(1, 5),
    st.integers(2, 30),
    st.integers(0, 3),
)
def test_every_row_once_over_all_ranks(
    n: int, chunk_size: int, per_block: int, shuffle: str, world: int, batch_size: int, epoch: int
) -> None:
    spec = BlockSpec(chunk_size, per_block)
    if n < world:
        return
    plans = _plans(n, spec, shuffle, batch_size, world)
    cut = [_batches(plan, epoch) for plan in plans]
    assert len({len(batches) for batches in cut}) == 1
    assert sorted(i for batches in cut for batch in batches for i in batch) == (np.arange(n) * 3 + 7).tolist()
    for plan, batches in zip(plans, cut, strict=True):
        assert [i for batch in batches for i in batch] == _rows(plan, epoch)
        assert all(len(block) <= spec.block_size for block in plan.blocks(epoch))
    if world == 1:
        order = blocks(plans[0].joinids, spec, shuffle, 0, epoch)
        assert _rows(plans[0], epoch) == [i for block in order for i in block.joinids.tolist()]


@given(st.integers(20, 300), st.integers(1, 40), st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_chunks_are_cut_at_the_ends_of_shares_alone(
    n: int, chunk_size: int, per_block: int, world: int, epoch: int
) -> None:
    cut = 0
    for plan in _plans(n, BlockSpec(chunk_size, per_block), "block", 2, world):
        drawn = [chunk for block in plan.blocks(epoch) for chunk in block.chunks]
        for chunk in drawn:
            assert (np.diff(chunk) == 3).all()
            assert (chunk[0] - 7) // 3 // chunk_size == (chunk[-1] - 7) // 3 // chunk_size
        cut += len(drawn)
    assert cut <= -(-n // chunk_size) + world - 1


@pytest.mark.parametrize("shuffle", ["block", "global"])
def test_shares_are_drawn_again_each_epoch(shuffle: str) -> None:
    rank = _plans(1000, BlockSpec(16, 4), shuffle, 10, 2)[1]
    assert sorted(_rows(rank, 0)) != sorted(_rows(rank, 1))
    assert _rows(rank, 1) == _rows(_plans(1000, BlockSpec(16, 4), shuffle, 10, 2)[1], 1)
    assert _rows(rank, 1) != _rows(_plans(1000, BlockSpec(16, 4), shuffle, 10, 2, seed=1)[1], 1)


def test_ranks_shuffle_their_blocks_each_in_its_own_way() -> None:
    one, other = (next(plan.blocks(0)) for plan in _plans(1024, BlockSpec(16, 4), "block", 10, 2))
    assert one.permutation.tolist() != other.permutation.tolist()


@given(
    st.integers(20, 200),
    st.integers(1, 20),
    st.integers(1, 5),
    st.sampled_from(BLOCK_SHUFFLES),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
)
def test_workers_of_ranks(
    n: int, chunk_size: int, per_block: int, shuffle: str, world: int, workers: int, drop_last: bool
) -> None:
    """Plain DataLoader workers on several ranks: every row once over all of them, as many batches for each rank."""
    spec, batch_size = BlockSpec(chunk_size, per_block), 4
    rows: list[int] = []
    counts = [0] * world
    for worker in range(workers):
        plans = _plans(n, spec, shuffle, batch_size, world, worker=(worker, workers), drop_last=drop_last)
        for rank, plan in enumerate(plans):
            rows += _rows(plan)
            if world > 1:
                counts[rank] += len(_batches(plan))
    assert sorted(rows) == (np.arange(n) * 3 + 7).tolist()
    assert len(set(counts)) == 1


def test_a_rank_that_there_is_not() -> None:
    assert shares.faults(None, None) == shares.faults(1, 2) == []
    assert shares.faults(0, None) == ["rank is 0 and world_size None, expected both or neither"]
    assert shares.faults(2, 2) == ["rank is 2, expected 0 to 1"]
    assert shares.faults(0, 0) == ["world_size is 0, expected 1 or more"]
    assert shares.current() == Share()
