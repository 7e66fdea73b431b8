"""The pipeline with ``num_workers``: processes beside this one read and convert blocks, each its own.

Processes are spawned, since TileDB does not survive a fork. Arrays and tensors come back in shared memory, the rest
through a pipe. Each process has one block at a time, and results come in the order in which blocks were asked for.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import pickle
import signal
import traceback
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing import connection, util
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.multiprocessing

from alb_core.base.die_with_parent import end_with_parent_by_thread
from alb_core.base.errors import AlbError, one_line
from alb_core.loader.batches import Batch
from alb_core.loader.order import Block
from alb_core.loader.stage_times import StageTimes


class WorkerPipeline:
    """Runs one epoch at a time; the next one has the same processes.

    It yields pieces of blocks, and the loader cuts batches of them, so that batches do not depend on the number of
    processes.
    """

    def __init__(self, work: Callable[[Block], Iterable[Batch]], n_workers: int, *, pin: bool = False) -> None:
        self._work = work
        self._n_workers = n_workers
        self._pin = pin
        self._workers: WorkerPool[Block, Batch] | None = None

    def batches(self, blocks: Iterator[Block], times: StageTimes) -> Generator[Batch, None, None]:
        """BlockReader of the blocks, in order; waiting for them is noted in ``times`` as reading."""
        if self._workers is None or self._workers.ended:
            self._workers = WorkerPool(self._work, self._n_workers)
        with contextlib.closing(self._workers.map(blocks)) as pieces:
            while True:
                with times.measure("reading"):
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield (piece[0].pin_memory(), piece[1]) if self._pin else piece
                del piece

    def close(self) -> None:
        """End the processes."""
        if self._workers is not None:
            self._workers.close()


Item = TypeVar("Item")
Result = TypeVar("Result")

#: Results that a process may have sent before the first of them is taken.
_MAX_SENT = 2

#: Sent among the items: a result was taken.
_TAKEN = "taken"

#: Bytes from which an array is worth shared memory of its own.
_SHARED_FROM = 2**16


class RemoteError(Exception):
    """Traceback of an error in another process: the cause of what is raised in this one."""


class WorkerPool(Generic[Item, Result]):
    """Processes that all do the same work on items, and yield any number of results for each."""

    def __init__(self, work: Callable[[Item], Iterable[Result]], n_workers: int) -> None:
        # Made here so that the processes take it over: one of their own would stay behind when they are killed.
        util.get_temp_dir()
        context = multiprocessing.get_context("spawn")
        self._processes: list[tuple[BaseProcess, connection.Connection]] = []
        self._end = weakref.finalize(self, _end, self._processes, os.getpid())
        self._answered = False
        for i in range(n_workers):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(there, work), name=f"block reader {i}", daemon=True)
            self._processes.append((process, here))
            process.start()
            there.close()

    def map(self, items: Iterable[Item]) -> Generator[Result, None, None]:
        """Let the processes do their work on each item, and give the results in the order of the items.

        Left before its end, by the consumer or by an error, the processes end.
        """
        waiting = iter(items)
        busy: deque[int] = deque()
        complete = False
        try:
            for worker in range(len(self._processes)):
                self._ask(worker, waiting, busy)
            while busy:
                worker = busy.popleft()
                while result := self._receive(worker):
                    yield result.pop()
                self._ask(worker, waiting, busy)
            complete = True
        finally:
            if not complete:
                self.close()

    @property
    def ended(self) -> bool:
        """Whether there are no processes any more."""
        return not self._processes

    def close(self) -> None:
        """End the processes, whatever they are at."""
        self._end()

    def _ask(self, worker: int, items: Iterator[Item], busy: deque[int]) -> None:
        """Send the next item, if there is one."""
        for item in items:
            self._send(worker, item)
            busy.append(worker)
            return

    def _send(self, worker: int, message: Any) -> None:
        process, here = self._processes[worker]
        try:
            here.send(message)
        except OSError as error:
            raise self._ended(process) from error

    def _receive(self, worker: int) -> list[Result]:
        """Return the next result for the item that the process has, or nothing after the last."""
        process, here = self._processes[worker]
        try:
            if here not in connection.wait([here, process.sentinel]):
                raise EOFError
            result, error = pickle.loads(here.recv_bytes())
        # A process that ends with its answer half sent, or with arrays that were not fetched yet.
        except (EOFError, OSError, pickle.UnpicklingError) as cause:
            raise self._ended(process) from cause
        self._answered = True
        if error is not None:
            raised, trace = error
            raise raised from RemoteError(trace)
        if result:
            # It may make one more while the consumer is at this one.
            self._send(worker, _TAKEN)
        return list(result)

    def _ended(self, process: BaseProcess) -> AlbError:
        process.join(1)
        code = process.exitcode
        how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with status {code}"
        why = "is memory short?"
        if code == 1 and not self._answered:
            why = "a script needs `if __name__ == '__main__':` before what it does, and a file of its own"
        return AlbError(f"{process.name} (process {process.pid}) {how} before it handed over its block: {why}")


def _end(workers: list[tuple[BaseProcess, connection.Connection]], owner: int) -> None:
    """Kill rather than ask: a read that nobody wants may take seconds, and they write nothing."""
    if os.getpid() != owner:  # a forked copy
        return
    for process, here in workers:
        here.close()
        if process.pid is not None:
            process.kill()
    for process, _ in workers:
        if process.pid is not None:
            process.join()
            process.close()
    workers.clear()


def _work(there: connection.Connection, work: Callable[[Any], Iterable[Any]]) -> None:
    """What each process does until nobody asks any more."""
    # Ctrl-C goes to all processes of a terminal; the one that asks ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The thread that started this process may end before it: Linux's own way would end this one with the thread.
    asking = multiprocessing.parent_process()
    if asking is not None and asking.pid is not None:
        end_with_parent_by_thread(asking.pid)
    torch.set_num_threads(1)
    # The process that cuts the batches warns once; here each process would.
    warnings.filterwarnings("ignore", "Sparse ")
    # The one that asked has gone, or has closed the pipe.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            item = there.recv()
            if isinstance(item, str) and item == _TAKEN:
                continue
            room = _MAX_SENT
            try:
                for result in work(item):
                    there.send_bytes(_Pickler.of(([result], None)))
                    del result
                    room -= 1
                    while room == 0 or there.poll():
                        there.recv()
                        room += 1
                answer: bytes | memoryview = _Pickler.of(([], None))
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:
                answer = _error_answer(error)
            there.send_bytes(answer)


def _error_answer(error: Exception) -> bytes:
    trace = traceback.format_exc()
    try:
        answer = pickle.dumps(([], (error, trace)))
        pickle.loads(answer)
    except Exception:
        answer = pickle.dumps(([], (RuntimeError(f"{type(error).__name__}: {one_line(error)}"), trace)))
    return answer


class _Pickler(ForkingPickler):
    """Sends numpy's arrays the way torch sends tensors, by shared memory."""

    @classmethod
    def of(cls, value: Any) -> memoryview:
        buffer = io.BytesIO()
        cls(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
        return buffer.getbuffer()

    def reducer_override(self, value: Any) -> Any:
        if type(value) is np.ndarray and value.nbytes >= _SHARED_FROM:
            try:
                return _array, (torch.from_numpy(np.ascontiguousarray(value)),)
            except TypeError:  # of a kind that torch has not
                pass
        return NotImplemented


def _array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.numpy()
    return array
