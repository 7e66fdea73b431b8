"""Processes that read blocks, and hand them over in the order in which they were asked for.

They are spawned, since TileDB does not survive a fork. Arrays and tensors come back in shared memory, the rest through
a pipe. Each process has one block at a time, and hands over what it makes of it piece by piece.

The pipeline whose blocks are read and converted by processes beside this one (:mod:`alb_core.loader.training.workers`).
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

from alb_core.base.errors import AlbError, one_line
from alb_core.loader.batches import Batch
from alb_core.loader.order import Block
from alb_core.loader.stage_times import Spent


class Remote:
    """The pipeline of one epoch at a time; the next one has the same processes.

    What it hands out are pieces of blocks: batches are cut where they are wanted, so that nothing depends on how many
    processes there are.
    """

    def __init__(self, work: Callable[[Block], Iterable[Batch]], n_workers: int, *, pin: bool = False) -> None:
        self._work = work
        self._n_workers = n_workers
        self._pin = pin
        self._workers: Workers[Block, Batch] | None = None

    def batches(self, blocks: Iterator[Block], spent: Spent) -> Generator[Batch, None, None]:
        """Pieces of the blocks, in order; waiting for them is noted in ``spent`` as reading."""
        if self._workers is None or self._workers.ended:
            self._workers = Workers(self._work, self._n_workers)
        with contextlib.closing(self._workers.map(blocks)) as pieces:
            while True:
                with spent.on("reading"):
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield (piece[0].pin_memory(), piece[1]) if self._pin else piece
                del piece

    def close(self) -> None:
        """End the processes."""
        if self._workers is not None:
            self._workers.close()


Asked = TypeVar("Asked")
Given = TypeVar("Given")

#: Results that a process may have handed over before the first of them is taken.
_AHEAD = 2

#: What stands for "a result was taken" among the items.
_TAKEN = "taken"

#: Bytes from which an array is worth shared memory of its own.
_SHARED = 2**16


class RemoteError(Exception):
    """Traceback of an error in another process: the cause of what is raised in this one."""


class Workers(Generic[Asked, Given]):
    """Processes that all do the same work."""

    def __init__(self, work: Callable[[Asked], Iterable[Given]], n_workers: int) -> None:
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

    def map(self, items: Iterable[Asked]) -> Generator[Given, None, None]:
        """Let the processes do their work on each item, and give the results in the order of the items.

        Left before its end, by the consumer or by an error, the processes end.
        """
        left = iter(items)
        busy: deque[int] = deque()
        whole = False
        try:
            for worker in range(len(self._processes)):
                self._ask(worker, left, busy)
            while busy:
                worker = busy.popleft()
                while result := self._given(worker):
                    yield result.pop()
                self._ask(worker, left, busy)
            whole = True
        finally:
            if not whole:
                self.close()

    @property
    def ended(self) -> bool:
        """Whether there are no processes any more."""
        return not self._processes

    def close(self) -> None:
        """End the processes, whatever they are at."""
        self._end()

    def _ask(self, worker: int, items: Iterator[Asked], busy: deque[int]) -> None:
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

    def _given(self, worker: int) -> list[Given]:
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
            raised, told = error
            raise raised from RemoteError(told)
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
    torch.set_num_threads(1)
    # Said once where batches are handed out; here it would be said by each process.
    warnings.filterwarnings("ignore", "Sparse ")
    # The one that asked has gone, or has closed the pipe.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            item = there.recv()
            if isinstance(item, str) and item == _TAKEN:
                continue
            room = _AHEAD
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
                answer = _told(error)
            there.send_bytes(answer)


def _told(error: Exception) -> bytes:
    told = traceback.format_exc()
    try:
        answer = pickle.dumps(([], (error, told)))
        pickle.loads(answer)
    except Exception:
        answer = pickle.dumps(([], (RuntimeError(f"{type(error).__name__}: {one_line(error)}"), told)))
    return answer


class _Pickler(ForkingPickler):
    """Sends numpy's arrays the way torch sends tensors, by shared memory."""

    @classmethod
    def of(cls, value: Any) -> memoryview:
        buffer = io.BytesIO()
        cls(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
        return buffer.getbuffer()

    def reducer_override(self, value: Any) -> Any:
        if type(value) is np.ndarray and value.nbytes >= _SHARED:
            try:
                return _array, (torch.from_numpy(np.ascontiguousarray(value)),)
            except TypeError:  # of a kind that torch has not
                pass
        return NotImplemented


def _array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.numpy()
    return array
