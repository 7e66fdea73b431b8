from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import Tiny
from torch.utils.data import DataLoader

from alb_core.base.checksum import dense_checksum, differences, require_equal
from alb_core.base.errors import AlbError
from alb_core.cases import chunk_readers, consume
from alb_core.cases.consume import run_epoch
from alb_core.loader import batches, soma
from alb_core.loader.block_pipeline import METHODS
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader

SPEC = BlockSpec(chunk_size=16, chunks_per_block=4)


def _figures(tiny: Tiny) -> dict[str, int | float]:
    return {
        "n_obs": len(tiny.obs_joinids),
        "nnz": int(np.count_nonzero(tiny.x)),
        "x_sum": float(tiny.x.sum(dtype=np.float64)),
        "x_checksum": dense_checksum(tiny.x, tiny.obs_joinids, tiny.var_joinids),
    }


@pytest.mark.parametrize("method", METHODS)
def test_an_epoch_counts_what_the_dataset_holds(tiny: Tiny, method: str) -> None:
    with SomaLoader(tiny.uri, SPEC, method=method, batch_size=100) as loader:
        result = run_epoch(loader, check=True)
    require_equal(result, **_figures(tiny))
    assert (result.n_cols, result.n_batches, result.n_blocks) == (150, 7, 11)
    assert 0 < result.first_batch < result.elapsed
    assert result.samples_per_second == 700 / result.elapsed


def test_a_timed_epoch_has_no_checksum_and_still_counts(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri, SPEC) as loader:
        result = run_epoch(loader)
    assert result.checksum is None
    assert differences(result, **_figures(tiny)) == []
    assert differences(result, **{**_figures(tiny), "nnz": 5}) == [f"non-zeros {result.nnz}, expected 5"]


def test_an_epoch_through_workers(tiny: Tiny) -> None:
    loader = SomaLoader(tiny.uri, SPEC, batch_size=100)
    data_loader = DataLoader(loader, batch_size=None, num_workers=2, multiprocessing_context="spawn")
    require_equal(run_epoch(loader, data_loader, check=True), **_figures(tiny))


def test_only_the_first_batches(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri, SPEC, batch_size=100) as loader:
        result = run_epoch(loader, max_batches=3)
    assert (result.n_batches, result.n_rows) == (3, 300)


def test_columns_out_of_order_keep_the_checksum_and_swapped_ones_do_not(tiny: Tiny) -> None:
    backwards = tiny.var_joinids[::-1].copy()
    with SomaLoader(tiny.uri, SPEC, var_joinids=backwards) as loader:
        require_equal(run_epoch(loader, check=True), **_figures(tiny))
        assert loader._opened is not None
        loader._opened.columns = tiny.var_joinids
        result = run_epoch(loader, check=True)
    with pytest.raises(AlbError, match=r"^what was read is not what the dataset holds: checksum \d+, expected \d+$"):
        require_equal(result, **_figures(tiny))


def test_every_figure_that_differs_is_named(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri, SPEC) as loader:
        result = run_epoch(loader, check=True)
    wrong = replace(result, n_rows=1, nnz=2, total=3.0, checksum=4)
    with pytest.raises(AlbError, match=r"rows 1, expected 700; non-zeros 2, .*; sum 3.0, .*; checksum 4, expected"):
        require_equal(wrong, **_figures(tiny))
    assert differences(wrong, n_obs=1) == []


def test_a_reader_is_compared_alike(tiny: Tiny) -> None:
    with soma.open_experiment(tiny.uri) as experiment:
        result = chunk_readers.read_epoch(experiment.ms["RNA"].X["raw"], [tiny.obs_joinids[1:]], "table", check=True)
    assert len(differences(result, **_figures(tiny))) == (1 if tiny.x[0].sum() == 0 else 4)


@pytest.mark.parametrize("value", [2.0**24, 2.0**24 - 1, 2.0**30])
def test_sums_of_large_counts_are_exact(value: float) -> None:
    x = torch.ones((3, 1000))
    x[1, 0] = value
    assert batches.sum_of(x) == 3000 - 1 + value


def test_where_the_time_goes(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri, SPEC, batch_size=100) as loader:
        result = run_epoch(loader)
    assert 0 < result.first_batch < result.waiting < result.elapsed
    assert 0 < result.after_first < result.elapsed - result.first_batch
    assert result.rows_after_first == 600
    # The loader works while its consumer waits.
    assert 0.5 * result.waiting < result.reading + result.converting <= result.waiting
    assert (result.reading, result.converting) == (loader.spent.reading, loader.spent.converting)
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


def test_sums_of_fractions_need_not_agree_in_the_last_digit(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri, SPEC) as loader:
        result = run_epoch(loader)
    fractions = replace(result, total=1234.5678)
    assert differences(fractions, n_obs=700, x_sum=1234.56780001) == []
    assert differences(fractions, n_obs=700, x_sum=1234.58) == ["sum 1234.5678, expected 1234.58"]
    assert differences(fractions, n_obs=700, x_sum=1235) == ["sum 1234.5678, expected 1235"]
    assert differences(result, n_obs=700, x_sum=int(result.total) + 1) != []
