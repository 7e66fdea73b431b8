"""Looking into a Census and reading its cells in batches; nothing is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tiledbsoma
from census import ONE, OTHER, Census, coo, counts, write_census
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from alb_core.base.errors import AlbError
from alb_core.datasets.census import cells
from alb_core.datasets.census.cells import cells_from
from alb_core.datasets.census.census import CensusSelection, opened
from alb_core.datasets.census.row_ranges import RowRanges
from alb_core.datasets.content import ExactSum
from alb_core.datasets.retry import Retry, in_one_line
from alb_core.datasets.spec import CensusSlice

AT_ONCE = Retry(())


def slice_of(census: Census, **options: object) -> CensusSlice:
    return CensusSlice(census_version=None, census_uri=census.uri, **{"collection_id": ONE, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def middle(census: Census) -> Iterator[CensusSelection]:
    """The second and third source dataset, half of the vars."""
    with opened(slice_of(census, start=1, n_vars=60), {}, AT_ONCE) as chosen:
        yield chosen


def joinids(census: Census, *dataset_ids: str) -> list[int]:
    return np.flatnonzero(np.isin(census.dataset_of, dataset_ids)).tolist()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"start": 0, "end": 1}, ["d1"]),
        ({"start": 1}, ["d2", "d3"]),
        ({"start": 0, "end": 3, "sorted_datasets": True}, ["d2", "d3", "d1"]),
        ({"start": 2, "end": 3, "sorted_datasets": True}, ["d1"]),
        ({"collection_id": OTHER}, ["d0"]),
    ],
)
def test_a_slice_is_datasets_of_a_collection_by_index(
    census: Census, options: dict[str, int], expected: list[str]
) -> None:
    with opened(slice_of(census, **options), {}, AT_ONCE) as chosen:
        assert list(chosen.dataset_ids) == expected
        assert chosen.asked.end == options.get("start", 0) + len(expected)
        assert chosen.cells.rows(0, len(chosen.cells)).tolist() == joinids(census, *expected)


def test_another_organism(census: Census) -> None:
    with opened(slice_of(census, organism="mus_musculus"), {}, AT_ONCE) as chosen:
        assert len(chosen.cells) == 10


@pytest.mark.parametrize("max_nnz", [1, 300, 1_000, 10**9])
def test_batches_are_the_cells_and_no_larger_than_said(census: Census, middle: CensusSelection, max_nnz: int) -> None:
    rows = census.rows(["d2", "d3"], 60)
    batches = list(cells_from(middle, 0, AT_ONCE, max_nnz))
    widest = int((census.x[rows, :60] != 0).sum(axis=1).max())
    assert max(len(batch.columns) for batch in batches) <= max(max_nnz, widest)
    assert [batch.start for batch in batches[1:]] == [batch.stop for batch in batches[:-1]]
    assert (batches[0].start, batches[-1].stop) == (0, len(middle.cells))
    x = np.zeros((len(rows), 60), np.float32)
    x[
        np.repeat(np.arange(len(rows)), np.concatenate([batch.counts for batch in batches])),
        np.concatenate([batch.columns for batch in batches]),
    ] = np.concatenate([batch.values for batch in batches])
    assert np.array_equal(x, census.x[rows, :60])
    assert np.concatenate([batch.obs["census_joinid"] for batch in batches]).tolist() == rows.tolist()
    assert min(batch.counts.min(initial=1) for batch in batches) > 0


def test_batches_begin_anywhere_and_windows_do_not_show(
    middle: CensusSelection, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(cells_from(middle, 0, AT_ONCE))
    monkeypatch.setattr(cells, "WINDOW", 37)
    parts = [batch for batch in cells_from(middle, 101, AT_ONCE) if len(batch.obs)]
    first = int(np.searchsorted(whole[0].obs["census_joinid"], middle.cells.rows(101, 102)[0]))
    assert np.array_equal(
        np.concatenate([part.values for part in parts]), whole[0].values[whole[0].counts[:first].sum() :]
    )
    assert all(part.stop - part.start <= 37 for part in parts)


def test_cells_that_do_not_lie_together(tmp_path: Path) -> None:
    """A Census lays a dataset's cells side by side; nothing depends on that."""
    scattered = np.array(["d1", "d2", "d1", "d3", "d1", "d1", "d2"] * 20, dtype=object)
    x = counts(len(scattered), 30)
    census = write_census(tmp_path / "census", 30, x, dataset_of=scattered)
    with opened(slice_of(census, start=0, end=2), {}, AT_ONCE) as chosen:
        found = np.concatenate([batch.values for batch in cells_from(chosen, 0, AT_ONCE, 100)])
    wanted = x[np.isin(scattered, ["d1", "d2"])]
    assert np.array_equal(found, wanted[wanted != 0])


