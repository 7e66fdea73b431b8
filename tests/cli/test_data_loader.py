"""``alb data-loader`` as it is typed: what it records and prints."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from census import ONE, Census
from command import SMALL, alb
from s3 import S3
from terminal import on_a_terminal
from tiny import Tiny, coordinates, joinids, write_tables

from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.sweeps import records

HEAD = "    block spec      method  epoch    cells/s  first batch    reading  converting    waiting  peak memory"

SWEEP = "tried -b 64/[4,8] -b 4x16 -m np,scipy.cs -e 2 -B 100 -C -M rack=5 -M host=theirs --seed 3"


@pytest.fixture(scope="module")
def swept(root: Path, tried: Tiny) -> tuple[pa.Table, subprocess.CompletedProcess[str], datetime, datetime]:
    """The records of a sweep of two specs x two methods x two epochs, what it printed, and from when to when."""
    began = datetime.now()
    done = alb("data-loader", *SWEEP.split(), *SMALL, data=root)
    assert done.returncode == 0, done.stderr
    return records.load(root / "records" / "epochs.parquet"), done, began, datetime.now()


def test_one_record_for_each_spec_method_and_epoch(swept: Any) -> None:
    table, *_ = swept
    assert table.schema.equals(pa.schema({**records.COLUMNS, "rack": pa.string()}))
    names = ("chunks_per_block", "chunk_size", "block_size", "chunk_method", "epoch")
    assert list(zip(*(table.column(name).to_pylist() for name in names), strict=True)) == [
        (chunks, size, 64, method, epoch)
        for chunks, size in ((4, 16), (8, 8))
        for method in ("np.array", "scipy.csr")
        for epoch in (0, 1)
    ]


def test_a_record_says_what_was_measured(swept: Any, tried: Tiny) -> None:
    table, _, began, ended = swept
    first = table.to_pylist()[0]
    assert {
        "uri": "tried",
        "dataset": "tried",
        "batch_size": 100,
        "py_buffer_size": 2**24,
        "soma_buffer_size": 2**24,
        "max_batches": 0,
        "n_cols": 150,
        "total_rows": 700,
        "n_rows": 600,
        "n_batches": 6,
        "n_blocks": 11,
        "nnz": int(np.count_nonzero(tried.x)),
        "shuffle": "block",
        "seed": 3,
        "first_batch_counted": False,
        "gc_freq": 10,
        "oom": False,
        "measurement": "RNA",
        "layer": "raw",
        "device": "cpu",
        "tiledb_config": "",
        "rack": "5",
        "host": "theirs",
        "collection_id": None,
        "start_idx": None,
        "tiledbsoma_version": version("tiledbsoma"),
        "torch_version": version("torch"),
        "hostname": os.uname().nodename,
    }.items() <= first.items()
    assert first["libtiledb_version"].count(".") == 2
    assert first["hardware"] and first["user"]
    assert began < first["alb_start_dt"] < first["start_dt"] < first["end_dt"] < ended
    assert len(set(table.column("alb_start_dt").to_pylist())) == 1
    assert 100 * 2**20 < first["max_mem"] < 2**30
    assert 10_000 < first["read_bytes"] < 2**24


def test_the_table_that_is_printed_is_that_of_the_records(swept: Any, root: Path) -> None:
    table, done, *_ = swept
    head, *lines = done.stdout.splitlines()
    assert head == HEAD
    assert len(lines) == 8
    for line, row in zip(lines, table.to_pylist(), strict=True):
        spec, method, epoch, rate = line.split()[:4]
        assert (spec, method, epoch) == (
            f"{row['chunks_per_block']}x{row['chunk_size']}",
            row["chunk_method"],
            str(row["epoch"]),
        )
        assert rate == f"{row['n_rows'] / row['elapsed']:,.0f}"
        assert line.endswith(f"{row['max_mem'] / 2**30:.2f} GiB")
        assert len(line) <= len(HEAD)
    path = root / "records" / "epochs.parquet"
    assert done.stderr == f"records: {path} (draw them: alb plot {path})\n", "and no progress bar in a pipe"


def test_so_many_batches_and_garbage_after_each(load: Any, tried: Tiny) -> None:
    _, [row], lines, said = load("-b", "100", "-B", "100", "-n", "2", "-g", "1", "-ss", "--shuffle", "none")
    assert (row["n_rows"], row["n_batches"], row["max_batches"], row["gc_freq"]) == (200, 2, 2, 1)
    assert 0 < row["gc"] < (row["end_dt"] - row["start_dt"]).total_seconds()
    assert said[0].startswith("alb: 1x100 scipy.csr: an epoch has 7 blocks, fewer than 8: a rate without")
    # In stored order, the first batch, which comes before the two, and those.
    assert row["nnz"] == np.count_nonzero(tried.x[:300])
    assert lines[1].split()[:3] == ["1x100", "scipy.csr", "0"]


@pytest.mark.parametrize(
    ("words", "methods"),
    [
        ((), ["np.array", "scipy.coo", "scipy.csr"]),
        (("-s",), ["scipy.coo"]),
        (("-ss",), ["scipy.csr"]),
        (("-m", "scipy.csr, np,scipy.csr"), ["scipy.csr", "np.array"]),
    ],
)
def test_methods_by_flags_and_by_names(load: Any, words: tuple[str, ...], methods: list[str]) -> None:
    _, rows, *_ = load("-b", "4x16", "-n", "1", "-B", "50", *words)
    assert [row["chunk_method"] for row in rows] == methods


def test_specs_come_in_the_order_given_and_once(load: Any) -> None:
    _, rows, *_ = load("-b", "64 / [4,1]", "-b", "2x32", "-b", "128", "-m", "np", "-n", "1", "-B", "50")
    specs = [(row["chunks_per_block"], row["chunk_size"]) for row in rows]
    assert specs == [(4, 16), (2, 32), (1, 64), (1, 128)]


@pytest.mark.parametrize("shuffle", ["none", "block", "global"])
def test_shuffles(load: Any, tried: Tiny, shuffle: str) -> None:
    _, [row], *_ = load("-b", "4x16", "-m", "np", "-n", "2", "-B", "50", "-F", "--shuffle", shuffle, "--seed", "7")
    loader = SomaLoader(tried.uri, BlockSpec(16, 4), shuffle=shuffle, seed=7, batch_size=50)
    batches = [obs.column("soma_joinid").to_numpy() for _, obs in loader][:2]
    assert row["nnz"] == np.count_nonzero(tried.x[tried.rows(np.concatenate(batches))])
    assert row["shuffle"] == shuffle


def test_nothing_is_recorded_where_nobody_wants_it(load: Any, root: Path) -> None:
    before = sorted(root.rglob("epochs*"))
    status, rows, lines, said = load("-b", "4x16", "-m", "np", "-D", to=())
    assert (status, rows, len(lines), said) == (0, [], 2, [])
    assert sorted(root.rglob("epochs*")) == before


def test_records_go_into_a_directory_or_after_those_of_others(load: Any, tmp_path: Path) -> None:
    for number in (1, 2):
        _, rows, _, said = load("-b", "4x16", "-m", "np", to=("-d", tmp_path))
        assert len(rows) == number
    assert said == [f"records: {tmp_path}/epochs.parquet (draw them: alb plot {tmp_path}/epochs.parquet)"]
    assert rows[0]["alb_start_dt"] != rows[1]["alb_start_dt"]


def test_an_experiment_without_values(load: Any, tmp_path: Path) -> None:
    uri = write_tables(tmp_path / "empty", joinids(300), joinids(9), coordinates([], [], []))
    status, [row], *_ = load("-b", "4x16", "-m", "scipy.csr", "-B", "50", uri=uri)
    assert (status, row["nnz"], row["total_rows"], row["n_cols"]) == (0, 0, 300, 9)
    assert row["n_rows"] == 250


def test_another_layer(load: Any, tmp_path: Path) -> None:
    uri = write_tables(tmp_path / "other", joinids(300), joinids(9), coordinates([1, 299], [0, 8], [2, 3]), "normal")
    status, [row], *_ = load("-b", "4x16", "-m", "np", "--layer", "normal", "-B", "50", uri=uri)
    assert (status, row["nnz"], row["layer"], row["uri"], row["dataset"]) == (0, 2, "normal", uri, "other")


def test_a_slice_of_a_census_in_place(load: Any, census: Census) -> None:
    words = ("-b", "4x16", "-B", "50", "-F", "-m", "np", "--tiledb", "vfs.s3.region=us-east-1")
    status, [row], *_ = load(*words, "--slice", "1:3", "--collection-id", ONE, uri=census.uri)
    rows = np.flatnonzero(np.isin(census.dataset_of, ["d2", "d3"]))
    assert (status, row["n_rows"], row["nnz"]) == (0, len(rows), np.count_nonzero(census.x[rows]))
    assert (row["uri"], row["dataset"], row["census_uri"]) == (census.uri, "census-benchmark_1:3", census.uri)
    assert (row["start_idx"], row["end_idx"]) == (1, 3)


def test_an_experiment_on_s3(s3_server: S3, load: Any, tried: Tiny) -> None:
    uri = s3_server.upload(Path(tried.uri), "loader", "some/tried", public=False)
    keys = {"vfs.s3.aws_access_key_id": "testing", "vfs.s3.aws_secret_access_key": "testing"}
    options = {**s3_server.tiledb, **keys}
    del options["vfs.s3.region"]
    words = [word for item in options.items() for word in ("--tiledb", "=".join(item))]
    status, [row], _, said = load("-b", "4x16", "-m", "np", "-r", "us-east-1", *words, uri=uri + "/")
    assert (status, len(said)) == (0, 1)
    assert (row["uri"], row["dataset"], row["nnz"]) == (uri + "/", "tried", np.count_nonzero(tried.x))
    assert row["read_bytes"] > 10_000
    assert row["tiledb_config"] == (
        f"vfs.s3.endpoint_override={s3_server.endpoint} vfs.s3.region=us-east-1 vfs.s3.scheme=http "
        "vfs.s3.use_virtual_addressing=false"
    )


def test_progress_on_a_terminal_does_not_mix_with_the_table(root: Path, tried: Tiny) -> None:
    words = ("data-loader", "tried", "-b", "4x16", "-m", "np", "-B", "20", "-e", "2", "-C", "-D", *SMALL)
    lines = on_a_terminal(root, *words)
    assert any("4x16 np.array, epoch 1" in line and "/700" in line for line in lines), "there was a bar"
    results = [line.rpartition("\r")[2] for line in lines if "np.array      " in line or "block spec" in line]
    assert results[0] == HEAD
    assert [line.split()[:3] for line in results[1:]] == [["4x16", "np.array", str(number)] for number in range(2)]
    assert not any("cells/s]" in line for line in results)
