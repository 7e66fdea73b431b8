"""One run of one loader: its process started, its memory watched, its answer read, and nothing of it left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryFile
from typing import IO, Any

from alb_core.base import memory
from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.peers.child import Task

#: Largest part of the time that looking at memory may take.
_SHARE = 0.02
#: Least seconds between two looks.
_LOOK_EVERY = 0.05
#: Seconds in which a process may end by itself when it has answered.
_SECONDS_TO_END = 10
#: Bytes of what a process printed that are looked at for a reason.
_TAIL = 4096


class LoaderFailedError(AlbError):
    """A loader that did not deliver: it died, hung or raised."""

    exit_status = 1


class PeakMemoryWatch:
    """Peak memory of all processes of a session, looked at by a thread while the block runs."""

    def __init__(self, session: int) -> None:
        self.peak = 0
        self._session = session
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> PeakMemoryWatch:
        """Begin to look."""
        if memory.has_proportional_bytes():
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
            held = sum(map(memory.proportional_bytes, memory.session_processes(self._session)))
            self.peak = max(self.peak, held)
            # Looking at gigabytes takes the kernel milliseconds, in which the loader may have to wait.
            pause = max(_LOOK_EVERY, (time.perf_counter() - start) / _SHARE)


def run(
    python: Path, task: Task, *, timeout_seconds: float, progress: Callable[[int], object] | None = None
) -> dict[str, Any]:
    """Let a loader run in its environment, and return what its process answers."""
    command = [str(python), "-P", "-m", "alb_core.peers.child"]
    with TemporaryFile() as errors, _started(command, errors) as process, PeakMemoryWatch(process.pid) as watch:
        assert process.stdin is not None and process.stdout is not None
        lines = _lines(process.stdout)
        try:
            process.stdin.write(task.as_line().encode())
            process.stdin.flush()  # and not closed: its end tells the process that nobody waits for it
        except BrokenPipeError:
            pass  # it has died, and the end of its output says so
        while True:
            try:
                line = lines.get(timeout=timeout_seconds)
            except Empty:
                raise LoaderFailedError(f"hangs: nothing came for {timeout_seconds:g} s") from None
            if line is None:
                raise LoaderFailedError(_death(process.wait(), errors))
            answer: dict[str, Any] = json.loads(line)
            if set(answer) == {"rows"}:
                if progress is not None:
                    progress(answer["rows"])
                continue
            break
        if "failed" in answer:
            prefix = "out of memory: " if answer["kind"] == "memory" else ""
            raise LoaderFailedError(prefix + answer["failed"])
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_END)
        return {**answer, "peak": max(watch.peak, answer.get("peak_rss", 0))}


@contextlib.contextmanager
def _started(command: list[str], errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that leads a session of its own, by which all that it starts is found, and end all of it."""
    environment = {**os.environ, "PYTHONPATH": _python_path()}
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            # Ctrl-C reaches this process alone, which then ends the others.
            start_new_session=True,
        )
    except OSError as error:
        raise LoaderFailedError(f"cannot start {command[0]}: {error.strerror}") from error
    with process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if Path("/proc").is_dir():  # workers that made a group of their own
        for pid in memory.session_processes(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _python_path() -> str:
    """Where the process finds this package: its environment may not have it installed."""
    return os.pathsep.join(filter(None, (str(suite_root()), os.environ.get("PYTHONPATH"))))


def _lines(stream: IO[bytes]) -> SimpleQueue[bytes | None]:
    """Lines of a stream as they come, by a thread; None at its end."""
    queue: SimpleQueue[bytes | None] = SimpleQueue()

    def read() -> None:
        for line in stream:
            queue.put(line)
        queue.put(None)

    threading.Thread(target=read, daemon=True).start()
    return queue


def _death(status: int, errors: IO[bytes]) -> str:
    """Say how a process ended that did not say so itself, with the last line that it printed."""
    how = f"signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"status {status}"
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - _TAIL))
    words = errors.read().decode(errors="replace").split("\n")
    said = next((line.strip() for line in reversed(words) if line.strip()), "")
    return f"died with {how}" + (f": {said}" if said else "")
