"""Processes that end with the process that started them, however that ends.

As a script this file does it for others; PARENT is the number of the process that starts it:

    PARENT SCRIPT WORDS...       run a Python script in this process, which ends with PARENT
    PARENT --program WORDS...    run any program, and end it, and all that it has started, with PARENT

Standard library only: it runs in the benchmark environment, too.
"""

import sys

if __name__ == "__main__" and sys.argv[2] != "--program":
    # First of all, or modules beside this file would stand in for Python's own.
    sys.path[0] = sys.argv[2].rpartition("/")[0]

import contextlib
import ctypes
import os
import signal
import threading
import time
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36

#: Seconds between two looks for a parent, where the system does not tell of its end.
_LOOK_EVERY = 0.5

#: What the rest of a program's processes may take to end of themselves when it has ended (s).
_SECONDS_TO_END = 1.0

_LINUX = sys.platform == "linux"

#: Loaded here: after a fork another thread's lock on the loader would be held for ever.
_LIBC = ctypes.CDLL(None)


def end_with_parent(parent: int) -> None:
    """End this process, and on Linux those that it forks, when its parent ends.

    Linux goes by the thread that started this process: it must live as long as this process shall.
    """
    if not _LINUX:
        end_with_parent_by_thread(parent)
        return
    _signal_at_end_of_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    # What is asked of the system holds for one process, and the parent of a fork is this process.
    os.register_at_fork(after_in_child=lambda: _signal_at_end_of_parent(signal.SIGKILL))


def end_with_parent_by_thread(parent: int) -> None:
    """End this process when its parent ends, by a thread that looks for it; on every system."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def _signal_at_end_of_parent(number: int) -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def script(words: list[str]) -> list[str]:
    """Return Python's arguments for a script with its own, so that it ends with this process."""
    return [__file__, str(os.getpid()), *words]


def program(words: list[str]) -> list[str]:
    """Return the command for a program, so that it and all that it starts end with this process.

    A process between watches both: it ends as the program does; SIGTERM to it ends all of them at once.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), "--program", *words]


def _run_program(parent: int, words: list[str]) -> NoReturn:
    """Run a program, wait for its end or its parent's, end what it has left, and end as it did."""
    # Linux tells of the parent's end by SIGHUP, elsewhere each SIGALRM is a look for it. SIGTERM asks for the end.
    numbers = {signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGINT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    if _LINUX:
        _signal_at_end_of_parent(signal.SIGHUP)
        # Whoever loses its parent below becomes a child of this process: none gets away.
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    else:
        signal.setitimer(signal.ITIMER_REAL, _LOOK_EVERY, _LOOK_EVERY)
    leader = _forked(words, before)
    # The program alone shall hold its pipes: their other ends tell of its end.
    os.close(0)
    os.close(1)
    statuses: dict[int, int] = {}
    while leader not in statuses and os.getppid() == parent and signal.sigwait(numbers) != signal.SIGTERM:
        _collect(statuses)
    status = statuses.get(leader, -signal.SIGTERM)
    end = time.monotonic() + (_SECONDS_TO_END if leader in statuses else 0)
    while _collect(statuses):
        if time.monotonic() >= end:
            _kill_rest(leader)
        time.sleep(0.005)
    if not _LINUX:
        _kill_rest(leader)
    _end_like(status)


def _forked(words: list[str], mask: set[int]) -> int:
    """Start the program in a group of its own; return its number."""
    me = os.getpid()
    leader = os.fork()
    if leader:
        return leader
    os.setpgid(0, 0)
    if _LINUX:
        _signal_at_end_of_parent(signal.SIGKILL)
        if os.getppid() != me:
            os._exit(1)
    # Python ignores them, and what is ignored stays so in the program.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        os.execvp(words[0], words)
    except OSError as error:
        os.write(2, f"cannot start {words[0]}: {error.strerror}\n".encode())
        os._exit(127)


def _collect(statuses: dict[int, int]) -> bool:
    """Take the status of each child that has ended; tell whether there are others."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            statuses[found[0]] = os.waitstatus_to_exitcode(found[1])
        return True
    return False


def _kill_rest(leader: int) -> None:
    """Kill this process's children; where orphans do not become such, the group of the program."""
    if _LINUX:
        me = os.getpid()
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent_of(name) == me]  # noqa: PTH208
    else:
        pids = [-leader]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _parent_of(pid: str) -> int | None:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            # Its name stands in brackets, and may hold spaces and brackets itself.
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _end_like(status: int) -> NoReturn:
    """End this process with another's status; negative ones are signals."""
    if status < 0:
        if _LINUX:
            _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # the program has dumped its core, this one need not
        with contextlib.suppress(OSError):
            signal.signal(-status, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-status})
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 1)


if __name__ == "__main__":
    if sys.argv[2] == "--program":
        _run_program(int(sys.argv[1]), sys.argv[3:])
    import runpy

    end_with_parent(int(sys.argv[1]))
    path = sys.argv[2]
    del sys.argv[:2]
    runpy.run_path(path, run_name="__main__")
