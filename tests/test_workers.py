"""Processes that read, and loaders that have them."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from alb_core import workers as workers_module
from alb_core.errors import AlbError
from alb_core.workers import RemoteError, Workers


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
    elif kind == "fail":
        raise AlbError(f"no {value}") from KeyError(value)
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
        found |= {int(pid) for pid in (task / "children").read_text().split()}
    return {pid for pid in found if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()}


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
    before = children(), threading.active_count(), shared_memory(), abandoned()

    def check() -> None:
        gc.collect()
        assert (children(), threading.active_count(), shared_memory(), abandoned()) == before

    yield check
    check()


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    pool = Workers(work, 2)
    yield pool
    pool.close()


def test_results_come_in_order(workers: Workers) -> None:
    """The first process is slow, and its results come first all the same."""
    items = [("sleep", 0.2 if i % 2 == 0 else 0.0) for i in range(5)]
    results = list(workers.map(iter(items)))
    assert [value for _, value in results] == [value for _, value in items]
    pids = [pid for pid, _ in results]
    assert len(set(pids)) == 2 and pids[::2] == pids[:1] * 3 and os.getpid() not in pids
    assert list(workers.map([])) == []


def test_arrays_come_in_shared_memory(workers: Workers) -> None:
    [result] = workers.map([("arrays", 10**6)])
    np.testing.assert_array_equal(result["numpy"], np.arange(0, 10**6, 2))
    assert result["torch"].is_shared() and torch.equal(result["torch"], torch.arange(10**6).float())
    assert torch.from_numpy(result["numpy"]).shape == (500_000,)
    assert result["arrow"].to_pydict() == {"a": [0, 1, 2]} and result["few"] == [1]
    assert shared_memory() >= 2
    del result
    gc.collect()
    assert shared_memory() == 0


def test_an_item_has_any_number_of_results(workers: Workers) -> None:
    results = [i for i, _ in workers.map([("count", n) for n in (3, 0, 1, 5, 0)])]
    assert results == [0, 1, 2, 0, 0, 1, 2, 3, 4]


def test_no_process_runs_far_ahead(workers: Workers) -> None:
    """Nothing is made more than two results before it is taken."""
    results = workers.map([("count", 6)])
    taken = []
    for _, made in results:
        taken.append((made, time.monotonic()))
        time.sleep(0.05)
    for i in range(len(taken) - 3):
        assert taken[i + 3][0] > taken[i][1]


def test_an_error_there_is_raised_here_with_its_cause(nothing_left) -> None:
    failing = Workers(work, 1)
    with pytest.raises(AlbError, match=r"^no block$") as caught:
        list(failing.map([("sleep", 0), ("fail", "block")]))
    assert isinstance(caught.value.__cause__, RemoteError)
    assert "KeyError: 'block'" in str(caught.value.__cause__) and "in work" in str(caught.value.__cause__)


def test_an_error_that_cannot_travel() -> None:
    try:
        raise OddError(1, 2)
    except OddError as error:
        nothing, (told, trace) = pickle.loads(workers_module._told(error))
    assert isinstance(told, RuntimeError) and str(told) == "OddError: 1 and 2"
    assert "in test_an_error_that_cannot_travel" in trace and nothing == []


def test_a_process_that_is_killed(nothing_left) -> None:
    pool = Workers(work, 2)
    results = pool.map([("sleep", 0), ("sleep", 0), ("die", signal.SIGKILL), ("sleep", 60), ("sleep", 60)])
    next(results), next(results)
    start = time.perf_counter()
    with pytest.raises(AlbError, match=r"^block reader 0 \(process \d+\) was killed by SIGKILL before it handed over"):
        next(results)
    assert time.perf_counter() - start < 5
    nothing_left()


def test_a_consumer_that_stops_early(nothing_left) -> None:
    for result in Workers(work, 2).map([("arrays", 10**6), ("sleep", 60), ("sleep", 60)]):
        del result
        break
    nothing_left()


def test_what_nobody_uses_any_more_ends(nothing_left) -> None:
    pool = Workers(work, 1)
    assert len(list(pool.map([("sleep", 0)]))) == 1
    assert children()
    del pool
    nothing_left()
