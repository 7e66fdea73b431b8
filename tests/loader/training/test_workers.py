"""Processes that read, and loaders that have them."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from plain import all_ids, require_true
from tiny import Tiny
from torch.utils.data import DataLoader

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader
from alb_core.loader.training import workers as workers_module
from alb_core.loader.training.workers import RemoteError, WorkerPool


class OddError(Exception):
    """An error that no pickle can make again."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


def work(item):
    """What the processes of these tests do: whatever the item says."""
    kind, value = item
    if kind == "sleep":
        time.sleep(value)
    elif kind == "die":
        os.kill(os.getpid(), value)
    elif kind == "arrays":
        array = np.arange(value, dtype=np.float32)
        yield {"numpy": array[::2], "torch": torch.from_numpy(array), "arrow": pa.table({"a": array[:3]}), "few": [1]}
        return
    elif kind == "count":
        for i in range(value):
            yield i, time.monotonic()
        return
    yield os.getpid(), value


def children() -> set[int]:
    """Processes of this one, but for Python's own tracker of resources, which ends with it."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        # A thread, or a process, may end meanwhile.
        with suppress(OSError):
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return {pid for pid in found if b"resource_tracker" not in _command(pid)}


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def shared_memory() -> int:
    """Pieces of shared memory that this process has mapped."""
    return Path("/proc/self/maps").read_text().count("/torch_")


def abandoned() -> set[Path]:
    """Files of shared memory of processes that are no more."""
    files = Path("/dev/shm").glob("torch_*")
    return {file for file in files if not Path("/proc", file.name.split("_")[1]).exists()}


@pytest.fixture
def nothing_left() -> Iterator[Callable[[], None]]:
    """Checks that neither processes, threads, shared memory nor its files are left, at the end or when called."""
    gc.collect()
    before, pieces = (children(), set(threading.enumerate()), abandoned()), shared_memory()

    def check() -> None:
        gc.collect()
        # What an earlier test left to end by itself may have ended meanwhile.
        now = children(), set(threading.enumerate()), abandoned()
        assert [late - early for late, early in zip(now, before, strict=True)] == [set()] * 3
        assert shared_memory() <= pieces

    yield check
    check()


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerPool]:
    pool = WorkerPool(work, 2)
    yield pool
    pool.close()


def test_results_come_in_order(workers: WorkerPool) -> None:
    """The first process is slow, and its results come first all the same."""
    items = [("sleep", 0.2 if i % 2 == 0 else 0.0) for i in range(5)]
    results = list(workers.map(iter(items)))
    assert [value for _, value in results] == [value for _, value in items]
    pids = [pid for pid, _ in results]
    assert len(set(pids)) == 2 and pids[::2] == pids[:1] * 3 and os.getpid() not in pids
    assert list(workers.map([])) == []


def test_arrays_come_in_shared_memory(workers: WorkerPool) -> None:
    [result] = workers.map([("arrays", 10**6)])
    np.testing.assert_array_equal(result["numpy"], np.arange(0, 10**6, 2))
    assert result["torch"].is_shared() and torch.equal(result["torch"], torch.arange(10**6).float())
    assert torch.from_numpy(result["numpy"]).shape == (500_000,)
    assert result["arrow"].to_pydict() == {"a": [0, 1, 2]} and result["few"] == [1]
    assert shared_memory() >= 2
    del result
    gc.collect()
    assert shared_memory() == 0


def test_an_item_has_any_number_of_results(workers: WorkerPool) -> None:
    results = [i for i, _ in workers.map([("count", n) for n in (3, 0, 1, 5, 0)])]
    assert results == [0, 1, 2, 0, 0, 1, 2, 3, 4]


def test_no_process_runs_far_ahead(workers: WorkerPool) -> None:
    """Nothing is made more than two results before it is taken."""
    results = workers.map([("count", 6)])
    taken = []
    for _, made in results:
        taken.append((made, time.monotonic()))
        time.sleep(0.05)
    for i in range(len(taken) - 3):
        assert taken[i + 3][0] > taken[i][1]


def test_an_error_that_cannot_travel() -> None:
    try:
        raise OddError(1, 2)
    except OddError as error:
        nothing, (told, trace) = pickle.loads(workers_module._error_answer(error))
    assert isinstance(told, RuntimeError) and str(told) == "OddError: 1 and 2"
    assert "in test_an_error_that_cannot_travel" in trace and nothing == []


def test_a_process_that_is_killed(nothing_left) -> None:
    pool = WorkerPool(work, 2)
    results = pool.map([("sleep", 0), ("sleep", 0), ("die", signal.SIGKILL), ("sleep", 60), ("sleep", 60)])
    next(results), next(results)
    start = time.perf_counter()
    with pytest.raises(AlbError, match=r"^block reader 0 \(process \d+\) was killed by SIGKILL before it handed over"):
        next(results)
    assert time.perf_counter() - start < 30  # of the minute that the others sleep
    nothing_left()


def test_what_nobody_uses_any_more_ends(nothing_left) -> None:
    pool = WorkerPool(work, 1)
    assert len(list(pool.map([("sleep", 0)]))) == 1
    assert children()
    del pool
    nothing_left()


#: Blocks of 128 rows, of which batches of 100 are no part.
SPEC = BlockSpec(chunk_size=16, chunks_per_block=8)


@pytest.mark.parametrize(("method", "n_workers", "sparse"), [("scipy.csr", 1, False), ("numba", 2, True)])
def test_batches_are_the_same_for_any_number_of_workers(
    tiny: Tiny, nothing_left, method: str, n_workers: int, sparse: bool
) -> None:
    arguments = {"method": method, "sparse": sparse, "batch_size": 100, "seed": 3, "obs_codes": ["cell_type"]}
    arguments |= {"obs_query": "raw_sum > 250", "var_joinids": tiny.var_joinids[::-2]}
    columns = tiny.var_joinids[::-2]
    with SomaLoader(tiny.uri, SPEC, **arguments) as alone, SomaLoader(
        tiny.uri, SPEC, num_workers=n_workers, **arguments
    ) as loader:  # fmt: skip
        codes = [obs.column("cell_type").to_pylist() for _, obs in alone]
        alone.set_epoch(0)
        orders = [all_ids(alone) for _ in range(3)]
        readers, others = set(), children()
        for epoch in range(2):
            batches = list(loader)
            readers |= children() - others
            assert list(require_true(tiny, batches, columns)) == orders[epoch]
            if epoch == 0:
                assert [obs.column("cell_type").to_pylist() for _, obs in batches] == codes
            del batches
        assert len(readers) == n_workers  # the second epoch had those of the first
        assert loader.stage_times.reading > 0
        # Taken up in the middle, where a loader without processes left.
        iterator = iter(alone)
        alone.load_state_dict({**alone.state_dict(), "epoch": 2})
        next(iterator), next(iterator)
        loader.load_state_dict({**alone.state_dict(), "epoch": 2, "batch": 2})
        del iterator
        assert all_ids(loader) == orders[2][2:]


def test_a_loader_that_is_left_early_or_whose_process_is_killed(tiny: Tiny, nothing_left) -> None:
    loader, others = SomaLoader(tiny.uri, SPEC, batch_size=50, num_workers=1), children()
    for batch in loader:
        del batch
        break
    assert children() == others
    with pytest.raises(AlbError, match=r"^block reader 0 \(process \d+\) was killed by SIGKILL"):
        for batch in loader:
            del batch
            os.kill(*(children() - others), signal.SIGKILL)
    loader.close()
    nothing_left()


def test_an_error_of_a_process_that_reads(tiny: Tiny, tmp_path: Path, nothing_left) -> None:
    copy = shutil.copytree(tiny.uri, tmp_path / "copy")
    with SomaLoader(copy, SPEC, num_workers=1) as loader:
        shutil.rmtree(copy / "ms" / "RNA" / "X" / "raw" / "__fragments")
        shutil.rmtree(copy / "obs")
        with pytest.raises(Exception, match="obs") as caught:
            list(loader)
    assert isinstance(caught.value.__cause__, RemoteError)
    assert "open_experiment" in str(caught.value.__cause__)


def test_ranks_with_processes_hand_out_every_row_once(tiny: Tiny) -> None:
    rows: list[int] = []
    for rank in range(2):
        with SomaLoader(tiny.uri, SPEC, batch_size=100, rank=rank, world_size=2, num_workers=rank) as loader:
            batches = all_ids(loader)
            assert [len(batch) for batch in batches] == [100, 100, 100, 50]
            rows += [i for batch in batches for i in batch]
    assert sorted(rows) == tiny.obs_joinids.tolist()


def test_ranks_in_a_plain_data_loader_with_workers(tiny: Tiny) -> None:
    """The rank has the rows that it has without workers; tests of shares have all ranks."""
    loader = SomaLoader(tiny.uri, SPEC, batch_size=100, rank=1, world_size=2)
    batches = all_ids(DataLoader(loader, batch_size=None, num_workers=2, multiprocessing_context="spawn"))
    assert sorted(map(len, batches)) == [75, 75, 100, 100]
    alone = all_ids(loader)
    assert sorted(i for batch in batches for i in batch) == sorted(i for batch in alone for i in batch)


def test_processes_inside_a_worker_of_a_data_loader_are_refused(tiny: Tiny) -> None:
    loader = SomaLoader(tiny.uri, SPEC, num_workers=1)
    with pytest.raises(AlbError, match="num_workers is 1 inside a worker of a DataLoader"):
        list(DataLoader(loader, batch_size=None, num_workers=1, multiprocessing_context="spawn"))


def test_a_cap_that_this_process_alone_exceeds(tiny: Tiny) -> None:
    loader = SomaLoader(tiny.uri, SPEC, method="numba", num_workers=2, max_memory=2**20)
    with pytest.raises(AlbError, match=r"^max_memory is 1,048,576 bytes, which this process holds already: raise it$"):
        loader.open()
