"""Child processes: other programs, and functions of ours in a process of their own.

Every process that the suite starts is started here. It ends with the block that it is started for, and with this
process however that ends (:mod:`alb_core.base.die_with_parent`). Standard library only.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any

from alb_core.base import die_with_parent, memory
from alb_core.base.errors import AlbError, one_line

#: Bytes at the end of what a program has said that are looked at for a reason.
_TAIL = 2**16


class CannotStartError(AlbError):
    """The program is not there, or cannot be executed."""


class NoEndError(AlbError):
    """The program went on for longer than it may, and was ended."""


class Program(subprocess.Popen[bytes]):
    """A program that runs beside this process; left by the block, it is ended with all that it has started.

    Its stderr is kept, where ``options`` (those of ``subprocess.Popen``) do not say otherwise.
    """

    def __init__(self, command: Sequence[object], **options: Any) -> None:
        words = [str(word) for word in command]
        variables = options.get("env") or os.environ
        if shutil.which(words[0], path=variables.get("PATH")) is None:
            raise CannotStartError(f"cannot start {words[0]}: no such program")
        # A file, because a pipe that nobody empties would stop the program.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        # In a session of its own: Ctrl-C reaches this process alone, which then ends the program.
        given = {"stderr": self._errors, "start_new_session": True, **options}
        try:
            super().__init__(die_with_parent.program(words), **given)
        except OSError as error:
            raise CannotStartError(f"cannot start {words[0]}: {error.strerror}") from error

    def __exit__(self, *error: Any) -> None:
        """End the program and all that it has started."""
        self.terminate()
        self.wait()
        with contextlib.suppress(BrokenPipeError):  # what was written for it last
            super().__exit__(*error)
        self._errors.close()

    @property
    def stderr_text(self) -> str:
        """What it has said on stderr; its end, where that is long."""
        return _tail(self._errors)

    @property
    def last_line(self) -> str:
        """The last line that it has said on stderr; empty where there is none."""
        return last_line(self.stderr_text)

    def lines(self, timeout_seconds: float) -> Iterator[bytes]:
        """Lines of its output as they come; :class:`NoEndError` where nothing came for so long."""
        assert self.stdout is not None
        rest = b""
        while wait([self.stdout.fileno()], timeout_seconds):
            part = os.read(self.stdout.fileno(), _TAIL)
            if not part:
                return
            *lines, rest = (rest + part).split(b"\n")
            yield from lines
        raise NoEndError(f"nothing came for {timeout_seconds:g} s")


@dataclass(frozen=True)
class Finished:
    """What a program has left: its status (negative for a signal), its output and what it said on stderr."""

    status: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        """Its output as text."""
        return self.output.decode(errors="replace")

    @property
    def reason(self) -> str:
        """Why it failed, in a line: its last one on stderr, else of its output, else how it ended."""
        return last_line(self.errors) or last_line(self.text) or how_it_ended(self.status)


def run(
    command: Sequence[object],
    failure: str | None = None,
    *,
    timeout_seconds: float | None = None,
    shown: bool = False,
    log: Path | None = None,
    given: bytes | None = None,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end.

    Where it fails, ``failure`` is what the error says before the reason; None leaves the status to the caller. Its
    output is shown on stderr (``shown``), written to a file with what it says there (``log``), or returned.
    """
    with contextlib.ExitStack() as stack:
        output: Any = sys.stderr if shown else subprocess.PIPE
        more: dict[str, Any] = {}
        if log is not None:
            output = stack.enter_context(log.open("w+b"))
            more["stderr"] = output
        source = subprocess.DEVNULL if given is None else subprocess.PIPE
        try:
            program = stack.enter_context(Program(command, stdin=source, stdout=output, env=env, **more))
        except CannotStartError as error:
            raise CannotStartError(f"{failure}: {error}" if failure else str(error)) from error
        try:
            said, _ = program.communicate(given, timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise NoEndError(f"{failure or command[0]}: no end within {timeout_seconds:g} s") from error
        errors = program.stderr_text if log is None else _tail(output)
        done = Finished(program.returncode, said or b"", errors)
    if done.status and failure is not None:
        raise AlbError(f"{failure}: {done.reason}")
    return done


def cpus() -> int:
    """Number of CPUs that may be used: not all of them where ``taskset`` or a container left fewer."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def last_line(text: str, start: str = "") -> str:
    """Return the last line that is not blank and begins with ``start``; empty where there is none."""
    lines = (line.strip() for line in reversed(text.splitlines()))
    return next((line for line in lines if line and line.startswith(start)), "")


def how_it_ended(status: int | None) -> str:
    """Say how a process ended: ``status 3`` or ``signal 9 (SIGKILL)``."""
    if status is None or status >= 0:
        return f"status {status}"
    return f"signal {-status} ({signal.Signals(-status).name})"


def _tail(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    return file.read().decode(errors="replace")


# -- functions of ours -------------------------------------------------------------------------------------------------

#: What the server of the forks imports once: seconds that each process would pay again.
_IMPORTS = ["alb_core.sweeps.worker"]

#: What a process may take to end of itself when it is done (s).
_SECONDS_TO_END = 10


class OutOfMemoryError(AlbError):
    """The process ran out of memory."""

    exit_status = 1


def preload() -> Any:
    """Let the imports of the processes to come begin, beside what this one does meanwhile.

    They are forked from one that has done the imports and nothing else, as asv's benchmarks are, so that none inherits
    another's peak of memory. On macOS, where a fork is not safe, they are spawned.
    """
    if sys.platform == "darwin":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTS)
    forkserver.ensure_running()
    return context


def iterate(function: str, *arguments: Any) -> Iterator[Any]:
    """Iterate over what a generator function yields, in a process of its own; it ends with the iteration.

    The function goes on when the next item is asked for, not before: what the asking process does in between is on
    nobody's clock.
    """
    context = preload()
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
        _end_with_asking()
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


def _end_with_asking() -> None:
    """End this process when the one that asked for it has ended."""
    die_with_parent.end_with_parent(os.getppid())
    # The parent is the process that forks. It ends when nobody holds this end of its pipe any more.
    held = getattr(forkserver._forkserver, "_forkserver_alive_fd", None)
    if held is not None:
        os.close(held)
    asking = multiprocessing.parent_process()
    if asking is None or wait([asking.sentinel], timeout=0):
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
    return AlbError(f"the measuring process ended with {how_it_ended(status)} before it was done")


@contextlib.contextmanager
def variable_set(name: str, value: str) -> Iterator[None]:
    """Within the block, this process and those that it starts have an environment variable."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
