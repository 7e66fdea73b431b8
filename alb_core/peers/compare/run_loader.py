"""One run of one loader: its process started, its memory watched, its answer read, and nothing of it left behind."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, TimeoutExpired
from typing import Any

import psutil

from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.base.processes import CannotStartError, NoEndError, Program, how_it_ended
from alb_core.peers.child import Task

#: Largest part of the time that looking at memory may take.
_SHARE = 0.02
#: Least seconds between two looks.
_LOOK_EVERY = 0.05
#: Seconds in which a process may end by itself when it has answered.
_SECONDS_TO_END = 10


class LoaderFailedError(AlbError):
    """A loader that did not deliver: it died, hung or raised."""

    exit_status = 1


class PeakMemoryWatch:
    """Peak memory of all that a process has started, looked at by a thread while the block runs; on Linux.

    Each shared page counts by its share (PSS), so that the sum counts once what they share: libraries, copies of a
    fork, and the shared memory through which workers send batches.
    """

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._process = psutil.Process(pid)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> PeakMemoryWatch:
        """Begin to look."""
        if psutil.LINUX:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _look(self) -> None:
        pause = 0.0
        while not self._end.wait(pause):
            start = time.perf_counter()
            self.peak = max(self.peak, held_below(self._process))
            # Looking at gigabytes takes the kernel milliseconds, in which the loader may have to wait.
            pause = max(_LOOK_EVERY, (time.perf_counter() - start) / _SHARE)


def held_below(process: psutil.Process) -> int:
    """Memory of all that a process has started, in bytes, each shared page by its share (PSS)."""
    held = 0
    try:
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                held += child.memory_full_info().pss
    except psutil.NoSuchProcess:
        pass
    return held


def run(
    python: Path, task: Task, *, timeout_seconds: float, progress: Callable[[int], object] | None = None
) -> dict[str, Any]:
    """Let a loader run in its environment, and return what its process answers."""
    command = [python, "-P", "-m", "alb_core.peers.child"]
    variables = {**os.environ, "PYTHONPATH": _python_path()}
    try:
        process = Program(command, env=variables, stdin=PIPE, stdout=PIPE)
    except CannotStartError as error:
        raise LoaderFailedError(str(error)) from error
    with process, PeakMemoryWatch(process.pid) as watch:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died, and the end of its output says so
            process.stdin.write(task.as_line().encode())
            process.stdin.close()
        answer = _answer(process, timeout_seconds, progress)
        if "failed" in answer:
            prefix = "out of memory: " if answer["kind"] == "memory" else ""
            raise LoaderFailedError(prefix + answer["failed"])
        with contextlib.suppress(TimeoutExpired):
            process.wait(_SECONDS_TO_END)
        return {**answer, "peak": max(watch.peak, answer.get("peak_rss", 0))}


def _answer(process: Program, timeout_seconds: float, progress: Callable[[int], object] | None) -> dict[str, Any]:
    """Return the first line of what a process says that does not tell of progress."""
    try:
        for line in process.lines(timeout_seconds):
            answer: dict[str, Any] = json.loads(line)
            if set(answer) != {"rows"}:
                return answer
            if progress is not None:
                progress(answer["rows"])
    except NoEndError as error:
        raise LoaderFailedError(f"hangs: {error}") from None
    status, said = process.wait(), process.last_line
    raise LoaderFailedError(f"died with {how_it_ended(status)}" + (f": {said}" if said else ""))


def _python_path() -> str:
    """Where the process finds this package: its environment may not have it installed."""
    return os.pathsep.join(filter(None, (str(suite_root()), os.environ.get("PYTHONPATH"))))
