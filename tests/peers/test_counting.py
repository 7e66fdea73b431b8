"""What comes out of a loader, counted: each joinid exactly once, and every value."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alb_core.base.checksum import coo_checksum
from alb_core.cases.chunk_readers import Piece
from alb_core.peers.counting import ExpectedRows, LoaderCounts, entropy

ROWS = np.array([2, 5, 6, 11, 40])
COLUMNS = np.array([0, 3, 4])
FACTS = ExpectedRows(ROWS, COLUMNS, np.array([0, 0, 1, 2, 2], dtype=np.int32))
X = np.array([[0, 1, 2], [3, 0, 0], [0, 0, 0], [4, 5, 6], [0, 7, 0]], dtype=np.float32)


def batch(joinids: list[int]) -> tuple[torch.Tensor, np.ndarray]:
    return torch.from_numpy(X[np.searchsorted(ROWS, joinids)]), np.array(joinids)


def counted(*batches: list[int], check: bool = False) -> LoaderCounts:
    found = LoaderCounts(FACTS, check)
    for joinids in batches:
        found.add(*batch(joinids))
    return found


def test_all_rows_once_in_any_order_are_right() -> None:
    found = counted([40, 2], [6, 11], [5], check=True)
    assert found.faults() == []
    assert (found.totals.n_rows, found.n_batches, found.totals.nnz, found.totals.total) == (5, 3, 7, 28.0)
    places = np.nonzero(X)
    assert found.totals.checksum == coo_checksum(ROWS[places[0]], COLUMNS[places[1]], X[places])
    assert found.as_json(1)["sizes"] == {"1": 1, "2": 2}
    assert found.entropies == pytest.approx(1.0 + 1.0 + 0.0), "a pair of two datasets is one bit"


def test_rows_are_named_that_are_lost_or_come_too_often() -> None:
    assert counted([2, 5], [6, 40]).faults() == ["1 of 5 rows lost, such as joinid 11"]
    assert counted([2, 5, 5], [6, 11, 40]).faults() == ["1 of 5 rows came too often, such as joinid 5"]
    twice = counted(*[[2, 5, 6, 11, 40]] * 2)
    assert twice.faults(passes=2) == []
    assert twice.faults(passes=1) == ["5 of 5 rows came too often, such as joinid 2"]


def test_rows_are_counted_that_nobody_asked_for() -> None:
    found = LoaderCounts(FACTS)
    found.add(torch.zeros(3, 3), np.array([1, 6, 99]))
    assert found.faults() == ["4 of 5 rows lost, such as joinid 2", "2 rows came that are none of the dataset's"]


def test_a_batch_of_another_form_is_named() -> None:
    found = LoaderCounts(FACTS, check=True)
    found.add(torch.zeros(2, 4), np.array([2, 5]))
    found.add(torch.zeros(2, 3, dtype=torch.int32), np.array([6, 11]))
    assert found.faults()[0] == "torch.float32 of shape (2, 4), expected torch.float32 of (2, 3)"
    assert len(found.wrong_shapes) == 2


def test_a_value_at_another_place_changes_the_checksum_alone() -> None:
    right, wrong = counted(list(ROWS), check=True), LoaderCounts(FACTS, check=True)
    x, joinids = batch(list(ROWS))
    wrong.add(x[:, [1, 0, 2]], joinids)
    assert right.faults() == wrong.faults() == []
    [difference] = wrong.totals.differences(right.totals)
    assert difference.startswith("checksum")


def test_a_piece_of_a_raw_read_is_counted_by_its_own_words() -> None:
    table = pa.table({"soma_dim_0": [2, 5], "soma_dim_1": [3, 0], "soma_data": pa.array([1.0, 3.0], pa.float32())})
    found = LoaderCounts(FACTS, check=True)
    found.add(Piece(table), ROWS)
    found.add(Piece(table.slice(0, 1)), np.empty(0, dtype=np.int64))
    assert (found.nnz, found.total, found.faults(), found.sizes) == (3, 5.0, [], Counter())
    assert found.totals.checksum == (Piece(table).checksum() + Piece(table.slice(0, 1)).checksum()) % 2**64


@given(st.lists(st.lists(st.sampled_from([1, *ROWS.tolist(), 99]), max_size=6), max_size=6), st.integers(1, 3))
def test_coverage_is_that_of_a_plain_count(batches: list[list[int]], passes: int) -> None:
    found = LoaderCounts(FACTS)
    for joinids in batches:
        found.add(torch.zeros(len(joinids), 3), np.array(joinids, dtype=np.int64))
    times = Counter(joinid for joinids in batches for joinid in joinids)
    asked = {joinid: times.pop(joinid, 0) for joinid in ROWS.tolist()}
    words = " ".join(found.faults(passes))
    assert ("lost" in words) == any(number < passes for number in asked.values())
    assert ("too often" in words) == any(number > passes for number in asked.values())
    assert found.unknown == sum(times.values())


def test_entropy_in_bits() -> None:
    known = {(0, 0, 0): 0.0, (0, 1): 1.0, (0, 1, 2, 3): 2.0, (5, 5, 5, 7): 0.8112781, (): 0.0}
    assert {groups: pytest.approx(entropy(np.array(groups, dtype=np.int32))) for groups in known} == known


def test_facts_come_back_as_they_were_written(tmp_path: Path) -> None:
    FACTS.save(tmp_path)
    back = ExpectedRows.load(tmp_path, rows=3)
    assert back.obs_joinids.tolist() == [2, 5, 6] and back.var_joinids.tolist() == [0, 3, 4]
    assert back.groups is not None and back.groups.tolist() == [0, 0, 1]
