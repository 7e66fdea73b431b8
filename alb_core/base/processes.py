"""Run a measurement in a process of its own, so that none inherits another's peak of memory, or its end.

Processes are forked from one that has done the imports and nothing else, as asv's benchmarks are (on macOS, where a
fork is not safe, they are spawned).
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
import types
from collections.abc import Iterator
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from typing import Any

from alb_core.base import memory
from alb_core.base.errors import AlbError, one_line

#: What the server of the forks imports once: seconds that each process would pay again.
_IMPORTS = ["alb_core.sweeps.worker"]


#: What a process may take to end of itself when it is done.
_SECONDS_TO_END = 10


class OutOfMemoryError(AlbError):
    """The process ran out of memory."""

    exit_status = 1


def start() -> Any:
    """Let the imports of the processes to come begin, beside what this one does meanwhile."""
    if sys.platform == "darwin":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTS)
    forkserver.ensure_running()
    return context


def run(function: str, *arguments: Any) -> Iterator[Any]:
    """Iterate over what a generator function yields, in a process of its own; it ends with the iteration.

    The function goes on when the next item is asked for, not before: what the asking process does in between is on
    nobody's clock.
    """
    context = start()
    connection, other = context.Pipe()
    kills = memory.oom_kills()
    process = context.Process(target=_work, args=(other, function, arguments), daemon=True)
    try:
        with _without_main():
            process.start()
    except (EOFError, ConnectionError) as error:
        raise AlbError(
            "the process that all measuring processes are forked from has ended, by a limit of memory or by somebody"
        ) from error
    other.close()
    try:
        while True:
            try:
                connection.send("next")
                kind, content = connection.recv()
            except (EOFError, ConnectionError):
                process.join()
                raise _death(process.exitcode, kills) from None
            if kind == "end":
                process.join(_SECONDS_TO_END)
                return
            if kind == "error":
                raise content
            yield content
    finally:
        process.terminate()
        process.join()
        connection.close()


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hide the script of this command: a process would import it, and all of `alb` would be on its time and memory."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _work(connection: Connection, function: str, arguments: tuple[Any, ...]) -> None:
    """Run the function and send what it yields (in the process of its own)."""
    # Ctrl-C reaches all processes of a terminal: the one that waits ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    memory.be_killed_first()
    try:
        _end_with_parent()
        module, _, name = function.partition(":")
        generator = getattr(importlib.import_module(module), name)
        # What the imports made is no garbage: a collection that is timed need not look through it.
        gc.freeze()
        connection.recv()
        for item in generator(*arguments):
            connection.send(("item", item))
            connection.recv()
        connection.send(("end", None))
    except BaseException as error:
        with contextlib.suppress(ConnectionError):  # nobody asks any more
            connection.send(("error", _sendable(error)))


def _end_with_parent() -> None:
    """Let this process end when the one that asked for it has died, so that a killed command leaves none behind.

    The system sends a signal when the other end of a pipe closes. A thread that waits for it would need memory, which
    may be what is lacking, and would say so in words of its own.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    # What Linux does by itself; other systems ignore this signal. (The parent would be dead: nobody asks for a status.)
    signal.signal(signal.SIGIO, signal.SIG_DFL if sys.platform == "linux" else lambda *_: os._exit(1))
    fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, fcntl.fcntl(parent.sentinel, fcntl.F_GETFL) | os.O_ASYNC)
    if wait([parent.sentinel], timeout=0):
        os._exit(1)


def _sendable(error: BaseException) -> BaseException:
    """Return an error that the asking process can raise."""
    if isinstance(error, AlbError):
        return type(error)(str(error))
    if memory.is_exhaustion(error):
        return OutOfMemoryError(f"out of memory: {one_line(error)}")
    # A defect, not a user's mistake: where it happened must not be lost on the way.
    error.add_note("".join(traceback.format_exception(error)))
    with contextlib.suppress(Exception):
        pickle.loads(pickle.dumps(error))
        return error
    return RuntimeError("".join(traceback.format_exception(error)))


def _death(status: int | None, kills_before: int | None) -> AlbError:
    """Say what ended a process that did not say so itself."""
    if status == -signal.SIGKILL:
        kills = memory.oom_kills()
        if kills is None or kills_before is None or kills > kills_before:
            return OutOfMemoryError("out of memory: killed by the system")
    ended = f"signal {-status}" if status is not None and status < 0 else f"status {status}"
    return AlbError(f"the measuring process ended with {ended} before it was done")
