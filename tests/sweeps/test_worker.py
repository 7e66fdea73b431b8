"""What runs in the processes of their own, run in this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiledbsoma
import torch
from tiny import Tiny

from alb_core.base import memory
from alb_core.base.errors import AlbError
from alb_core.cases import chunk_readers
from alb_core.loader import soma
from alb_core.loader.block_spec import BlockSpec
from alb_core.sweeps import read_chunks, worker
from alb_core.sweeps.data_loader import Configuration, SweepEpoch, SweepSettings, SweepStart

BUFFERS = {"py_buffer_size": 2**24, "soma_buffer_size": 2**24}
ONE = Configuration(BlockSpec(16, 4), "np.array")


def _epochs(
    tiny: Tiny, numbers=(0,), configuration: Configuration = ONE, **settings: Any
) -> tuple[SweepStart, list[dict]]:
    given = SweepSettings("", tiny.uri, **{"batch_size": 100, "cuda": False, "quiet": True, **BUFFERS, **settings})
    opened, *epochs = worker.epochs(given, configuration, numbers, None)
    assert isinstance(opened, SweepStart)
    assert all(isinstance(item, SweepEpoch) for item in epochs)
    return opened, [dict(item.columns) for item in epochs]


def test_what_is_found_before_it_measures(tiny: Tiny) -> None:
    opened, epochs = _epochs(tiny, ())
    version = tiledbsoma.get_libtiledbsoma_core_version()
    assert opened == SweepStart(n_rows=700, n_vars=150, n_blocks=11, device="cpu", libtiledb_version=version)
    assert epochs == []


def test_the_first_batch_is_counted_or_not(tiny: Tiny) -> None:
    _, [without] = _epochs(tiny)
    _, [counted] = _epochs(tiny, count_first=True)
    assert (without["n_rows"], without["n_batches"]) == (600, 6)
    assert (counted["n_rows"], counted["n_batches"]) == (700, 7)
    for epoch in (without, counted):
        whole = (epoch["end_dt"] - epoch["start_dt"]).total_seconds()
        assert 0 < epoch["first_batch"] < epoch["waiting"] < whole
        assert 0 < epoch["elapsed"] < whole
        # The loader reads and converts while its consumer waits, and does little else.
        assert 0.5 * epoch["waiting"] < epoch["reading"] + epoch["converting"] <= epoch["waiting"]
        assert epoch["nnz"] == np.count_nonzero(tiny.x)
    assert counted["elapsed"] > counted["first_batch"]


@pytest.mark.parametrize(("count_first", "n_rows", "n_batches"), [(False, 200, 2), (True, 200, 2)])
def test_so_many_batches_are_timed(tiny: Tiny, count_first: bool, n_rows: int, n_batches: int) -> None:
    _, [epoch] = _epochs(tiny, max_batches=2, count_first=count_first)
    assert (epoch["n_rows"], epoch["n_batches"]) == (n_rows, n_batches)
    batches = 2 if count_first else 3
    joinids = read_order(tiny)[: 100 * batches]
    assert epoch["nnz"] == np.count_nonzero(tiny.x[tiny.rows(joinids)])


def read_order(tiny: Tiny) -> list[int]:
    from alb_core.loader.dataset import SomaLoader

    loader = SomaLoader(tiny.uri, ONE.spec, shuffle="block", seed=0, batch_size=100)
    return [joinid for _, obs in loader for joinid in obs.column("soma_joinid").to_pylist()]


def test_more_batches_than_there_are(tiny: Tiny) -> None:
    _, [epoch] = _epochs(tiny, max_batches=99)
    assert (epoch["n_rows"], epoch["n_batches"]) == (600, 6)


def test_a_rate_over_nothing_is_none(tiny: Tiny) -> None:
    _, [epoch] = _epochs(tiny, batch_size=10_000)
    assert (epoch["n_rows"], epoch["n_batches"], epoch["elapsed"]) == (0, 0, None)
    assert epoch["first_batch"] > 0 and epoch["nnz"] == np.count_nonzero(tiny.x)
    _, [epoch] = _epochs(tiny, batch_size=10_000, count_first=True)
    assert (epoch["n_rows"], epoch["n_batches"]) == (700, 1) and epoch["elapsed"] > 0


def test_garbage_is_collected_on_the_clock_or_never(tiny: Tiny) -> None:
    never, late, once = (_epochs(tiny, collect_every=every)[1][0]["gc"] for every in (0, 100, 7))
    assert (never, late) == (0.0, 0.0) and once > 0


def test_epochs_have_their_own_bytes_and_orders(tiny: Tiny) -> None:
    _, epochs = _epochs(tiny, (0, 2))
    assert [epoch["epoch"] for epoch in epochs] == [0, 2]
    first, second = (epoch["read_bytes"] for epoch in epochs)
    assert 0 < first < 2**24
    assert 0 < second <= first, "bytes of the epoch before were counted again"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="a peak cannot be reset here")
def test_an_epoch_has_its_own_peak(tiny: Tiny) -> None:
    held = np.ones(400 * 2**20, np.uint8)
    peak = memory.peak_bytes()
    del held
    _, [epoch] = _epochs(tiny)
    assert epoch["max_mem"] < peak - 200 * 2**20


def test_faults_of_tiledb_name_the_experiment(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_fails(error: Exception) -> None:
        def fails(*_: Any) -> None:
            raise error

        monkeypatch.setattr(soma, "read_table", fails)
        _epochs(tiny)

    for error in (tiledbsoma.SOMAError("bad\n block"), RuntimeError("bad\n block"), OSError("bad\n block")):
        with pytest.raises(AlbError, match=f"^reading {tiny.uri} failed: bad block$"):
            read_fails(error)
    with pytest.raises(RuntimeError, match="bad_alloc"):
        read_fails(RuntimeError("std::bad_alloc"))


def test_a_warning_is_one_line_of_ours(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    _epochs(tiny, (0, 1), Configuration(BlockSpec(2_000, 1), "np.array"))
    assert capsys.readouterr().err == "alb: 1x2000 np.array: a chunk of 2000 rows holds all 700 rows there are\n"


def test_each_chunk_is_told_where_it_is_asked_for(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    settings = read_chunks.ReadSettings(tiny.uri, chunk_size=300, verbose=True, **BUFFERS)
    size, done = worker.chunks(settings, "table")
    assert size == read_chunks.ReadSize(700, 150, 150, np.count_nonzero(tiny.x))
    assert isinstance(done, read_chunks.ReaderPass)
    lines = capsys.readouterr().err.splitlines()
    told = [(f"{rows:,} of 700 rows", np.count_nonzero(tiny.x[max(0, rows - 300) : rows])) for rows in (300, 600)]
    told.append(("700 of 700 rows", np.count_nonzero(tiny.x[600:])))
    assert [line.rpartition(" in ")[0] for line in lines] == [
        f"read_table: {rows}, {nnz:,} non-zeros" for rows, nnz in told
    ]
    list(worker.chunks(read_chunks.ReadSettings(tiny.uri, chunk_size=300, **BUFFERS), "table"))
    assert capsys.readouterr().err == "", "no progress bar in a pipe"


def test_a_reader_that_the_release_lacks(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: Any) -> None:
        raise NotImplementedError("tiledbsoma 1.0 has no blockwise reader")

    monkeypatch.setattr(chunk_readers, "require_reader", lacks)
    size, said = worker.chunks(read_chunks.ReadSettings(tiny.uri, chunk_size=300, **BUFFERS), "blockwise_table")
    assert isinstance(size, read_chunks.ReadSize)
    assert said == "read_blockwise_table n/a: tiledbsoma 1.0 has no blockwise reader"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_batches_on_the_gpu(tiny: Tiny) -> None:
    opened, [epoch] = _epochs(tiny, cuda=True)
    assert opened.device == torch.cuda.get_device_name()
    assert epoch["nnz"] == np.count_nonzero(tiny.x)
