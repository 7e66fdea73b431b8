from __future__ import annotations

import gc
import pickle
import time
import weakref
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from plain import all_ids, require_true
from tiny import Tiny
from torch.utils.data import DataLoader

from alb_core.base.errors import AlbError
from alb_core.loader import dataset as loader_module
from alb_core.loader.block_pipeline import METHODS
from alb_core.loader.block_spec import BlockSpec, parse_one
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.order import BLOCK_SHUFFLES
from alb_core.loader.pipelines import METHOD_NAMES

SPEC = BlockSpec(chunk_size=16, chunks_per_block=8)


def _ids(batches) -> list[int]:
    return [i for ids in all_ids(batches) for i in ids]


def _true_ids(tiny: Tiny, batches, var_joinids=None) -> list[int]:
    """Rows of batches, when their values are right."""
    return [i for ids in require_true(tiny, batches, var_joinids) for i in ids]


@pytest.mark.parametrize("method", METHOD_NAMES)
@pytest.mark.parametrize("shuffle", BLOCK_SHUFFLES)
@pytest.mark.parametrize(
    ("spec", "batch_size"),
    [("8x16", 100), ("8x16", 128), ("8x16", 32), ("2x16", 100), ("16", 1024), ("1024", 7), ("1x700", 700), ("3x7", 1)],
)
def test_every_row_once_and_whole_batches(tiny: Tiny, method: str, shuffle: str, spec: str, batch_size: int) -> None:
    with SomaLoader(tiny.uri, parse_one(spec), method=method, shuffle=shuffle, batch_size=batch_size) as loader:
        batches = list(loader)
        assert len(batches) == loader.n_batches
    rows = _true_ids(tiny, batches)
    assert (rows if shuffle == "none" else sorted(rows)) == tiny.obs_joinids.tolist()
    assert all(len(x) == batch_size for x, _ in batches[:-1])
    assert all(x.dtype == torch.float32 and x.is_contiguous() for x, _ in batches)


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_joinids_without_gaps(tiny_without_gaps: Tiny, method: str) -> None:
    for shuffle in BLOCK_SHUFFLES:
        loader = SomaLoader(tiny_without_gaps.uri, SPEC, method=method, shuffle=shuffle, batch_size=100)
        assert sorted(_true_ids(tiny_without_gaps, loader)) == list(range(700))


@pytest.mark.parametrize("shuffle", BLOCK_SHUFFLES)
def test_cutting_batches_changes_no_order(tiny: Tiny, shuffle: str) -> None:
    orders = {
        tuple(_ids(SomaLoader(tiny.uri, SPEC, shuffle=shuffle, seed=3, batch_size=size))) for size in (1, 50, 128, 999)
    }
    assert len(orders) == 1


def test_drop_last(tiny: Tiny) -> None:
    for batch_size in (300, 350):
        loader = SomaLoader(tiny.uri, SPEC, batch_size=batch_size, drop_last=True)
        assert [len(x) for x, _ in loader] == [batch_size] * 2 and loader.n_batches == 2


def test_obs_columns_stay_with_their_rows(tiny: Tiny) -> None:
    loader = SomaLoader(tiny.uri, SPEC, batch_size=100, obs_columns=["raw_sum", "cell_type"])
    for x, obs in loader:
        rows = tiny.rows(obs.column("soma_joinid").to_numpy())
        assert obs.column_names == ["soma_joinid", "raw_sum", "cell_type"]
        assert pa.types.is_dictionary(obs.schema.field("cell_type").type)
        assert obs.column("cell_type").to_pylist() == tiny.cell_type[rows].tolist()
        assert obs.column("raw_sum").to_pylist() == x.sum(dim=1).tolist()


@pytest.mark.parametrize("method", METHOD_NAMES)
@pytest.mark.parametrize("reverse", [False, True])
def test_subsets_in_any_order(tiny: Tiny, method: str, reverse: bool) -> None:
    rng = np.random.default_rng(0)
    obs_ids = rng.permutation(tiny.obs_joinids)[:333]
    var_ids = tiny.var_joinids[::-1].copy() if reverse else rng.permutation(tiny.var_joinids)[:20]
    loader = SomaLoader(
        tiny.uri, SPEC, method=method, shuffle="none", batch_size=50, obs_joinids=obs_ids, var_joinids=var_ids
    )
    assert _true_ids(tiny, loader, var_ids) == obs_ids.tolist()
    assert (loader.n_rows, loader.n_vars, loader.n_blocks) == (333, len(var_ids), 3)


