"""Which fragments are read, as the system tells it."""

import numpy as np
import pyarrow as pa
import pytest
import tiledbsoma
from tiny import coordinates

from alb_core.cases import io_counts
from alb_core.loader import soma


@pytest.fixture
def three(tmp_path):
    """An array whose rows 0, 10 and 20 are a fragment each."""
    uri = str(tmp_path / "x")
    with tiledbsoma.SparseNDArray.create(uri, type=pa.float32(), shape=(100, 5)):
        pass
    for row in (0, 10, 20):
        with tiledbsoma.SparseNDArray.open(uri, "w") as array:
            array.write(coordinates([row] * 5, range(5), np.ones(5, np.float32)))
    return tmp_path


@pytest.mark.parametrize(("rows", "count"), [([0], 1), ([10, 20], 2), ([0, 10, 20], 3), ([50], 0)])
def test_a_fragment_counts_once_where_its_cells_are_read(three, rows, count):
    with tiledbsoma.SparseNDArray.open(str(three / "x")) as array, io_counts.count_fragments(three) as asked:
        for _ in range(3):
            assert len(soma.read_table(array, np.array(rows), None)) == 5 * count
        assert asked() == count


def test_opening_an_array_reads_none(three):
    with io_counts.count_fragments(three) as asked, tiledbsoma.SparseNDArray.open(str(three / "x")) as array:
        assert array.shape == (100, 5) and asked() == 0


def test_a_system_that_does_not_tell_is_none(three, monkeypatch):
    monkeypatch.setattr(io_counts.ctypes, "CDLL", lambda *_, **__: object())
    with io_counts.count_fragments(three) as asked:
        assert asked() is None
