"""The loader against a reference in plain numpy, over experiments as strange as they come.

``ALB_EXAMPLES=200`` tries so many of them, with worker processes, too.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import tiledbsoma
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import coordinates, joinids, write_tables

from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.order import BLOCK_SHUFFLES
from alb_core.loader.pipelines import METHOD_NAMES

EXAMPLES = int(os.environ.get("ALB_EXAMPLES", "0"))

INTEGERS = [kind() for kind in (pa.int8, pa.uint8, pa.int16, pa.uint16, pa.int32, pa.uint32, pa.int64, pa.uint64)]
FLOATS = [pa.float32(), pa.float64()]
WORDS = st.sampled_from(["a", "b", "é"]) | st.none()


@dataclass(frozen=True)
class Strange:
    """An experiment to be written, and so the truth about it."""

    obs: list[int]
    var: list[int]
    words: list[str | None]
    kind: pa.DataType
    #: (row, column, value); two of one coordinate add up. Some are of rows or columns that obs and var have not.
    entries: list[tuple[int, int, Any]]
    #: How many of the rows of obs, and of the entries, are written first; the others come in a fragment of their own.
    first: int
    measurement: str
    layer: str
    #: How much larger than needed X is.
    margin: tuple[int, int]

    def dense(self, rows: list[int], columns: list[int]) -> npt.NDArray[np.float32]:
        """Values of rows and columns, one entry after another."""
        x = np.zeros((len(rows), len(columns)), np.float32)
        for row, column, value in self.entries:
            if row in rows and column in columns:
                x[rows.index(row), columns.index(column)] += np.array([value], self.kind.to_pandas_dtype()).astype(
                    np.float32
                )[0]
        return x

    def write(self, path: Path) -> str:
        """Write it."""
        obs = pa.table(
            {
                "soma_joinid": pa.array(self.obs, pa.int64()),
                "word": pa.array(self.words, pa.large_string()).dictionary_encode(),
            }
        )
        var = pa.table({"soma_joinid": pa.array(self.var, pa.int64())})
        ends = [max([*ids, *(entry[i] for entry in self.entries)]) for i, ids in enumerate((self.obs, self.var))]
        rooms = zip((obs, var), ends, strict=True)
        with tiledbsoma.Experiment.create(str(path)) as experiment:
            experiment.add_new_collection("ms")
            member = experiment.ms.add_new_collection(self.measurement, tiledbsoma.Measurement)
            for name, parent, (table, end) in zip(("obs", "var"), (experiment, member), rooms, strict=True):
                parent.add_new_dataframe(
                    name, schema=table.schema, index_column_names=["soma_joinid"], domain=((0, end),)
                ).close()
            member.add_new_collection("X").add_new_sparse_ndarray(
                self.layer,
                type=self.kind,
                shape=tuple(end + 1 + more for end, more in zip(ends, self.margin, strict=True)),
                platform_config={"tiledb": {"create": {"allows_duplicates": True}}},
            ).close()
        entries = coordinates(*(list(column) for column in zip(*self.entries, strict=True)), self.kind)
        with tiledbsoma.Experiment.open(str(path)) as experiment:
            member = experiment.ms[self.measurement]
            places = experiment.obs.uri, member.var.uri, member.X[self.layer].uri
        for place, table in zip(places, (obs, var, entries), strict=True):
            # The second part may have words that the first has not: an enumeration is extended.
            for part in (table[: self.first], table[self.first :]):
                if len(part):
                    with tiledbsoma.open(place, "w") as array:
                        array.write(part.unify_dictionaries())
        return str(path)


@st.composite
def experiments(draw: Any) -> Strange:
    def ids(most: int) -> list[int]:
        low = draw(st.sampled_from([0, 0, 5, 2**31, 2**40]))
        gap = draw(st.sampled_from([1, 1, 3, 2**29]))
        return sorted(low + gap * i for i in draw(st.sets(st.integers(0, 2 * most), min_size=1, max_size=most)))

    obs, var = ids(12), ids(6)
    kind = draw(st.sampled_from([*INTEGERS, *FLOATS, pa.float32()]))
    if kind in FLOATS:
        values = st.sampled_from([0.0, -0.0, 1.0, 254.0, 255.0, 2.5, -1.0, float("nan"), float("inf")])
        values |= st.just(1e300) if kind == pa.float64() else st.just(1e-40)
    else:
        limits = np.iinfo(kind.to_pandas_dtype())
        values = st.sampled_from([0, 1, 2, 100, int(limits.min), int(limits.max)])
    rows = st.sampled_from([*obs, obs[-1] + 1])
    columns = st.sampled_from([*var, var[-1] + 2])
    places = draw(st.lists(st.tuples(rows, columns), min_size=1, max_size=30, unique=True))
    places += draw(st.lists(st.sampled_from(places), max_size=2, unique=True))
    return Strange(
        obs,
        var,
        draw(st.lists(WORDS, min_size=len(obs), max_size=len(obs))),
        kind,
        [(*place, draw(values)) for place in places],
        draw(st.integers(0, 12)),
        draw(st.sampled_from(["RNA", "scATAC peaks"])),
        draw(st.sampled_from(["raw", "data"])),
        draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
    )


@pytest.mark.filterwarnings("ignore:X layer", "ignore:a chunk of", "ignore:Sparse CSR", "ignore:overflow")
@settings(max_examples=EXAMPLES or 6)
@given(experiment=experiments(), data=st.data())
def test_every_method_gives_what_the_reference_gives(experiment: Strange, data: st.DataObject) -> None:
    columns = data.draw(st.permutations(experiment.var) | st.none())
    options: dict[str, Any] = {
        "spec": BlockSpec(data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))),
        "shuffle": data.draw(st.sampled_from(BLOCK_SHUFFLES)),
        "batch_size": data.draw(st.integers(1, 5)),
        "measurement": experiment.measurement,
        "layer": experiment.layer,
        "var_joinids": columns,
        "obs_columns": ["word"],
    }
    variants: list[dict[str, Any]] = [*({"method": name} for name in METHOD_NAMES), {"method": "numba", "sparse": True}]
    if EXAMPLES and data.draw(st.integers(0, 9)) == 0:
        variants += [{**variant, "num_workers": 2} for variant in variants]
    words = dict(zip(experiment.obs, experiment.words, strict=True))
    place = Path(tempfile.mkdtemp())
    try:
        uri = experiment.write(place / "experiment")
        orders = set()
        for variant in variants:
            with SomaLoader(uri, **{**options, **variant}) as loader:
                batches = list(loader)
            rows = [row for _, obs in batches for row in obs.column("soma_joinid").to_pylist()]
            found = np.concatenate([x.to_dense().numpy() for x, _ in batches])
            expected = experiment.dense(rows, columns or experiment.var)
            np.testing.assert_array_equal(found, expected, err_msg=str(variant))
            orders.add(tuple(rows))
            assert [word for _, obs in batches for word in obs.column("word").to_pylist()] == [
                words[row] for row in rows
            ]
            for x, _ in batches if "sparse" in variant else ():
                assert all(len(set(row)) == len(row) and row == sorted(row) for row in _columns_by_row(x))
        [order] = orders
        assert sorted(order) == experiment.obs
    finally:
        shutil.rmtree(place)


def _columns_by_row(x: Any) -> list[list[int]]:
    starts, columns = x.crow_indices().tolist(), x.col_indices().tolist()
    return [columns[start:stop] for start, stop in itertools.pairwise(starts)]


def test_two_hundred_thousand_vars(tmp_path: Path) -> None:
    entries = coordinates([0, 1, 2, 2], [199_999, 0, 70_000, 131_072], [1, 2, 3, 4])
    uri = write_tables(tmp_path / "mine", joinids(3), joinids(200_000), entries)
    for method in METHOD_NAMES:
        with SomaLoader(uri, BlockSpec(2, 1), method=method, shuffle="none") as loader:
            [(x, _)] = list(loader)
        assert [row.nonzero().flatten().tolist() for row in x] == [[199_999], [0], [70_000, 131_072]]
        assert x.sum() == 10
