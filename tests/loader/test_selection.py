"""Rows and columns by joinids and filters."""

from __future__ import annotations

import numpy as np
import pytest
import tiledbsoma
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import require_true
from tiny import Tiny

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.experiment import Selection, faults
from alb_core.loader.pipelines import METHOD_NAMES


@pytest.fixture(scope="module")
def obs(tiny: Tiny):
    with tiledbsoma.DataFrame.open(f"{tiny.uri}/obs") as opened:
        yield opened


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(["T cell", "B cell", "neuron", None]),
    st.integers(0, 1200),
    st.none() | st.lists(st.integers(0, 699), min_size=1, max_size=300, unique=True),
)
def test_filters_and_joinids_together(tiny: Tiny, obs, cell_type: str | None, least: int, positions) -> None:
    """A plain reference: look at each row."""
    query = f"raw_sum >= {least}" if cell_type is None else f"cell_type == '{cell_type}' and raw_sum >= {least}"
    wanted = None if positions is None else tiny.obs_joinids[positions]
    expected = [
        int(tiny.obs_joinids[i])
        for i in (range(700) if positions is None else positions)
        if tiny.raw_sum[i] >= least and cell_type in (None, tiny.cell_type[i])
    ]
    selection = Selection("obs", wanted, query)
    if expected:
        assert selection.of(obs, tiny.uri).tolist() == expected
    else:
        with pytest.raises(AlbError, match=r"^obs_query .* (holds for no .*, expected one at least|failed on obs of)"):
            selection.of(obs, tiny.uri)


def test_no_filter(tiny: Tiny, obs) -> None:
    assert Selection("obs").of(obs, tiny.uri).tolist() == tiny.obs_joinids.tolist()
    reverse = tiny.obs_joinids[::-1]
    assert Selection("obs", reverse).of(obs, tiny.uri).tolist() == reverse.tolist()


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("tissue == 'lung'", "Column tissue does not exist"),
        ("raw_sum ==", "Could not parse"),
        ("raw_sum", "Malformed query condition"),
        ("raw_sum > 'many'", "Cannot cast"),
        ("import os", "Could not parse"),
    ],
)
def test_a_wrong_filter_is_one_line(tiny: Tiny, obs, query: str, reason: str) -> None:
    with pytest.raises(AlbError) as caught:
        Selection("obs", None, query).of(obs, tiny.uri)
    said = str(caught.value)
    assert said.startswith(f"obs_query {query!r} failed on obs of {tiny.uri}: ")
    assert reason in said
    assert said.endswith("; expected a TileDB value filter over some of: soma_joinid, cell_type, raw_sum, nnz")
    assert "\n" not in said and ".py" not in said
    assert caught.value.__cause__ is not None


def test_joinids_that_are_not_there(tiny: Tiny, obs) -> None:
    absent = int(np.setdiff1d(np.arange(2100), tiny.obs_joinids)[0])
    with pytest.raises(AlbError, match=rf"obs has no soma_joinid \[{absent}\] \(1 in all\)"):
        Selection("obs", np.array([absent]), "raw_sum > 0").of(obs, tiny.uri)


def test_what_is_wrong_before_anything_is_read() -> None:
    assert faults("obs", None, None) == faults("obs", [1, 2], "a == 1") == []
    assert faults("obs", [1, 1], " ") == [
        "obs_query is ' ', expected a TileDB value filter",
        "obs_joinids repeats 1 joinids, expected each once",
    ]
    assert faults("var", [0.5], None) == ["var_joinids is float64 of shape (1,), expected one or more whole numbers"]


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_loader_of_filtered_rows_and_columns(tiny: Tiny, method: str) -> None:
    with SomaLoader(
        tiny.uri, BlockSpec(16, 8), method=method, shuffle="none", batch_size=50,
        obs_query="cell_type == 'T cell' and raw_sum > 300", var_query="feature_length < 40",
        obs_joinids=tiny.obs_joinids[::-1], var_joinids=tiny.var_joinids[10:50],
    ) as loader:  # fmt: skip
        columns = loader.var_joinids.tolist()
        assert columns == tiny.var_joinids[10:40].tolist()
        rows = [i for batch in require_true(tiny, loader, columns) for i in batch]
    expected = tiny.obs_joinids[(tiny.cell_type == "T cell") & (tiny.raw_sum > 300)][::-1]
    assert rows == expected.tolist()


def test_a_loader_with_filters_that_are_wrong(tiny: Tiny) -> None:
    with pytest.raises(AlbError, match=r"^var_query 'feature_length > 1000' holds for no row of var of .*, expected"):
        SomaLoader(tiny.uri, BlockSpec(16, 8), var_query="feature_length > 1000").open()
    with pytest.raises(AlbError, match=r"^var_query 'length > 1' failed on var of .*; expected a TileDB value filter"):
        SomaLoader(tiny.uri, BlockSpec(16, 8), var_query="length > 1").open()
    with pytest.raises(AlbError, match=r"^obs_query is '', expected a TileDB value filter$"):
        SomaLoader(tiny.uri, BlockSpec(16, 8), obs_query="")
