from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch
from tiny import Tiny
from torch.utils.data import DataLoader

from alb_core.cases import chunk_readers, consume
from alb_core.cases.consume import run_epoch
from alb_core.loader import soma
from alb_core.loader.block_pipeline import METHODS
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader

SPEC = BlockSpec(chunk_size=16, chunks_per_block=4)


@pytest.mark.parametrize("method", METHODS)
def test_an_epoch_counts_what_the_dataset_holds(tiny: Tiny, method: str) -> None:
    with SomaLoader(tiny.uri, SPEC, method=method, batch_size=100) as loader:
        result = run_epoch(loader, check=True)
    assert result.totals == tiny.totals
    assert (result.n_batches, result.n_rows) == (7, 700)
    assert 0 < result.first_batch < result.elapsed


def test_a_timed_epoch_has_no_checksum_and_still_counts(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri, SPEC) as loader:
        result = run_epoch(loader)
    assert result.totals == replace(tiny.totals, checksum=None)
    assert result.totals.differences(tiny.totals) == []


def test_an_epoch_through_workers(tiny: Tiny) -> None:
    loader = SomaLoader(tiny.uri, SPEC, batch_size=100)
    data_loader = DataLoader(loader, batch_size=None, num_workers=2, multiprocessing_context="spawn")
    assert run_epoch(loader, data_loader, check=True).totals == tiny.totals


def test_only_the_first_batches(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri, SPEC, batch_size=100) as loader:
        result = run_epoch(loader, max_batches=3)
    assert (result.n_batches, result.n_rows) == (3, 300)


def test_columns_out_of_order_keep_the_checksum_and_swapped_ones_do_not(tiny: Tiny) -> None:
    backwards = tiny.var_joinids[::-1].copy()
    with SomaLoader(tiny.uri, SPEC, var_joinids=backwards) as loader:
        assert run_epoch(loader, check=True).totals == tiny.totals
        assert loader._opened is not None
        loader._opened.columns = tiny.var_joinids
        swapped = run_epoch(loader, check=True).totals
    assert swapped.checksum != tiny.totals.checksum and replace(swapped, checksum=None).differences(tiny.totals) == []


def test_a_reader_is_counted_alike(tiny: Tiny) -> None:
    with soma.open_experiment(tiny.uri) as experiment:
        x = experiment.ms["RNA"].X["raw"]
        chunks = [tiny.obs_joinids[:300], tiny.obs_joinids[300:]]
        result = chunk_readers.read_epoch(x, chunks, "table", check=True)
    assert result.totals == tiny.totals
    assert (result.n_batches, result.rows_after_first) == (2, 400) and 0 < result.first_done < result.elapsed


@pytest.mark.parametrize("value", [2.0**24, 2.0**24 - 1, 2.0**30])
def test_sums_of_large_counts_are_exact(value: float) -> None:
    x = torch.ones((3, 1000))
    x[1, 0] = value
    assert consume.values_of(x) == (3000, 3000 - 1 + value)


def test_where_the_time_goes(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri, SPEC, method="scipy.csr", batch_size=100) as loader:
        result = run_epoch(loader)
    assert 0 < result.first_batch < result.waiting < result.elapsed
    assert 0 < result.after_first < result.elapsed - result.first_batch
    assert result.rows_after_first == 600
    # The loader works while its consumer waits.
    assert 0.5 * result.waiting < result.reading + result.converting <= result.waiting
    assert (result.reading, result.converting) == (loader.stage_times.reading, loader.stage_times.converting)
    assert result.collecting == 0.0


def test_time_spent_in_workers_is_theirs(tiny: Tiny) -> None:
    loader = SomaLoader(tiny.uri, SPEC, batch_size=100)
    result = run_epoch(loader, DataLoader(loader, batch_size=None, num_workers=1, multiprocessing_context="spawn"))
    assert (result.reading, result.converting) == (0.0, 0.0)
    assert result.waiting > 0


@pytest.mark.parametrize(("every", "times"), [(0, 0), (1, 7), (3, 2), (7, 1), (8, 0)])
def test_garbage_is_collected_after_every_so_many_batches(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, every: int, times: int
) -> None:
    collected = []
    monkeypatch.setattr(consume.gc, "collect", lambda: time.sleep(0.01) or collected.append(1))
    with SomaLoader(tiny.uri, SPEC, batch_size=100) as loader:
        result = run_epoch(loader, collect_every=every)
    assert len(collected) == times
    assert 0.01 * times <= result.collecting < 0.01 * times + 0.1
    assert result.collecting < result.elapsed - result.waiting + 1e-9, "the consumer collects, it does not wait"


def test_the_rows_of_each_batch_are_told(tiny: Tiny) -> None:
    rows: list[int] = []
    with SomaLoader(tiny.uri, SPEC, batch_size=300) as loader:
        run_epoch(loader, progress=rows.append)
    assert rows == [300, 300, 100]


def test_one_batch_leaves_nothing_after_it(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri, SPEC, batch_size=1000) as loader:
        result = run_epoch(loader)
        assert (result.rows_after_first, result.n_rows) == (0, 700)
        one = run_epoch(loader, max_batches=1)
    assert one.after_first < 0.1 * one.first_batch, "and the end of the epoch is not waited for"


def test_waiting_takes_no_processor() -> None:
    x = torch.ones(2, 3)
    result = consume.consume([(x, [0, 1])] * 4, consume.EpochCounts(), pause=0.25)
    assert result.elapsed > 1 > result.processor > 0
