"""The table of epoch records: real files, real processes, real kills."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alb_core.base.errors import AlbError
from alb_core.sweeps import records

#: As the design names them, in its order.
DESIGN = [
    *("start_dt", "end_dt", "alb_start_dt", "epoch", "n_rows", "n_cols", "elapsed", "gc", "max_mem", "sha", "user"),
    *("hostname", "instance_id", "instance_type", "uri", "chunk_method", "batch_size", "chunk_size"),
    *("chunks_per_block", "block_size", "py_buffer_size", "soma_buffer_size", "max_batches", "total_rows"),
    *("collection_id", "census_uri", "census_version", "start_idx", "end_idx", "sorted_datasets", "host"),
]

RECORD = {
    "epoch": 0,
    "n_rows": 4096,
    "elapsed": 2.0,
    "max_mem": 2**30,
    "chunk_method": "np.array",
    "batch_size": 1024,
    "chunk_size": 64,
    "chunks_per_block": 8,
    "block_size": 512,
}

APPENDS = """
import itertools, sys
from pathlib import Path
from alb_core.sweeps import records
path, name, how_many = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for i in itertools.count():
    if i == how_many:
        break
    records.append(path, [{"n_rows": i, "host": name}])
    print(i, flush=True)
"""


def appending(path: Path, name: str, how_many: int) -> subprocess.Popen[str]:
    """A process that appends records, for ever if ``how_many`` is negative, and tells of each; it waits for a line."""
    command = [sys.executable, "-c", APPENDS, str(path), name, str(how_many)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records" / "epochs.parquet"


def older_form(path: Path) -> pd.DataFrame:
    """Write a table as pandas writes measurements of others: without newer columns, whole numbers as floats."""
    when = pd.to_datetime(["2024-08-01 10:00:00.123456", "2024-08-01 10:01:00.000001", "2024-08-02 09:00:00.5"])
    frame = pd.DataFrame(
        {
            **dict.fromkeys(("start_dt", "end_dt", "alb_start_dt"), when),
            **{name: [1, 2, 3] for name in ("epoch", "n_rows", "n_cols", "chunk_size", "chunks_per_block")},
            **{name: [0.5, 1.5, np.nan] for name in ("elapsed", "gc")},
            **{name: [2.0**40, 7.0, np.nan] for name in ("max_mem", "max_batches", "start_idx", "end_idx")},
            **{name: [1024, 1024, 512] for name in ("batch_size", "block_size", "total_rows")},
            **{name: [2**30] * 3 for name in ("py_buffer_size", "soma_buffer_size")},
            **{name: ["a", None, "c"] for name in ("sha", "user", "hostname", "instance_id", "uri", "host")},
            **{name: [None] * 3 for name in ("instance_type", "collection_id", "census_uri", "census_version")},
            "chunk_method": pd.Categorical(["np.array", "scipy.coo", "np.array"]),
            "sorted_datasets": [True, None, False],
        }
    )[DESIGN]
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path)
    return frame


def test_the_columns_are_those_of_the_design() -> None:
    assert list(records.FIELD_COLUMNS) == DESIGN
    assert not set(records.OWN_COLUMNS) & set(DESIGN)
    assert set(records.NEEDED) <= set(DESIGN)


def test_what_is_appended_can_be_loaded(path: Path) -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, 678901)
    assert records.append(path, [{**RECORD, "start_dt": when}, {**RECORD, "epoch": 1, "oom": True}]) == 2
    assert records.append(path, [{**RECORD, "epoch": 2}]) == 3
    table = records.load(path)
    assert table.schema.equals(pa.schema(records.COLUMNS))
    assert table.column("epoch").to_pylist() == [0, 1, 2]
    assert table.column("start_dt").to_pylist() == [when, None, None]
    assert table.column("oom").to_pylist() == [None, True, None]
    assert pq.read_schema(path).names == list(records.COLUMNS)


VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.string(): st.text(st.characters(exclude_categories=["Cs"])),
    pa.bool_(): st.booleans(),
    pa.timestamp("us"): st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)),
}
ROWS = st.fixed_dictionaries({}, optional={name: st.none() | VALUES[kind] for name, kind in records.COLUMNS.items()})


@given(st.lists(st.lists(ROWS, min_size=1, max_size=3), min_size=1, max_size=3))
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_record_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, batches: list[list[dict]]) -> None:
    path = tmp_path_factory.mktemp("records") / "epochs.parquet"
    for batch in batches:
        records.append(path, batch)
    rows = records.load(path).to_pylist()
    assert rows == [{name: row.get(name) for name in records.COLUMNS} for batch in batches for row in batch]


def test_eight_processes_that_append_at_once_lose_nothing(path: Path) -> None:
    processes = [appending(path, str(number), 5) for number in range(8)]
    for process in processes:
        go(process)
    seen = 0
    while any(process.poll() is None for process in processes):
        if path.exists():  # whoever reads meanwhile finds a whole table, never a shorter one than before
            before, seen = seen, records.load(path).num_rows
            assert before <= seen
        time.sleep(0.02)
    assert [process.wait() for process in processes] == [0] * 8
    for process in processes:
        process.communicate()
    found = records.load(path)
    rows = sorted(zip(found.column("host").to_pylist(), found.column("n_rows").to_pylist(), strict=True))
    assert rows == [(str(number), i) for number in range(8) for i in range(5)]
    assert {item.name for item in path.parent.iterdir()} == {path.name, f".{path.name}.lock"}


def test_a_kill_in_the_middle_of_an_append_loses_no_earlier_record(path: Path) -> None:
    records.append(path, [{**RECORD, "host": "before", "uri": uuid.uuid4().hex} for _ in range(20_000)])
    acknowledged = 20_000
    for number in range(5):
        process = appending(path, str(number), -1)
        assert process.stdout is not None
        go(process)
        told = process.stdout.readline()
        stages = set(path.parent.glob(f".{path.name}.*"))
        while stages >= set(path.parent.glob(f".{path.name}.*")):  # until it has begun to write
            pass
        process.kill()
        told += process.communicate()[0]
        table = records.load(path)
        acknowledged += told.count("\n")
        # The last one may be there without having been told of, and no other.
        assert table.num_rows in (acknowledged, acknowledged + 1)
        acknowledged = table.num_rows
        mine = table.filter(pc.equal(table.column("host"), str(number)))
        assert mine.column("n_rows").to_pylist() == list(range(mine.num_rows))
        assert pc.sum(pc.equal(table.column("host"), "before")).as_py() == 20_000
    assert len(list(path.parent.glob(f".{path.name}.*"))) > 1, "no kill hit a write: nothing was tried"
    assert records.append(path, [RECORD]) == acknowledged + 1, "and nothing blocks the next one"


def test_a_table_of_the_older_form_is_read_and_appended_to(path: Path) -> None:
    frame = older_form(path)
    table = records.load(path)
    assert table.schema.equals(pa.schema(records.COLUMNS))
    assert table.column("max_mem").to_pylist() == [2**40, 7, None]
    assert table.column("start_idx").to_pylist() == [2**40, 7, None]
    assert table.column("chunk_method").to_pylist() == ["np.array", "scipy.coo", "np.array"]
    assert table.column("sorted_datasets").to_pylist() == [True, None, False]
    assert table.column("start_dt").to_pylist() == [stamp.to_pydatetime() for stamp in frame["start_dt"]]
    assert table.column("seed").null_count == 3
    assert records.samples_per_second(table).to_pylist() == [2.0, pytest.approx(2 / 1.5), None]
    assert records.append(path, [{**RECORD, "seed": 5}]) == 4
    again = records.load(path)
    assert again.slice(0, 3).equals(table)
    assert again.column("seed").to_pylist() == [None, None, None, 5]


def test_columns_that_nobody_knows_survive(path: Path) -> None:
    frame = older_form(path)
    frame["theirs"] = [1, 2, 3]
    frame.to_parquet(path)
    records.append(path, [{**RECORD, "mine": "new"}])
    table = records.load(path)
    assert table.column("theirs").to_pylist() == [1, 2, 3, None]
    assert table.column("mine").to_pylist() == [None, None, None, "new"]
    before = path.read_bytes()
    with pytest.raises(AlbError, match="the new records do not fit the columns of") as caught:
        records.append(path, [{**RECORD, "theirs": "a word"}])
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_rates_without_a_time_are_null() -> None:
    table = records.as_table([{"n_rows": 10, "elapsed": 4.0}, {"n_rows": 10, "elapsed": 0.0}, {"n_rows": 10}])
    assert records.samples_per_second(table).to_pylist() == [2.5, None, None]


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def _parquet(**columns: Any) -> bytes:
    return _bytes(pa.table(columns))


WHOLE = _parquet(**{name: records.as_table([RECORD]).column(name) for name in records.NEEDED})
REFUSED = {
    "text": (b"epoch,n_rows\n0,1\n", "is no parquet file"),
    "empty": (b"", "is no parquet file"),
    "cut": (WHOLE[: len(WHOLE) // 2], "is no parquet file"),
    "damaged": (WHOLE[:4] + b"\0" * (len(WHOLE) - 60) + WHOLE[-56:], "is no parquet file"),
    "twice": (
        _bytes(records.as_table([RECORD]).append_column("elapsed", pa.array([1.0]))),
        "more than one column elapsed",
    ),
    "other": (_parquet(cells=[1], elapsed=[2.0]), "it has no column n_rows, max_mem, epoch, chunk_method"),
    "typed": (
        _parquet(**{**{name: [1] for name in records.NEEDED}, "n_rows": ["many"]}),
        "has a column n_rows of string, expected int64",
    ),
    "fractions": (
        _parquet(**{**{name: [1] for name in records.NEEDED}, "n_rows": [1.5]}),
        "has a column n_rows of double, expected int64",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_no_table_of_records_is_refused_and_stays(case: str, tmp_path: Path) -> None:
    content, words = REFUSED[case]
    path = tmp_path / "epochs.parquet"
    path.write_bytes(content)
    for refuse in (records.load, lambda path: records.append(path, [RECORD])):
        with pytest.raises(AlbError) as caught:
            refuse(path)
        assert words in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert path.read_bytes() == content
    with pytest.raises(AlbError):
        records.require_appendable(path, RECORD)


def test_a_directory_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(AlbError, match=r"is no parquet file.*directory"):
        records.load(tmp_path)
    with pytest.raises(AlbError, match=r"no records at .*absent.parquet: `alb data-loader` writes them"):
        records.load(tmp_path / "absent.parquet")


def test_what_append_would_refuse_is_refused_early_and_nothing_is_made(tmp_path: Path) -> None:
    records.require_appendable(tmp_path / "a" / "b" / "epochs.parquet", RECORD)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("mine")
    with pytest.raises(AlbError, match=r"cannot write .*epochs.parquet: .*/file is no directory that may be written"):
        records.require_appendable(tmp_path / "file" / "epochs.parquet", RECORD)
    path = tmp_path / "epochs.parquet"
    pq.write_table(records.as_table([RECORD]).append_column("rack", pa.array([5])), path)
    records.require_appendable(path, RECORD)
    with pytest.raises(AlbError, match=r"do not fit the columns of .*rack"):
        records.require_appendable(path, {**RECORD, "rack": "five"})
    assert {item.name for item in tmp_path.iterdir()} == {"file", "epochs.parquet"}


def test_a_full_disk_is_told_and_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "epochs.parquet"
    records.append(path, [{**RECORD, "uri": f"{i}" * 9} for i in range(500)])
    before = path.read_bytes()
    program = textwrap.dedent(
        f"""
        import resource
        from pathlib import Path
        from alb_core.sweeps import records
        from alb_core.base.errors import AlbError
        resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) // 2},) * 2)
        try:
            records.append(Path({str(path)!r}), [{{"n_rows": 1}}])
        except AlbError as error:
            print(error)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"cannot write {path}: File too large\n"
    assert path.read_bytes() == before
    assert {item.name for item in tmp_path.iterdir()} == {path.name, f".{path.name}.lock"}


