"""What TileDB-SOMA-ML's own tests try of its loader, tried of this one: lengths, batches, ranks, queries."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from plain import all_ids
from tiny import coordinates, joinids, write_tables
from torch.utils.data import DataLoader

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader

FIRST = 100_000_000


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> str:
    """27 rows of a chessboard, whose joinids begin far above 0."""
    ids = np.arange(FIRST, FIRST + 27)
    rows, columns = zip(*((row, column) for row in range(27) for column in range(3) if (row + column) % 2), strict=True)
    obs = pa.table({"soma_joinid": ids, "label": pa.array([str(i) for i in range(27)], pa.large_string())})
    x = coordinates([FIRST + row for row in rows], columns, [1] * len(rows))
    return write_tables(tmp_path_factory.mktemp("board") / "experiment", obs, joinids(3), x)


def loader(board: str, n_rows: int, **options: Any) -> SomaLoader:
    """A loader of the first rows, in blocks of four."""
    rows = np.arange(FIRST, FIRST + n_rows)
    return SomaLoader(board, **{"spec": BlockSpec(2, 2), "shuffle": "none", "obs_joinids": rows, **options})


@pytest.mark.parametrize("n_rows", [1, 3, 5, 6, 10, 27])
@pytest.mark.parametrize("batch_size", [1, 3, 27])
def test_batches_in_order(board: str, n_rows: int, batch_size: int) -> None:
    for method, sparse in (("scipy.csr", False), ("numba", False), ("numba", True)):
        one = loader(board, n_rows, batch_size=batch_size, method=method, sparse=sparse, obs_columns=["label"])
        whole, rest = divmod(n_rows, batch_size)
        batches = list(DataLoader(one, batch_size=None, collate_fn=lambda batch: batch))
        assert [len(obs) for _, obs in batches] == [batch_size] * whole + [rest] * bool(rest)
        assert len(one) == len(batches)
        assert [label for _, obs in batches for label in obs["label"].to_pylist()] == [str(i) for i in range(n_rows)]
        found = [row for x, _ in batches for row in x.to_dense().tolist()]
        assert found == [[0, 1, 0] if row % 2 == 0 else [1, 0, 1] for row in range(n_rows)]


@pytest.mark.parametrize("n_rows", [12, 13, 15, 16, 18, 19, 20, 21, 25, 27])
@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("shuffle", ["none", "block"])
def test_ranks_have_each_row_once_and_as_many_batches(board: str, n_rows: int, world_size: int, shuffle: str) -> None:
    ranks = [
        all_ids(loader(board, n_rows, batch_size=2, rank=rank, world_size=world_size, shuffle=shuffle))
        for rank in range(world_size)
    ]
    assert len({len(batches) for batches in ranks}) == 1
    rows = [row - FIRST for batches in ranks for batch in batches for row in batch]
    assert (rows if shuffle == "none" else sorted(rows)) == list(range(n_rows))


def test_a_query_of_nothing_is_refused(board: str) -> None:
    for query in ({"obs_joinids": []}, {"obs_query": "label == 'none'"}, {"var_joinids": []}):
        with pytest.raises(AlbError, match="one"):
            list(loader(board, 6, **query))


def test_shuffled_rows_keep_their_values(board: str) -> None:
    one = loader(board, 16, shuffle="block", batch_size=1, method="numba")
    first, second = (list(itertools.chain(*all_ids(one))) for _ in range(2))
    assert first != second != sorted(second) and sorted(first) == sorted(second) == list(range(FIRST, FIRST + 16))
    assert all(x[0, 1] == (ids.column(0)[0].as_py() + 1) % 2 for x, ids in one)


def test_a_loader_that_was_pickled_gives_the_same(board: str) -> None:
    one = loader(board, 10, shuffle="global", batch_size=3)
    assert all_ids(pickle.loads(pickle.dumps(one))) == all_ids(one)


@pytest.mark.parametrize("wrong", [{"shuffle": True}, {"batch_size": 3}])
def test_what_a_data_loader_may_not_do(board: str, wrong: dict[str, Any]) -> None:
    with pytest.raises((AlbError, ValueError)):
        list(DataLoader(loader(board, 6), **{"batch_size": None, **wrong}))
