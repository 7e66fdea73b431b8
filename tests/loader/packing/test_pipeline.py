"""The streaming method: groups of blocks, memory, threads, CSR batches, faults."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import require_true
from tiny import Tiny, write_tiny

from alb_core.base.errors import AlbError
from alb_core.loader import memory_budget
from alb_core.loader.block_spec import BlockSpec, parse_one
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.experiment import ExperimentQuery, OpenExperiment, Selection
from alb_core.loader.order import BLOCK_SHUFFLES, Block
from alb_core.loader.packing import kernels
from alb_core.loader.packing import pipeline as pipeline_module
from alb_core.loader.packing.pipeline import StreamingPipeline
from alb_core.loader.stage_times import StageTimes

SPEC = BlockSpec(chunk_size=16, chunks_per_block=8)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    gc.collect()
    assert [thread.name for thread in threading.enumerate() if thread.name == "alb-prefetch"] == []


@pytest.fixture(scope="module")
def opened(tiny: Tiny):
    options = {"config": {"soma.init_buffer_bytes": 4096, "py.init_buffer_bytes": 4096}}
    found = OpenExperiment(tiny.uri, ExperimentQuery("RNA", "raw", Selection("obs"), Selection("var")), options)
    yield found
    found.close()


def pipeline_of(opened, batch_size=50, packed_bytes=2**20, block_rows=100, drop_last=False):
    return StreamingPipeline(
        opened, batch_size=batch_size, drop_last=drop_last, packed_bytes=packed_bytes, block_rows=block_rows
    )


def run(pipeline, blocks):
    return pipeline.batches(iter(blocks), StageTimes())


def delivered(tiny, batches):
    """Rows of batches, when their values are right."""
    return [i for ids in require_true(tiny, batches) for i in ids]


def blocks_of(joinids, sizes):
    starts = itertools.accumulate(sizes, initial=0)
    return [Block((joinids[start : start + size],), None) for start, size in zip(starts, sizes, strict=False)]


def turned(joinids, sizes):
    """The same blocks, out of stored order."""
    return [Block(block.chunks, np.arange(len(block))[::-1]) for block in blocks_of(joinids, sizes)]


def reads_of(opened, monkeypatch):
    """Rows of each read that the pipeline makes from now on."""
    reads, tables = [], opened.tables
    monkeypatch.setattr(opened, "tables", lambda joinids: reads.append(len(joinids)) or tables(joinids))
    return reads


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(0, 699), min_size=1, max_size=300),
    st.lists(st.integers(1, 60), min_size=300, max_size=300),
    st.integers(5, 64),
    st.integers(2**16, 2**17),
    st.booleans(),
)
def test_any_rows_in_any_blocks_under_any_memory(tiny, opened, rows, sizes, batch_size, memory, drop_last):
    """Rows may repeat, in a block and between blocks; groups that turn out too large are read in halves."""
    joinids = tiny.obs_joinids[rows]
    blocks = [block for block in blocks_of(joinids, sizes) if len(block)]
    pipeline = pipeline_of(opened, batch_size, memory, 1, drop_last)
    for _ in range(2):  # the second epoch uses the memory of the first one
        batches = list(run(pipeline, blocks))
        n_rows = len(rows) // batch_size * batch_size if drop_last else len(rows)
        assert delivered(tiny, batches) == joinids[:n_rows].tolist()
        assert [len(x) for x, _ in batches[:-1]] == [batch_size] * (len(batches) - 1)


def test_all_blocks_are_read_together_where_memory_holds_them(tiny, opened, monkeypatch):
    reads = reads_of(opened, monkeypatch)
    list(run(pipeline_of(opened), turned(tiny.obs_joinids, [100] * 7)))
    assert reads == [700]


def test_blocks_in_stored_order_are_read_in_parts(tiny, opened, monkeypatch):
    reads = reads_of(opened, monkeypatch)
    monkeypatch.setattr(pipeline_module, "_PART_ROWS", 64)
    monkeypatch.setattr(pipeline_module, "_FIRST_ROWS", 16)
    batches = list(run(pipeline_of(opened), blocks_of(tiny.obs_joinids, [100] * 7)))
    assert reads == [16, 32, 52] + [64, 36] * 6, "few rows first, so that the stages behind have something to do"
    assert delivered(tiny, batches) == tiny.obs_joinids.tolist()


def test_kernels_are_there_before_the_first_batch_is_waited_for(opened, monkeypatch):
    warmed = []
    monkeypatch.setattr(pipeline_module, "compile_all", lambda: warmed.append(threading.current_thread()))
    pipeline_of(opened)
    assert len(warmed) == 1 and warmed[0] is not threading.current_thread()


def test_in_stored_order_batches_come_before_their_block_is_whole(tiny, opened, monkeypatch):
    tables, later = opened.tables, threading.Event()
    monkeypatch.setattr(pipeline_module, "_FIRST_ROWS", 64)
    monkeypatch.setattr(
        opened, "tables", lambda rows: (rows[0] < tiny.obs_joinids[128] or later.wait(60)) and tables(rows)
    )
    batches = run(pipeline_of(opened, block_rows=700), blocks_of(tiny.obs_joinids, [700]))
    assert [len(next(batches)[0]) for _ in range(2)] == [50, 50]
    assert not later.is_set()
    later.set()
    assert sum(len(x) for x, _ in batches) == 600


def test_without_room_for_all_the_first_batch_waits_for_one_block_alone(tiny, opened, monkeypatch):
    reads = reads_of(opened, monkeypatch)
    pipeline = pipeline_of(opened, packed_bytes=2**14, block_rows=20)
    list(run(pipeline, turned(tiny.obs_joinids, [20] * 35)))
    assert reads[:3] == [20, 40, 80] and sum(reads) == 700
    assert max(reads) <= 2**14 / pipeline._row_bytes


def test_a_group_that_needs_more_than_was_thought_is_read_again_in_halves(tiny, opened, monkeypatch):
    reads = reads_of(opened, monkeypatch)
    pipeline = pipeline_of(opened, packed_bytes=2**14)
    needed = pipeline._row_bytes
    pipeline._row_bytes = 1.0
    batches = list(run(pipeline, turned(tiny.obs_joinids, [100] * 7)))
    assert reads[0] == 700 and reads[1] < 700 and needed * 700 > 2**14
    assert delivered(tiny, batches) == tiny.obs_joinids.reshape(7, 100)[:, ::-1].ravel().tolist()


def test_a_block_that_cannot_fit_is_refused_before_it_is_read(tiny, opened, monkeypatch):
    reads = reads_of(opened, monkeypatch)
    words = r"^a block of 600 rows takes more than the 10,000 bytes that are left for packed cells: raise max_memory, "
    with pytest.raises(AlbError, match=words):
        pipeline_of(opened, packed_bytes=10_000, block_rows=600)
    assert reads == []


def test_a_block_that_turns_out_too_large_is_told(tiny, opened):
    batches = run(pipeline_of(opened, packed_bytes=10_000, block_rows=50), blocks_of(tiny.obs_joinids, [50, 600]))
    assert len(next(batches)[0]) == 50
    with pytest.raises(AlbError, match=r"^a block of 600 rows takes more than"):
        list(batches)


def test_the_reader_waits_for_a_slow_consumer_and_holds_no_more_than_its_memory(tiny, opened, monkeypatch):
    reads = reads_of(opened, monkeypatch)
    batches = run(
        pipeline_of(opened, batch_size=20, packed_bytes=2**14, block_rows=20), blocks_of(tiny.obs_joinids, [20] * 35)
    )
    next(batches)
    time.sleep(0.5)
    assert sum(reads) < 700, "the rest waits"
    assert sum(len(x) for x, _ in batches) == 680


def test_batches_that_are_kept_are_never_written_again(tiny):
    with SomaLoader(tiny.uri, SPEC, method="numba", batch_size=32) as loader:
        kept = list(loader)
        for _ in loader:
            pass
    assert len(delivered(tiny, kept)) == 700


def test_memory_of_a_batch_that_is_gone_is_used_again():
    pool = pipeline_module.BatchBuffers(10, 5)
    first = pool.take(10)
    second = pool.take(10)
    places = {first.data_ptr(), second.data_ptr()}
    assert len(places) == 2
    part = first[2:4]
    del first
    assert pool.take(10).data_ptr() not in {part.data_ptr() - 2 * 5 * 4, second.data_ptr()}, "a view keeps it"
    del part, second
    assert pool.take(3).data_ptr() in places


@pytest.mark.parametrize("shuffle", BLOCK_SHUFFLES)
def test_csr_batches_hold_the_same_values(tiny: Tiny, shuffle: str) -> None:
    columns = tiny.var_joinids[::-1].copy()
    arguments = {"method": "numba", "batch_size": 100, "shuffle": shuffle, "var_joinids": columns}
    with (
        SomaLoader(tiny.uri, SPEC, **arguments) as dense,
        SomaLoader(tiny.uri, SPEC, **arguments, sparse=True) as sparse,
    ):
        for (x, obs), (csr, csr_obs) in zip(dense, sparse, strict=True):
            assert csr.layout == torch.sparse_csr and csr.shape == x.shape and csr.dtype == torch.float32
            torch.testing.assert_close(csr.to_dense(), x, rtol=0, atol=0)
            checked = torch.sparse_csr_tensor(
                csr.crow_indices(), csr.col_indices(), csr.values(), csr.shape, check_invariants=True
            )
            assert checked.values().count_nonzero() == torch.count_nonzero(x)
            assert obs.equals(csr_obs)


def test_fractions_and_large_counts(tmp_path: Path) -> None:
    tiny = write_tiny(tmp_path / "fractions", values=lambda x: np.where(x > 25, x / 3, x * 1000).astype(np.float32))
    with SomaLoader(tiny.uri, SPEC, method="numba", batch_size=100) as loader:
        assert len(delivered(tiny, loader)) == 700


def test_short_runs_are_sorted_first(tiny, opened, monkeypatch):
    calls, by_row = [], kernels.by_row
    monkeypatch.setattr(kernels, "by_row", lambda *arguments: calls.append(1) or by_row(*arguments))
    shuffled = np.random.default_rng(0)
    tables = opened.tables

    def mixed(joinids):
        for table in tables(joinids):
            yield table.take(shuffled.permutation(table.num_rows))

    monkeypatch.setattr(opened, "tables", mixed)
    assert len(delivered(tiny, run(pipeline_of(opened), blocks_of(tiny.obs_joinids, [100] * 7)))) == 700 and calls


def test_an_entry_nobody_asked_for_is_an_error(tiny, opened, monkeypatch):
    tables = opened.tables
    monkeypatch.setattr(opened, "tables", lambda joinids: tables(tiny.obs_joinids))
    with pytest.raises(AlbError, match=r"^X was read with an entry in row \d+, which was not asked for$"):
        list(run(pipeline_of(opened), blocks_of(tiny.obs_joinids, [100])))


def test_an_error_while_reading_reaches_the_consumer_with_its_cause(tiny, opened, monkeypatch):
    tables = opened.tables

    def fails(joinids):
        yield next(iter(tables(joinids)))
        raise RuntimeError("the read failed") from OSError("the disk")

    monkeypatch.setattr(opened, "tables", fails)
    with pytest.raises(RuntimeError, match=r"^the read failed$") as caught:
        list(run(pipeline_of(opened), blocks_of(tiny.obs_joinids, [100] * 7)))
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(
    ("arguments", "trim"),
    [
        ({"method": "numba"}, "false"),
        ({"method": "numba", "max_memory": 4 * 2**30}, "false"),
        ({"method": "numba", "config": {}}, "true"),
        ({"method": "scipy.csr"}, "true"),
    ],
)
def test_it_takes_the_tuned_context_by_itself(tiny: Tiny, arguments: dict, trim: str) -> None:
    with SomaLoader(tiny.uri, SPEC, **arguments) as loader:
        assert loader._open()._x.context.tiledb_config.get("sm.mem.malloc_trim", "true") == trim


def test_a_cap_too_small_for_anything_says_what_is_needed(tiny: Tiny) -> None:
    loader = SomaLoader(tiny.uri, SPEC, method="numba", max_memory=2**20)
    with pytest.raises(AlbError, match=r"^max_memory is 1,048,576 bytes, expected [\d,]+ or more: the process holds"):
        loader.open()


@given(st.integers(2**28, 2**34), st.integers(0, 2**30), st.integers(0, 2**28))
def test_the_shares_of_a_cap_add_up_to_it(cap, held, batch):
    config = memory_budget.capped_config(cap)
    fixed = held + int(config["sm.mem.total_budget"]) + 6 * int(config["soma.init_buffer_bytes"]) + 3 * batch
    try:
        left = memory_budget.packed_bytes(cap, held, batch)
    except AlbError:
        assert cap - fixed < 2**27
    else:
        assert 2**24 <= left < cap - fixed


def test_options_that_go_with_this_method_alone(tiny: Tiny) -> None:
    with pytest.raises(AlbError, match=r"max_memory goes with method numba, and method is 'scipy.csr'; sparse goes"):
        SomaLoader(tiny.uri, SPEC, method="scipy.csr", max_memory=2**30, sparse=True)
    if not torch.cuda.is_available():
        with pytest.raises(AlbError, match=r"^pin_memory is for copies to a CUDA device, and there is none$"):
            SomaLoader(tiny.uri, SPEC, pin_memory=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("method", ["scipy.csr", "numba"])
def test_pinned_batches_are_copied_beside_the_consumer(tiny: Tiny, method: str) -> None:
    with SomaLoader(tiny.uri, parse_one("8x16"), method=method, batch_size=100, pin_memory=True) as loader:
        for x, obs in loader:
            assert x.is_pinned()
            on_device = x.to("cuda", non_blocking=True)
            torch.cuda.synchronize()
            np.testing.assert_array_equal(
                on_device.cpu().numpy(), tiny.x[tiny.rows(obs.column("soma_joinid").to_numpy())]
            )
