"""Epochs taken up where they were left."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import all_ids, require_true
from tiny import Tiny

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.experiment import OpenExperiment
from alb_core.loader.order import BLOCK_SHUFFLES

SPEC = BlockSpec(chunk_size=16, chunks_per_block=8)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_the_rest_is_that_of_an_uninterrupted_epoch(tiny: Tiny, data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from([BlockSpec(16, 8), BlockSpec(50, 3), BlockSpec(7, 20), BlockSpec(128, 1)]))
    world_size = data.draw(st.integers(1, 3))
    arguments = {
        "method": data.draw(st.sampled_from(["scipy.csr", "np.array", "numba"])),
        "shuffle": data.draw(st.sampled_from(BLOCK_SHUFFLES)),
        "seed": data.draw(st.integers(0, 3)),
        "batch_size": data.draw(st.sampled_from([7, 33, 64, 500])),
        "drop_last": data.draw(st.booleans()),
        "rank": data.draw(st.integers(0, world_size - 1)),
        "world_size": world_size,
    }
    if data.draw(st.booleans()):
        arguments |= {"weights": "cell_type", "n_samples": 333}
    epoch = data.draw(st.integers(0, 2))
    with SomaLoader(tiny.uri, spec, **arguments) as loader:
        loader.set_epoch(epoch)
        whole = all_ids(loader)
        assert len(whole) == loader.n_batches
        batch = data.draw(st.integers(0, len(whole)))
        loader.set_epoch(epoch)
        iterator = iter(loader)
        assert all_ids(next(iterator) for _ in range(batch)) == whole[:batch]
        state = json.loads(json.dumps(loader.state_dict()))
        del iterator
    with SomaLoader(tiny.uri, spec, **arguments) as other:
        other.load_state_dict(state)
        assert other.state_dict() == state
        assert list(require_true(tiny, other)) == whole[batch:]
        following = all_ids(other)
        other.set_epoch(epoch + 1)
        assert following == all_ids(other)


@pytest.mark.parametrize("method", ["scipy.csr", "numba"])
@pytest.mark.parametrize("batch", [0, 1, 4, 11, 13, 14])
def test_nothing_is_read_again(tiny: Tiny, monkeypatch: pytest.MonkeyPatch, method: str, batch: int) -> None:
    """Of the blocks before the place nothing, of the one in which it lies what comes after it, each row once."""
    asked: list[int] = []
    for name in ("table", "tables"):
        plain = getattr(OpenExperiment, name)
        monkeypatch.setattr(
            OpenExperiment, name, lambda o, joinids, plain=plain: (asked.extend(joinids), plain(o, joinids))[1]
        )
    with SomaLoader(tiny.uri, SPEC, method=method, batch_size=50) as loader:
        whole = all_ids(loader)
        state = {**loader.state_dict(), "epoch": 0, "batch": batch}
        loader.load_state_dict(state)
        asked.clear()
        assert all_ids(loader) == whole[batch:]
    assert sorted(asked) == sorted(i for ids in whole[batch:] for i in ids)


def test_where_an_epoch_stands(tiny: Tiny) -> None:
    def place(loader: SomaLoader) -> tuple[int, int]:
        state = loader.state_dict()
        return state["epoch"], state["batch"]

    with SomaLoader(tiny.uri, SPEC, batch_size=300) as loader:
        assert place(loader) == (0, 0)
        assert [place(loader) for _ in loader] == [(0, 1), (0, 2), (0, 3)]
        assert place(loader) == (1, 0)
        iterator = iter(loader)
        next(iterator)
        assert place(loader) == (1, 1)
        loader.load_state_dict({**loader.state_dict(), "epoch": 5})
        assert place(loader) == (5, 1)
        next(iterator)
        assert place(loader) == (5, 1)
        loader.set_epoch(5)  # as training loops say at the head of each epoch
        assert len(list(loader)) == 2
        loader.set_epoch(3)
        assert place(loader) == (3, 0)


def test_all_ranks_go_on_from_the_state_of_one(tiny: Tiny) -> None:
    ranks = [SomaLoader(tiny.uri, SPEC, batch_size=60, rank=rank, world_size=3) for rank in range(3)]
    whole = [all_ids(loader) for loader in ranks]
    state = {**ranks[0].state_dict(), "epoch": 0, "batch": 2}
    for loader, batches in zip(ranks, whole, strict=True):
        loader.load_state_dict(state)
        assert all_ids(loader) == batches[2:]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"seed": 1}, "seed 0, here 1"),
        ({"batch_size": 51}, "batch_size 50, here 51"),
        ({"shuffle": "none"}, "shuffle block, here none"),
        ({"drop_last": True}, "drop_last False, here True"),
        ({"rank": 0, "world_size": 2}, "world_size 1, here 2"),
        ({"obs_joinids": "half"}, r"rows 700/\w+, here 350/\w+"),
        ({"obs_joinids": "reversed"}, r"rows 700/\w+, here 700/\w+"),
        ({"var_joinids": "half"}, r"columns 150/\w+, here 75/\w+"),
        ({"weights": "cell_type"}, r"sample None, here 700 by weights 700/\w+"),
        ({"seed": 2, "batch_size": 9}, "seed 0, here 2; batch_size 50, here 9"),
    ],
)
def test_a_state_of_other_settings_is_refused(tiny: Tiny, other: dict, words: str) -> None:
    picks = {"half": slice(None, None, 2), "reversed": slice(None, None, -1)}
    for name, ids in (("obs_joinids", tiny.obs_joinids), ("var_joinids", tiny.var_joinids)):
        if name in other:
            other = {**other, name: ids[picks[other[name]]]}
    state = SomaLoader(tiny.uri, SPEC, batch_size=50).state_dict()
    loader = SomaLoader(tiny.uri, SPEC, **{"batch_size": 50, **other})
    with pytest.raises(AlbError, match=f"^the state is of a loader with other settings: {words}$"):
        loader.load_state_dict(state)


def test_another_spec_and_other_weights(tiny: Tiny) -> None:
    ones, others = np.ones(700), np.arange(1.0, 701.0)
    state = SomaLoader(tiny.uri, SPEC, weights=ones, n_samples=10).state_dict()
    words = r"spec 8x16, here 4x16; sample 10 by weights 700/\w+, here 10 by weights 700/\w+$"
    with pytest.raises(AlbError, match=words):
        SomaLoader(tiny.uri, BlockSpec(16, 4), weights=others, n_samples=10).load_state_dict(state)


def test_what_is_no_state(tiny: Tiny) -> None:
    loader = SomaLoader(tiny.uri, SPEC, batch_size=50)
    state = loader.state_dict()
    for wrong in ({}, None, [1], {**state, "epoch": -1}, {**state, "batch": "1"}, {**state, "settings": None}):
        with pytest.raises(AlbError, match="is not the state of a loader, expected what state_dict"):
            loader.load_state_dict(wrong)
    with pytest.raises(AlbError, match=r"^the state is of version 0, expected 1: start the epoch anew$"):
        loader.load_state_dict({**state, "version": 0})
    with pytest.raises(AlbError, match=r"^the state is of batch 15, expected at most 14$"):
        loader.load_state_dict({**state, "batch": 15})


def test_a_state_is_not_tied_to_its_loader(tiny: Tiny) -> None:
    loader = SomaLoader(tiny.uri, SPEC)
    state = loader.state_dict()
    kept = copy.deepcopy(state)
    state["settings"]["seed"] = 9
    assert loader.state_dict() == kept == pickle.loads(pickle.dumps(kept))
