"""Experiments that this project did not write: the right cells, or one line that names the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tiledbsoma
from tiny import coordinates, joinids, write_tables

from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.pipelines import METHOD_NAMES

SPEC = BlockSpec(chunk_size=2, chunks_per_block=2)
ONE = coordinates([0], [0], [1])


def batches(uri: str, **options: Any) -> list[Any]:
    with SomaLoader(uri, SPEC, **options) as loader:
        return list(loader)


def dense(uri: str, **options: Any) -> list[list[float]]:
    """All batches, in stored order, as one list of rows."""
    return [row for x, _ in batches(uri, shuffle="none", **options) for row in x.to_dense().tolist()]


def add_layer(uri: str, name: str, x: pa.Table, shape: tuple[int, int], **create: Any) -> None:
    """Add a layer of X whose array is created with options of TileDB; each table of the list is a fragment."""
    kind = x.schema.field("soma_data").type
    with tiledbsoma.Experiment.open(uri, "w") as experiment:
        experiment.ms["RNA"].X.add_new_sparse_ndarray(
            name, type=kind, shape=shape, platform_config={"tiledb": {"create": create}}
        ).write(x)


@pytest.mark.parametrize("values", [[2, 40, 5, 1000], [0.5, 1000, 0.25, 7]], ids=["counts", "fractions"])
def test_values_of_one_coordinate_add_up(tmp_path: Path, values: list[float]) -> None:
    uri = write_tables(tmp_path / "mine", joinids(3), joinids(4), ONE)
    add_layer(uri, "twice", coordinates([1, 1, 1, 2], [3, 3, 0, 2], values), (3, 4), allows_duplicates=True)
    a, b, c, d = values
    expected = [[0, 0, 0, 0], [c, 0, 0, a + b], [0, 0, d, 0]]
    for method in METHOD_NAMES:
        assert dense(uri, layer="twice", method=method) == expected, method
    for var_joinids in (None, [3, 2, 1, 0]):
        [(x, _)] = batches(uri, layer="twice", method="numba", sparse=True, shuffle="none", var_joinids=var_joinids)
        assert x.crow_indices().tolist() == [0, 0, 2, 3]
        assert x.col_indices().tolist() == ([0, 3, 2] if var_joinids is None else [0, 3, 1])
        assert np.array_equal(sorted(x.values().tolist()), sorted([c, a + b, d]))
