"""Columns of obs as codes."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tiledbsoma
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import Tiny, coordinates, joinids, write_tables

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.pipelines import METHOD_NAMES
from alb_core.loader.training import codes as codes_module

WORDS = [None, "é", "b", "a", "unused word", "Z"]


@pytest.fixture(scope="module")
def obs(tmp_path_factory: pytest.TempPathFactory):
    """Open obs with a column of each kind; the fourth word of the enumeration is in no row."""
    index = np.array([2, 0, 1, 2, 4, 0])
    enumeration = pa.array(["b", "é", "a", "unused word", "Z"])
    table = pa.table(
        {
            "soma_joinid": pa.array(np.arange(6), pa.int64()),
            "word": pa.DictionaryArray.from_arrays(pa.array(index, pa.int8()), enumeration),
            "plain": pa.array(["x", "y", "y", "É", "w", "x"], pa.large_string()),
            "number": pa.array([5, -3, 5, 2**40, 7, 7], pa.int64()),
            "flag": pa.array([True, False, True, True, False, False]),
            "fraction": pa.array(np.arange(6.0)),
        }
    )
    path = tmp_path_factory.mktemp("obs") / "experiment"
    uri = write_tables(path, table, joinids(3), coordinates([0], [0], [1.0]))
    with tiledbsoma.DataFrame.open(f"{uri}/obs") as opened:
        yield opened


def _categories(obs, names, rows=range(6)):
    found = codes_module.categories_of(obs, names, np.array(rows))
    return {name: values.to_pylist() for name, values in found.items()}


def test_an_enumeration_keeps_its_order_whatever_rows_are_selected(obs) -> None:
    words = ["b", "é", "a", "unused word", "Z"]
    assert _categories(obs, ["word"]) == _categories(obs, ["word"], [1]) == {"word": words}
    assert codes_module.read_codes(obs, "word", np.array([4, 0, 3])).tolist() == [4, 2, 2]


def test_other_columns_have_the_sorted_values_of_the_rows_selected(obs) -> None:
    assert _categories(obs, ["plain", "number", "flag"]) == {
        "plain": ["w", "x", "y", "É"],
        "number": [-3, 5, 7, 2**40],
        "flag": [False, True],
    }
    assert _categories(obs, ["plain", "flag"], [1, 2, 4]) == {"plain": ["w", "y"], "flag": [False, True]}
    assert codes_module.read_codes(obs, "plain", np.array([5, 3])).tolist() == [0, 1]
    assert codes_module.read_codes(obs, "flag", np.arange(6)).tolist() == [1, 0, 1, 1, 0, 0]


def test_a_column_that_has_no_categories(obs) -> None:
    with pytest.raises(AlbError, match=r"^column fraction of obs is double, expected text, whole numbers or booleans"):
        codes_module.categories_of(obs, ["fraction"], np.arange(6))


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=30), st.permutations(WORDS[1:]), st.booleans())
def test_codes_stand_for_the_words(words: list[str | None], categories: list[str], dictionary: bool) -> None:
    """A plain reference: the position in a list. Dictionaries of tables are in an order of their own."""
    column = pa.array(words, pa.string())
    chunks = [column[:7], column[7:]]
    table = pa.table(
        {
            "soma_joinid": pa.chunked_array([list(range(len(words)))[:7], list(range(len(words)))[7:]], pa.int64()),
            "word": pa.chunked_array([chunk.dictionary_encode() for chunk in chunks] if dictionary else chunks),
        }
    )
    encoded = codes_module.encode(table, [], ["word"], {"word": pa.array(categories, pa.string())})
    assert encoded.column_names == ["soma_joinid", "word"]
    assert encoded.schema.field("word").type == pa.int64()
    assert encoded.column("word").to_pylist() == [-1 if w is None else categories.index(w) for w in words]
    tensor = codes_module.codes(encoded, "word")
    assert tensor.dtype == torch.int64
    assert tensor.tolist() == encoded.column("word").to_pylist()
    tensor += 1  # torch may write to it


@pytest.mark.parametrize("dictionary", [False, True])
def test_a_word_that_is_no_category(dictionary: bool) -> None:
    column = pa.array(["a", None, "strange"])
    table = pa.table({"word": column.dictionary_encode() if dictionary else column})
    with pytest.raises(AlbError, match=r"^column word of obs has 'strange', which is not among its 2 categories$"):
        codes_module.encode(table, [], ["word"], {"word": pa.array(["a", "b"])})


def test_missing_values_of_an_experiment(tmp_path: Path) -> None:
    words = pa.array(["a", None, "b"]).dictionary_encode()
    table = pa.table({"soma_joinid": pa.array(np.arange(3), pa.int64()), "word": words})
    try:
        uri = write_tables(tmp_path / "experiment", table, joinids(3), coordinates([0], [0], [1.0]))
    except tiledbsoma.SOMAError as error:
        pytest.skip(f"this release writes no such column: {error}")
    with tiledbsoma.DataFrame.open(f"{uri}/obs") as obs:
        assert codes_module.read_codes(obs, "word", np.arange(3)).tolist() == [0, -1, 1]


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_loader_hands_out_codes(tiny: Tiny, method: str) -> None:
    with SomaLoader(
        tiny.uri, BlockSpec(16, 8), method=method, batch_size=100, obs_columns=["raw_sum"], obs_codes=["cell_type"]
    ) as loader:
        words = loader.categories["cell_type"]
        assert sorted(words) == ["B cell", "T cell", "neuron"] and list(loader.categories) == ["cell_type"]
        for _, obs in loader:
            assert obs.column_names == ["soma_joinid", "raw_sum", "cell_type"]
            codes = codes_module.codes(obs, "cell_type").tolist()
            rows = tiny.rows(obs.column("soma_joinid").to_numpy())
            assert [words[code] for code in codes] == tiny.cell_type[rows].tolist()
    with SomaLoader(tiny.uri, BlockSpec(16, 8), obs_joinids=tiny.obs_joinids[:1], obs_codes=["cell_type"]) as loader:
        assert loader.categories["cell_type"] == words


def test_several_columns_have_one_code_together(tiny: Tiny) -> None:
    label = ("cell_type", "nnz")
    with SomaLoader(tiny.uri, obs_columns=["nnz"], obs_codes=[label, "cell_type"]) as loader:
        pairs = loader.categories["cell_type+nnz"]
        assert pairs == tuple(itertools.product(loader.categories["cell_type"], sorted({v for _, v in pairs})))
        for _, obs in loader:
            assert obs.column_names == ["soma_joinid", "nnz", "cell_type+nnz", "cell_type"]
            words = tiny.cell_type[tiny.rows(obs.column("soma_joinid").to_numpy())]
            expected = list(zip(words, obs.column("nnz").to_pylist(), strict=True))
            assert [pairs[code] for code in codes_module.codes(obs, label).tolist()] == expected


def test_a_joint_label_of_too_many_codes(obs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes_module, "_MOST", 15)
    assert len(codes_module.categories_of_labels(obs, [("plain", "flag")], np.arange(6))) == 2
    with pytest.raises(AlbError, match=r"^obs_codes has plain\+number, which has 16 codes, expected at most 15$"):
        codes_module.categories_of_labels(obs, [("plain", "number")], np.arange(6))


def test_a_row_that_lacks_one_of_several_values_has_no_code() -> None:
    table = pa.table({"soma_joinid": range(4), "a": ["x", None, "y", "y"], "b": ["p", "q", None, "q"]})
    categories = {"a": pa.array(["x", "y"]), "b": pa.array(["p", "q", "r"])}
    encoded = codes_module.encode(table, ["b"], [("a", "b"), ("b", "a")], categories)
    assert encoded.column("b").to_pylist() == ["p", "q", None, "q"]
    assert encoded.column("a+b").to_pylist() == [0, -1, -1, 4]
    assert encoded.column("b+a").to_pylist() == [0, -1, -1, 3]
    assert codes_module.values_of(("a", "b"), categories)[4] == ("y", "q")


def test_columns_that_cannot_be_encoded(tiny: Tiny) -> None:
    with pytest.raises(AlbError) as caught:
        SomaLoader(tiny.uri, BlockSpec(16, 8), obs_columns=["a"], obs_codes=["soma_joinid", "a"])
    assert str(caught.value) == (
        "obs_codes has soma_joinid, expected columns with categories; "
        "a is in obs_columns and in obs_codes, expected in one of them"
    )
    with pytest.raises(AlbError, match=r"^obs_codes is 'cell_type', expected a list of names$"):
        SomaLoader(tiny.uri, BlockSpec(16, 8), obs_codes="cell_type")
    for wrong in (("a",), ("a", "a"), ("a", 5)):
        with pytest.raises(
            AlbError, match=r"^obs_codes has .* expected names, or tuples of two or more different ones$"
        ):
            SomaLoader(tiny.uri, obs_codes=["cell_type", wrong])
    with pytest.raises(AlbError, match="obs_codes has soma_joinid"):
        SomaLoader(tiny.uri, obs_codes=[("soma_joinid", "cell_type")])
    with pytest.raises(AlbError, match="no column tissue"):
        SomaLoader(tiny.uri, obs_codes=[("cell_type", "tissue")]).open()
    with pytest.raises(AlbError, match="no column tissue"):
        SomaLoader(tiny.uri, BlockSpec(16, 8), obs_codes=["tissue"]).open()