def test_a_flipped_bit_is_refused_in_one_line_or_changes_nothing(tmp_path):
    """In half of 200 tries the values, in the others what describes them."""
    path = tmp_path / "epochs.parquet"
    records.append(path, [{**RECORD, "epoch": number, "host": "somewhere", "other": "x"} for number in range(9)])
    whole, table = path.read_bytes(), records.load(path)
    chance = random.Random(0)
    refused = 0
    for number in range(200):
        at = chance.randrange(len(whole)) if number % 2 else chance.randrange(len(whole) // 2, len(whole))
        changed = bytearray(whole)
        changed[at] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        try:
            assert records.load(path).equals(table), at
        except AlbError as error:
            assert "\n" not in str(error) and str(path) in str(error)
            refused += 1
    assert refused > 50
    path.write_bytes(whole)
    assert records.append(path, [RECORD]) == 10, "a table that holds columns of others is whole"


def test_a_table_that_another_program_wrote_has_no_digest_or_is_refused(tmp_path):
    path = tmp_path / "epochs.parquet"
    records.append(path, [RECORD, {**RECORD, "epoch": 1}])
    fewer = pq.read_table(path).slice(1)
    pq.write_table(fewer, path)
    with pytest.raises(AlbError, match="replace_schema_metadata"):
        records.load(path)
    pq.write_table(fewer.replace_schema_metadata(None), path)
    assert records.load(path)["epoch"].to_pylist() == [1]