def test_each_epoch_has_its_order(tiny: Tiny) -> None:
    first = SomaLoader(tiny.uri, SPEC, seed=1)
    epochs = [_ids(first) for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    second = SomaLoader(tiny.uri, SPEC, seed=1)
    second.set_epoch(2)
    assert _ids(second) == epochs[2]
    second.set_epoch(0)
    assert [_ids(second), _ids(second)] == epochs[:2]
    assert _ids(SomaLoader(tiny.uri, SPEC, seed=2)) != epochs[0]
    with pytest.raises(AlbError, match="epoch is -1"):
        second.set_epoch(-1)


@pytest.mark.parametrize("method", ["scipy.csr", "numba"])
def test_two_iterations_side_by_side(tiny: Tiny, method: str) -> None:
    with SomaLoader(tiny.uri, SPEC, method=method, batch_size=100) as loader:
        for batches in zip(*zip(iter(loader), iter(loader), strict=True), strict=True):
            assert sorted(_true_ids(tiny, batches)) == tiny.obs_joinids.tolist()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_share_the_rows(tiny: Tiny, workers: int) -> None:
    loader = SomaLoader(tiny.uri, SPEC, batch_size=50, obs_columns=["cell_type"])
    data_loader = DataLoader(loader, batch_size=None, num_workers=workers, multiprocessing_context="spawn")
    batches = list(data_loader)
    assert sorted(_true_ids(tiny, batches)) == tiny.obs_joinids.tolist()
    for _, obs in batches:
        rows = tiny.rows(obs.column("soma_joinid").to_numpy())
        assert obs.column("cell_type").to_pylist() == tiny.cell_type[rows].tolist()
    if workers == 1:
        assert _ids(batches) == _ids(SomaLoader(tiny.uri, SPEC, batch_size=50))


def test_workers_forked_from_an_open_loader_say_why_they_fail(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri, SPEC) as loader:
        data_loader = DataLoader(loader, batch_size=None, num_workers=1, multiprocessing_context="fork")
        with pytest.raises(AlbError, match="TileDB does not survive that"):
            list(data_loader)


def test_a_copy_in_another_process_opens_for_itself(tiny: Tiny) -> None:
    with SomaLoader(tiny.uri, SPEC, seed=4) as loader:
        copy = pickle.loads(pickle.dumps(loader))
        assert _ids(copy) == _ids(loader)


def test_closed_and_opened_again(tiny: Tiny) -> None:
    loader = SomaLoader(tiny.uri, SPEC)
    before = _ids(loader)
    opened = loader._opened
    loader.close()
    loader.close()
    assert opened is not None
    assert opened._x.closed
    loader.set_epoch(0)
    assert _ids(loader) == before


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_closed_in_the_middle_of_an_epoch(tiny: Tiny, method: str) -> None:
    loader = SomaLoader(tiny.uri, SPEC, method=method, batch_size=10)
    iterator = iter(loader)
    next(iterator)
    loader.close()
    with pytest.raises(AlbError, match=f"^the loader of {tiny.uri} was closed in the middle of an epoch$"):
        list(iterator)
    loader.set_epoch(0)
    assert sorted(_ids(loader)) == tiny.obs_joinids.tolist()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch_size", [32, 100, 1024])
def test_no_block_is_held_while_the_next_one_is_read(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, method: str, batch_size: int
) -> None:
    seen: list[weakref.ref] = []
    alive: list[int] = []
    convert = METHODS[method]

    def watched(*args):
        gc.collect()
        alive.append(sum(ref() is not None for ref in seen))
        block = convert(*args)
        seen.append(weakref.ref(block))
        return block

    monkeypatch.setitem(METHODS, method, watched)
    for x, _ in SomaLoader(tiny.uri, SPEC, method=method, batch_size=batch_size):
        del x
    assert alive == [0] * 6


def test_all_wrong_arguments_in_one_message(tiny: Tiny) -> None:
    with pytest.raises(AlbError) as caught:
        SomaLoader(
            tiny.uri,
            SPEC,
            method="np",
            shuffle="chunk",
            seed=-1,
            batch_size=0,
            obs_joinids=[3, 4, 3],
            var_joinids=[0.5],
            obs_columns="cell_type",
            soma_buffer_size=0,
        )
    for words in (
        "method is 'np', expected one of np.array, scipy.coo, scipy.csr, numba",
        "shuffle is 'chunk', expected one of none, block, global",
        "seed is -1",
        "batch_size is 0",
        "obs_joinids repeats 1 joinids",
        "var_joinids is float64 of shape (1,)",
        "obs_columns is 'cell_type', expected a list",
        "soma_buffer_size is 0",
    ):
        assert words in str(caught.value)


def test_what_the_experiment_lacks(tiny: Tiny, tmp_path: Path) -> None:
    for arguments, words in (
        ({"layer": "normalized"}, "no X layer 'normalized', expected one of raw"),
        ({"obs_columns": ["sex"]}, "no column sex, expected some of: soma_joinid, cell_type, raw_sum"),
        ({"var_joinids": [10**6]}, r"var has no soma_joinid \[1000000\]"),
    ):
        with pytest.raises(AlbError, match=words):
            SomaLoader(tiny.uri, SPEC, **arguments).open()
    with pytest.raises(AlbError, match="no SOMA experiment at"):
        next(iter(SomaLoader(tmp_path, SPEC)))


@pytest.mark.parametrize("size", [4096, 2**20])
def test_buffers_of_any_size(tiny: Tiny, size: int) -> None:
    loader = SomaLoader(tiny.uri, SPEC, py_buffer_size=size, soma_buffer_size=size, config={"sm.tile_cache_size": 0})
    assert sorted(_true_ids(tiny, loader)) == tiny.obs_joinids.tolist()


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_time_spent_is_that_of_the_latest_epoch(tiny: Tiny, method: str) -> None:
    with SomaLoader(tiny.uri, SPEC, method=method, batch_size=100) as loader:
        assert (loader.stage_times.reading, loader.stage_times.converting) == (0.0, 0.0)
        start = time.perf_counter()
        for _ in loader:
            time.sleep(0.02)  # of the consumer: nobody else's time
        elapsed = time.perf_counter() - start
        first = loader.stage_times
        assert first.reading > 0 and first.converting > 0
        if method in METHODS:  # the other one works while the consumer does
            assert first.reading + first.converting < elapsed - 7 * 0.02
        iterator = iter(loader)
        assert loader.stage_times is not first and loader.stage_times.reading == 0.0
        next(iterator)
        assert loader.stage_times.reading > 0
        if method in METHODS:
            assert loader.stage_times.reading < first.reading


def test_time_is_spent_where_an_error_ends_it(tiny: Tiny) -> None:
    times = loader_module.StageTimes()
    with pytest.raises(ValueError), times.measure("reading"):
        time.sleep(0.01)
        raise ValueError
    assert times.reading >= 0.01 and times.converting == 0.0
