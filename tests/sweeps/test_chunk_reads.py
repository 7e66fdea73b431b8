from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import Tiny, write_tiny

from alb_core.base.errors import WrongResultError
from alb_core.cases import chunk_readers
from alb_core.sweeps import read_chunks
from alb_core.sweeps.read_chunks import (
    NONZERO_BYTES,
    ReaderPass,
    ReadSettings,
    ReadSize,
    as_json,
    peak_estimate,
    run,
    too_large,
)

GIB = 2**30
SIZE = ReadSize(n_rows=32_768, n_vars=20_000, all_vars=20_000, nnz=91_136_011)
BUFFERS = {"py_buffer_size": 2**24, "soma_buffer_size": 2**24}


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Two million values: enough to be seen beside what a process takes by itself."""
    return write_tiny(tmp_path_factory.mktemp("larger") / "experiment", 10_000, 2_000)


def _passes(
    settings: ReadSettings, readers=tuple(chunk_readers.READERS), expected=None
) -> tuple[list[ReaderPass], list[str]]:
    said: list[str] = []
    return list(run(settings, readers, expected=expected, say=said.append)), said


def test_the_estimate_is_above_the_peak_and_not_far(larger: Tiny) -> None:
    size = ReadSize(10_000, 2_000, 2_000, int(np.count_nonzero(larger.x)))
    settings = ReadSettings(larger.uri, chunk_size=10_000, **BUFFERS)
    passes, _ = _passes(settings)
    assert [item.reader for item in passes] == list(chunk_readers.READERS)
    for item in passes:
        estimate = peak_estimate(size, settings, item.reader)
        assert item.max_mem < estimate < 2 * item.max_mem
    # What is left when the estimate's own part for a process is taken away must hold what was read.
    by_reader = {item.reader: item.max_mem for item in passes}
    assert by_reader["blockwise_scipy_csr"] > by_reader["table"] + size.nnz * NONZERO_BYTES


@pytest.mark.parametrize(
    ("reader", "chunk_size", "shuffle", "measured"),
    [
        ("table", 10_000, "none", 1.36),
        ("blockwise_table", 10_000, "none", 1.40),
        ("blockwise_scipy_coo", 10_000, "none", 2.31),
        ("blockwise_scipy_csr", 10_000, "none", 2.23),
        ("blockwise_scipy_csr", 10_000, "chunk", 2.21),
        ("table", 1_000, "none", 0.38),
        ("table", 10_000, "global", 2.04),
        ("table", 1_000, "global", 1.57),
        ("blockwise_scipy_csr", 10_000, "global", 2.72),
        ("blockwise_scipy_coo", 1_000, "global", 1.67),
    ],
)
def test_the_estimate_against_measured_peaks(reader: str, chunk_size: int, shuffle: str, measured: float) -> None:
    """Peaks of dataset ``small`` under tiledbsoma 2.3.0, in GiB: rather too much, and not twice as much."""
    settings = ReadSettings("", chunk_size=chunk_size, shuffle=shuffle)
    assert measured < peak_estimate(SIZE, settings, reader) / GIB < 2 * measured


def test_the_estimate_knows_what_bounds_it() -> None:
    def estimate(reader: str = "table", size: ReadSize = SIZE, **settings: object) -> int:
        return peak_estimate(size, ReadSettings("", **settings), reader)

    assert estimate(chunk_size=10**9) == estimate(chunk_size=SIZE.n_rows), "no chunk has more rows than there are"
    assert estimate(soma_buffer_size=2**20) < estimate()
    assert estimate("blockwise_table", soma_buffer_size=2**20) == estimate("blockwise_table")
    assert estimate(size=ReadSize(32_768, 2_000, 20_000, SIZE.nnz)) < estimate()
    assert estimate(size=ReadSize(0, 0, 0, 0)) < 0.5 * GIB
    assert estimate("another") >= max(map(estimate, chunk_readers.READERS))


def test_a_warning_only_where_it_would_not_fit() -> None:
    settings = ReadSettings("", chunk_size=10_000)
    needed = peak_estimate(SIZE, settings, "table")
    assert too_large(SIZE, settings, "table", None) is None
    assert too_large(SIZE, settings, "table", needed) is None
    assert too_large(SIZE, settings, "table", needed - 1) == (
        f"read_table with chunks of 10,000 rows may take {needed / GIB:.1f} GiB, and {needed / GIB:.1f} GiB are free: "
        "smaller chunks (-c) take less"
    )


def test_the_warning_comes_before_the_pass(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_chunks.memory, "available_bytes", lambda: 2**20)
    said: list[str] = []
    items = run(ReadSettings(tiny.uri, chunk_size=100), ["table", "blockwise_table"], expected=None, say=said.append)
    next(items)
    assert [line.split()[0] for line in said] == ["read_table"]
    next(items)
    assert [line.split()[0] for line in said] == ["read_table", "read_blockwise_table"]
    assert "and 0.0 GiB are free" in said[0]


@pytest.mark.parametrize("shuffle", ["none", "chunk", "global"])
def test_each_reader_reads_what_there_is(tiny: Tiny, shuffle: str) -> None:
    passes, said = _passes(ReadSettings(tiny.uri, chunk_size=64, shuffle=shuffle, **BUFFERS), expected=tiny.totals)
    assert said == []
    for item in passes:
        assert (item.n_chunks, item.totals) == (11, replace(tiny.totals, checksum=None))
        assert 0 < item.first_chunk < item.elapsed
        assert item.cells_per_second == 700 / item.elapsed
        assert item.max_mem > 100 * 2**20
        assert item.read_bytes is not None and item.read_bytes > 10_000


def test_readers_must_agree_among_themselves(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def passes(function: str, settings: ReadSettings, reader: str):
        yield ReaderPass(reader, 1.0, 1.0, 700, 7, 100 + (reader == "blockwise_table"), 5.0, 2**20, None)

    monkeypatch.setattr(read_chunks.processes, "iterate", passes)
    items = run(ReadSettings(tiny.uri), ["table", "blockwise_table"], expected=None, say=print)
    assert next(items).nnz == 100
    with pytest.raises(WrongResultError, match=r"^read_blockwise_table read 101 elements .*, read_table read 100 that"):
        next(items)


def test_fractions_may_be_added_in_any_order(tmp_path: Path) -> None:
    fractions = write_tiny(tmp_path / "fractions", 700, 150, values=lambda x: np.exp(x - 40))
    # Buffers that small give the tables another order of adding than a whole chunk has.
    settings = ReadSettings(fractions.uri, chunk_size=700, soma_buffer_size=8 * 1024, py_buffer_size=8 * 1024)
    passes, _ = _passes(settings, ["table", "blockwise_scipy_csr"])
    assert len({item.total for item in passes}) == 2, "they were added in one order: nothing was tried"


def test_one_document(tiny: Tiny) -> None:
    settings = ReadSettings(tiny.uri, chunk_size=64, seed=3, config={"vfs.s3.aws_secret_access_key": "hush"})
    item = ReaderPass("table", 2.0, 0.5, 700, 11, 5, 6.0, 2**20, None)
    document = as_json(settings, [item], {"uri": "typed"})
    assert document["uri"] == "typed"
    assert (document["chunk_size"], document["seed"], document["shuffle"]) == (64, 3, "none")
    assert document["readers"] == [
        {
            "reader": "table",
            "elapsed": 2.0,
            "first_chunk": 0.5,
            "n_rows": 700,
            "n_chunks": 11,
            "nnz": 5,
            "total": 6.0,
            "max_mem": 2**20,
            "read_bytes": None,
            "cells_per_second": 350.0,
        }
    ]
    assert "hush" not in str(document)
