"""This package's own loader and the raw read, behind the interface of all loaders."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tiny import Tiny

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.peers import ours, raw_tables
from alb_core.peers.interface import Wanted


@pytest.fixture
def wanted(tiny: Tiny) -> Wanted:
    n_rows, n_vars = tiny.x.shape
    return Wanted(tiny.uri, {}, n_rows, n_vars, batch_size=64, chunk_size=16, block_size=128, seed=3, epoch=1)


def with_setting(peer: ModuleType, wanted: Wanted, setting: str, **options: Any) -> Wanted:
    return replace(wanted, options={**peer.OPTIONS[setting], **options})


def test_the_order_is_the_loaders_own_of_that_seed_and_epoch(tiny: Tiny, wanted: Wanted) -> None:
    loader = SomaLoader(tiny.uri, BlockSpec(16, 8), seed=3, batch_size=64)
    loader.set_epoch(1)
    with loader:
        expected = np.concatenate([obs.column("soma_joinid").to_numpy() for _, obs in loader])
    found = np.concatenate([joinids for _, joinids in ours.batches(with_setting(ours, wanted, "default"))])
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("peer", [ours, raw_tables])
def test_the_first_rows_several_times(tiny: Tiny, wanted: Wanted, peer: ModuleType) -> None:
    given = with_setting(peer, wanted, "default", rows=100, passes=2)
    pieces = [(x.total() if peer is raw_tables else float(x.sum()), joinids) for x, joinids in peer.batches(given)]
    came = np.concatenate([joinids for _, joinids in pieces])
    assert sorted(came) == sorted(2 * tiny.obs_joinids[:100].tolist())
    assert came[:100].tolist() != came[100:].tolist(), "each epoch has an order of its own"
    assert sum(total for total, _ in pieces) == 2 * tiny.x[:100].sum()


@pytest.mark.parametrize("setting", raw_tables.OPTIONS)
def test_a_raw_read_is_of_the_same_blocks(tiny: Tiny, wanted: Wanted, setting: str) -> None:
    blocks = [joinids for _, joinids in raw_tables.batches(with_setting(raw_tables, wanted, setting)) if len(joinids)]
    batches = [joinids for _, joinids in ours.batches(with_setting(ours, wanted, "default"))]
    assert sorted(len(block) for block in blocks) in ([60, *[128] * 5], [64, 124, *[128] * 4])
    assert np.concatenate(blocks).tolist() == np.concatenate(batches).tolist()
    pieces = [piece for piece, _ in raw_tables.batches(with_setting(raw_tables, wanted, setting))]
    assert sum(piece.nnz for piece in pieces) == np.count_nonzero(tiny.x)


@pytest.mark.parametrize("peer", [ours, raw_tables])
def test_what_cannot_be_done_is_said(wanted: Wanted, peer: ModuleType) -> None:
    assert peer.unsupported(replace(wanted, block_size=100)) == "a block of 100 rows is no multiple of chunks of 16"
    with pytest.raises(AlbError, match=r"^no setting workers, expected some of: "):
        peer.batches(replace(wanted, options={"workers": 2}))