def write_x(census: Census, table: pa.Table) -> None:
    with tiledbsoma.SparseNDArray.open(f"{census.uri}/census_data/homo_sapiens/ms/RNA/X/raw", "w") as raw:
        raw.write(table)


def test_zeros_that_are_stored_are_no_data(tmp_path: Path) -> None:
    census = write_census(tmp_path / "census", 30)
    empty = int(np.flatnonzero(~census.x.any(axis=1))[0])
    table = coo(np.ones((1, 3), np.float32), empty)
    write_x(census, table.set_column(2, "soma_data", [np.zeros(3, np.float32)]))
    with opened(slice_of(census, start=0), {}, AT_ONCE) as chosen:
        kept = np.concatenate([batch.obs["census_joinid"] for batch in cells_from(chosen, 0, AT_ONCE)])
    assert empty not in kept
    assert kept.tolist() == census.rows(["d1", "d2", "d3"], 30).tolist()


@pytest.mark.parametrize(
    ("value", "words"),
    [(np.nan, "not finite"), (np.inf, "not finite"), (1.0, "holds the coordinate \\(\\d+, \\d+\\) twice")],
)
def test_values_that_no_dataset_can_hold_are_refused(tmp_path: Path, value: float, words: str) -> None:
    census = write_census(tmp_path / "census", 30)
    row, column = (int(one[0]) for one in np.nonzero(census.x))
    one = np.zeros((1, column + 1), np.float32)
    one[0, column] = value
    write_x(census, coo(one, row))
    with opened(slice_of(census, start=0), {}, AT_ONCE) as chosen, pytest.raises(AlbError, match=words):
        list(cells_from(chosen, 0, AT_ONCE))


def test_a_slice_of_a_slice_is_refused(tmp_path: Path) -> None:
    census = write_census(tmp_path / "census", 30, obs_column="census_joinid")
    with pytest.raises(AlbError, match="has a column census_joinid already"), opened(slice_of(census), {}, AT_ONCE):
        pass


@given(st.sets(st.integers(0, 200)), st.integers(1, 9))
def test_runs_are_the_rows_that_were_given(rows: set[int], size: int) -> None:
    shuffled = np.array(sorted(rows, key=lambda row: row * 37 % 101), dtype=np.int64)
    runs = RowRanges(shuffled[start : start + size] for start in range(0, len(shuffled), size))
    assert len(runs) == len(rows)
    assert runs.rows(0, len(runs)).tolist() == sorted(rows)
    assert runs.rows(len(runs) // 3, len(runs) // 2).tolist() == sorted(rows)[len(runs) // 3 : len(runs) // 2]


@given(
    arrays.arrays(np.float32, st.integers(0, 50), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
)
def test_sums_are_exact_in_any_order(values: np.ndarray) -> None:
    sums = []
    for order in (values, values[::-1]):
        total = ExactSum()
        total.add(order[:7])
        total.add(order[7:])
        sums.append(total.value())
    expected = sum(map(Fraction, values.tolist()), Fraction(0))
    assert sums[0] == sums[1] == (expected if expected.denominator == 1 else float(expected))


@pytest.mark.parametrize(
    ("uri", "message", "attempts"),
    [
        ("s3://bucket/x", "Connection reset", 3),
        ("/here", "broken", 1),
        ("s3://bucket/x", "[HTTP Response Code: 403]", 1),
        ("s3://b/x", "x is not a SOMACollection", 1),
    ],
)
def test_a_read_is_tried_again_where_that_may_help(
    uri: str, message: str, attempts: int, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses = (0.001, 0.002)
    made = []

    def fails() -> None:
        made.append(1)
        raise OSError(message)

    with pytest.raises(AlbError, match=f"^cannot read {uri}: {re.escape(message)}"):
        Retry(pauses).read(fails, uri)
    assert len(made) == attempts
    said = [f"alb: reading {uri} failed, again in {pause} s: {message}" for pause in pauses]
    assert capsys.readouterr().err.splitlines() == said[: attempts - 1]


def test_an_error_is_one_line_of_bounded_length_without_headers() -> None:
    said = in_one_line(OSError("a\n  b" * 1_000))
    assert "\n" not in said and len(said) < 500
    said = in_one_line(
        OSError(
            "S3: Cannot read s3://b/x[Error Type: 100] [HTTP Response Code: 500] [Remote IP: 127.0.0.1] "
            "[Headers: 'content-length' = '0' 'content-type' = 'application/xml'] : No response body."
        )
    )
    assert said == "S3: Cannot read s3://b/x[HTTP Response Code: 500] : No response body."
