"""Rows to train with and rows to validate with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import all_ids
from tiny import Tiny

from alb_core.base.errors import AlbError
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.training.splitting import split


@given(
    st.lists(st.integers(0, 2**62), min_size=2, max_size=60, unique=True),
    st.floats(0.01, 0.99),
    st.integers(0, 9),
    st.randoms(),
)
def test_every_row_is_on_one_side_whatever_the_order(ids: list[int], fraction: float, seed: int, random: Any) -> None:
    train, validation = split(ids, fraction, seed=seed)
    assert sorted([*train, *validation]) == sorted(ids)
    assert train.dtype == np.int64 and len(train) and len(validation)
    assert abs(len(train) - fraction * len(ids)) <= 1
    random.shuffle(ids)
    assert split(np.array(ids), fraction, seed=seed)[0].tolist() == train.tolist() == sorted(train)


@given(st.lists(st.sampled_from(["a", "b", "é", None, "d"]), min_size=5, max_size=40), st.integers(0, 9))
def test_values_of_a_column_stay_together_whatever_holds_them(words: list[str | None], seed: int) -> None:
    column = pa.array(["a", "b", *words])
    obs = pa.table({"soma_joinid": np.arange(len(column)), "donor": column.dictionary_encode()})
    train, validation = split(obs, 0.6, by="donor", seed=seed)
    of = {side: {column[int(i)].as_py() for i in ids} for side, ids in (("train", train), ("validation", validation))}
    assert of["train"] and of["validation"] and not of["train"] & of["validation"]
    frame = obs.to_pandas().sample(frac=1, random_state=seed)
    assert isinstance(frame["donor"].dtype, pd.CategoricalDtype)
    assert split(frame, 0.6, by="donor", seed=seed)[0].tolist() == train.tolist()


def test_a_split_is_the_same_on_every_machine_and_another_for_another_seed() -> None:
    assert split(range(10), 0.7)[1].tolist() == [0, 6, 9]
    obs = {"soma_joinid": np.arange(6), "donor": np.array(list("aabbcc"))}
    assert split(obs, 0.7, by="donor")[1].tolist() == [4, 5]
    sides = {tuple(split(range(10), 0.7, seed=seed)[1]) for seed in range(20)}
    assert len(sides) > 10


def test_rows_added_later_change_the_side_of_few() -> None:
    before, after = (set(split(range(n), 0.9)[1].tolist()) for n in (10_000, 11_000))
    assert len(before - after) < 50


def test_two_loaders_deliver_the_two_sides(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri) as loader:
        sides = split(loader.obs_joinids, 0.8)
    for joinids in sides:
        found = [i for ids in all_ids(SomaLoader(tiny.uri, obs_joinids=joinids)) for i in ids]
        assert sorted(found) == joinids.tolist()


@pytest.mark.parametrize(
    ("obs", "options", "said"),
    [
        ([1, 2], {"fraction": 1}, "fraction is 1, expected a number above 0 and below 1"),
        ([1, 2], {"seed": -1}, "seed is -1, expected 0 or more"),
        ([1, 2], {"by": "donor"}, "by is 'donor', and obs is joinids alone"),
        ([1, 1], {}, "expected each row once"),
        ([1], {}, "obs has 1 to split, expected two or more"),
        (pa.table({"soma_joinid": [1, 2]}), {"by": "donor"}, "obs has no column donor"),
        (pa.table({"soma_joinid": [1, 2], "donor": ["a", "a"]}), {"by": "donor"}, "donor has 1 to split"),
    ],
)
def test_what_cannot_be_split(obs: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(AlbError, match=said):
        split(obs, **{"fraction": 0.5, **options})
