"""Processes that read blocks, and hand them over in the order in which they were asked for.

They are spawned, since TileDB does not survive a fork. Arrays and tensors come back in shared memory, the rest through
a pipe. Each process has one block at a time, so that as many wait or are being read as there are processes.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import signal
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import connection, util
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.multiprocessing  # teaches pickles of processes to share tensors

from alb_core.errors import AlbError, one_line

Asked = TypeVar("Asked")
Given = TypeVar("Given")

#: Bytes from which an array is worth shared memory of its own.
_SHARED = 2**16


class RemoteError(Exception):
    """Traceback of an error in another process: the cause of what is raised in this one."""


class Workers(Generic[Asked, Given]):
    """Processes that all do the same work.

    Parameters
    ----------
    work
        What each does with what it is sent; goes to each process as a pickle, once.
    n_workers
        Processes, 1 or more. They start at once, and end with :meth:`close`, or with this process.
    """

    def __init__(self, work: Callable[[Asked], Given], n_workers: int) -> None:
        # Made here so that the processes take it over: one of their own would stay behind when they are killed.
        util.get_temp_dir()
        context = multiprocessing.get_context("spawn")
        self._processes: list[tuple[BaseProcess, connection.Connection]] = []
        self._end = weakref.finalize(self, _end, self._processes, os.getpid())
        self._answered: set[int] = set()
        for i in range(n_workers):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(there, work), name=f"block reader {i}", daemon=True)
            self._processes.append((process, here))
            process.start()
            there.close()

    def map(self, items: Iterable[Asked]) -> Iterator[Given]:
        """Let the processes do their work on each item, and give the results in the order of the items.

        Left before its end, by the consumer or by an error, they end.

        Raises
        ------
        AlbError
            If a process ends.
        Exception
            What the work raised, with the traceback there as its cause.
        """
        asked = given = 0
        left = iter(items)
        whole = False
        try:
            while True:
                while asked - given < len(self._processes) and (item := next(left, None)) is not None:
                    self._ask(asked % len(self._processes), item)
                    asked += 1
                if given == asked:
                    whole = True
                    return
                result = self._given(given % len(self._processes))
                given += 1
                # Before the result is handed out: the process is to read while the consumer works.
                if (item := next(left, None)) is not None:
                    self._ask(asked % len(self._processes), item)
                    asked += 1
                yield result
                del result  # or it would be held while the next one is waited for
        finally:
            if not whole:
                self.close()

    def close(self) -> None:
        """End the processes, whatever they are at."""
        self._end()

    def _ask(self, worker: int, item: Asked) -> None:
        process, here = self._processes[worker]
        try:
            here.send(item)
        except OSError as error:
            raise self._ended(process) from error

    def _given(self, worker: int) -> Given:
        process, here = self._processes[worker]
        try:
            if here not in connection.wait([here, process.sentinel]):
                raise EOFError
            error, result = pickle.loads(here.recv_bytes())
        # A process that ends with its answer half sent, or with arrays that were not fetched yet.
        except (EOFError, OSError, pickle.UnpicklingError) as cause:
            raise self._ended(process) from cause
        self._answered.add(worker)
        if error is None:
            return result  # type: ignore[no-any-return]
        raised, told = error
        raise raised from RemoteError(told)

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


def _work(there: connection.Connection, work: Callable[[Any], Any]) -> None:
    """What each process does until nobody asks any more."""
    # Ctrl-C goes to all processes of a terminal; the one that asks ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    while True:
        try:
            item = there.recv()
        except EOFError:
            return
        answer: bytes | memoryview
        try:
            answer = _Pickler.of((None, work(item)))
        except Exception as error:
            answer = _told(error)
        try:
            there.send_bytes(answer)
        except BrokenPipeError:
            return
        del item, answer


def _told(error: Exception) -> bytes:
    told = traceback.format_exc()
    try:
        answer = pickle.dumps(((error, told), None))
        pickle.loads(answer)
    except Exception:
        answer = pickle.dumps(((RuntimeError(f"{type(error).__name__}: {one_line(error)}"), told), None))
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
