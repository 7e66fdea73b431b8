"""Ranks and their shares: every row once, and as many batches for each."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import TESTS
from hypothesis import given
from hypothesis import strategies as st
from plain import all_ids, drawn, require_true, share
from tiny import Tiny

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.order import BLOCK_SHUFFLES, blocks
from alb_core.loader.plan import EpochPlan
from alb_core.loader.training import ranks as ranks_module
from alb_core.loader.training.ranks import Share


def _plans(n, spec, shuffle, batch_size, world, *, seed=0, drop_last=False, worker=None):
    joinids = np.arange(n) * 3 + 7
    return [
        EpochPlan(joinids, np.arange(5), spec, shuffle, seed, batch_size, drop_last, Share(rank, world), worker=worker)
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
            ranks_module.cut(n, batch_size, drop_last, every[0])
        return
    if batch_size == 1 and n % world and not drop_last:
        with pytest.raises(AlbError, match="take drop_last=True, or batches of 2 or more"):
            ranks_module.cut(n, batch_size, drop_last, every[0])
        return
    cuts = [ranks_module.cut(n, batch_size, drop_last, share) for share in every]
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
    assert list(ranks_module.cut(10, 4, False, Share()).sizes()) == [4, 4, 2]
    assert list(ranks_module.cut(8, 4, False, Share()).sizes()) == [4, 4]
    assert list(ranks_module.cut(10, 4, True, Share()).sizes()) == [4, 4]
    assert list(ranks_module.cut(0, 4, False, Share()).sizes()) == []


def test_a_row_more_is_a_batch_more_for_all() -> None:
    assert [list(ranks_module.cut(9, 4, False, Share(rank, 2)).sizes()) for rank in (0, 1)] == [[3, 1], [4, 1]]


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
    assert ranks_module.faults(None, None) == ranks_module.faults(1, 2) == []
    assert ranks_module.faults(0, None) == ["rank is 0 and world_size None, expected both or neither"]
    assert ranks_module.faults(2, 2) == ["rank is 2, expected 0 to 1"]
    assert ranks_module.faults(0, 0) == ["world_size is 0, expected 1 or more"]
    assert ranks_module.current() == Share()


@pytest.mark.parametrize("method", ["scipy.csr", "numba"])
@pytest.mark.parametrize("shuffle", BLOCK_SHUFFLES)
def test_loaders_of_several_ranks(tiny: Tiny, shuffle: str, method: str) -> None:
    """Each rank has the rows of its part of the order in which chunks are drawn; an odd row is a batch for all."""
    spec, rows = BlockSpec(16, 8), tiny.obs_joinids[:401]
    order = drawn(rows, spec, shuffle, 3, 1)
    for rank in range(2):
        loader = SomaLoader(
            *(tiny.uri, spec), method=method, shuffle=shuffle, seed=3, batch_size=50, obs_joinids=rows,
            rank=rank, world_size=2,
        )  # fmt: skip
        with loader:
            loader.set_epoch(1)
            batches = list(require_true(tiny, loader))
            assert loader.n_rows == 200 + rank
            assert len(batches) == loader.n_batches == 5
            assert loader.n_blocks == len(list(loader._plan().blocks(2)))
        assert [len(batch) for batch in batches] == [[50, 50, 50, 49, 1], [50, 50, 50, 50, 1]][rank]
        assert sorted(i for batch in batches for i in batch) == sorted(share(order, rank, 2))


def test_ranks_that_drop_what_not_all_have(tiny: Tiny) -> None:
    for rank in range(2):
        loader = SomaLoader(
            tiny.uri, BlockSpec(16, 8), batch_size=50, drop_last=True, obs_joinids=tiny.obs_joinids[:399],
            rank=rank, world_size=2,
        )  # fmt: skip
        assert [len(batch) for batch in all_ids(loader)] == [50] * 3


@pytest.mark.parametrize("world_size", [2, 3])
def test_torchrun(tiny: Tiny, tmp_path: Path, world_size: int) -> None:
    """Real ranks over gloo, which wait for each other at every batch."""
    end = int(tiny.obs_joinids[100 * world_size + 1])
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world_size}"]
    script = TESTS / "ranks.py"
    done = subprocess.run(
        [*torchrun, str(script), tiny.uri, str(end), str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(world_size)]
    for epoch in range(2):
        assert len({len(rank[epoch]) for rank in ranks}) == 1
        rows = sorted(i for rank in ranks for batch in rank[epoch] for i in batch)
        assert rows == tiny.obs_joinids[: 100 * world_size + 1].tolist()
    assert sorted(i for batch in ranks[0][0] for i in batch) != sorted(i for batch in ranks[0][1] for i in batch)
