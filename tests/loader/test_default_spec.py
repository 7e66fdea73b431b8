"""The loader of whoever names nothing: which blocks it reads, and that it reads all of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import tiledbsoma
from hypothesis import given
from hypothesis import strategies as st
from plain import all_ids, require_true
from tiny import Tiny, coordinates, joinids, write_tables

from alb_core.base import memory
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.memory_budget import block_room, default_spec

#: Of the Census: bytes of a row packed, of a batch of 1,024 x 20,000 dense.
ROW, BATCH = 6_200, 81_920_000


@pytest.mark.parametrize(
    ("n_rows", "row_by_row", "max_memory", "expected"),
    [
        (133_790, False, None, "512x64"),
        (133_790, False, 2 * 2**30, "512x64"),
        (133_790, True, None, "256x64"),
        (133_790, False, 1_100_000_000, "128x64"),
        (133_790, False, 1, "16x64"),
        (20_000, False, None, "313x64"),
        (700, True, None, "11x64"),
        (3, False, None, "1x3"),
    ],
)
def test_blocks_for_whoever_names_none(n_rows: int, row_by_row: bool, max_memory: int | None, expected: str) -> None:
    assert str(default_spec(n_rows, ROW, block_room(max_memory, BATCH), row_by_row=row_by_row)) == expected


@given(st.integers(1, 10**7), st.floats(1, 10**6), st.integers(-(10**9), 10**10), st.booleans())
def test_a_block_has_room_unless_it_is_of_the_smallest(n_rows: int, row: float, room: int, row_by_row: bool) -> None:
    spec = default_spec(n_rows, row, room, row_by_row=row_by_row)
    rows = min(spec.block_size, n_rows)
    assert rows <= 1024 or rows * row <= room
    assert spec.block_size <= n_rows + spec.chunk_size - 1
    if room > 32768 * row:
        assert rows >= min(n_rows, 16384)


def test_a_path_alone_is_enough(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri) as loader:
        assert loader.spec == BlockSpec(64, 11)
        first, second = list(loader), list(loader)
        assert "Streaming" in type(loader._idle[0]).__name__
    rows = [i for ids in require_true(tiny, first) for i in ids]
    assert sorted(rows) == tiny.obs_joinids.tolist() != rows
    assert all_ids(first) != all_ids(second)
    named = SomaLoader(tiny.uri, "11x64", method="scipy.csr")
    assert all_ids(named) == all_ids(first), "the order is that of its block spec"
    state = loader.state_dict()
    named.load_state_dict(state)


def test_every_rank_has_the_same_blocks_whatever_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    census = SimpleNamespace(
        columns=np.arange(20_000), packed_row_bytes=ROW, is_row_by_row=False, result=SimpleNamespace(n_rows=133_790)
    )
    for max_memory, num_workers, expected in (
        (1_100_000_000, 0, "128x64"),
        (4 * 2**30, 2, "512x64"),
        (2**31, 2, "16x64"),
    ):
        settings = SomaLoader("mine", max_memory=max_memory, num_workers=num_workers)._settings
        for held in (200 * 2**20, 700 * 2**20):
            monkeypatch.setattr(memory, "held_bytes", lambda held=held: held)
            assert str(settings.default_spec(cast(Any, census))) == expected


@pytest.mark.skipif(
    not hasattr(tiledbsoma.SparseNDArray, "schema_config_options"), reason="this release does not say how tiles are cut"
)
@pytest.mark.parametrize(("width", "row_by_row"), [(64, False), (128, True)])
def test_a_layout_of_rows_is_told_from_strips(tmp_path: Path, width: int, row_by_row: bool) -> None:
    x = coordinates([0, 1], [0, 99], [1, 2])
    uri = write_tables(tmp_path / "mine", joinids(2), joinids(100), x)
    with tiledbsoma.Experiment.open(uri, "w") as experiment:
        experiment.ms["RNA"].X.add_new_sparse_ndarray(
            "tiled",
            type=x.schema.field("soma_data").type,
            shape=(2, 128),
            platform_config={"tiledb": {"create": {"dims": {"soma_dim_1": {"tile": width}}}}},
        ).write(x)
    with SomaLoader(uri, layer="tiled") as loader:
        assert loader._open().is_row_by_row is row_by_row
        assert loader.spec == BlockSpec(2, 1)
    few = SomaLoader(uri, layer="tiled", var_joinids=np.arange(10))
    assert few.open()._open().is_row_by_row, "one strip is all that is read"
    few.close()
