"""Processes that end with the command that started them, however that ends.

asv's forkservers wait for a connection for ever, and nobody else knows of them: where the command is killed, they and
what they run would stay and measure on. As a script (PARENT SCRIPT WORDS...), this runs SCRIPT, tied to PARENT.

Standard library only: it runs in the benchmark environment.
"""

import sys

if __name__ == "__main__":
    # First of all, or modules beside this file would stand in for Python's own.
    sys.path[0] = sys.argv[2].rpartition("/")[0]

import ctypes
import os
import runpy
import signal

_PR_SET_PDEATHSIG = 1

#: Loaded here: between fork and exec another thread's lock on the loader would be held for ever.
_LIBC = ctypes.CDLL(None)


def tie(parent: int) -> None:
    """Let the system kill this process, and those that it forks, when its parent ends; on Linux."""
    if sys.platform != "linux":
        return
    _tie()
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    # A fork is not tied by itself, and its parent is this process.
    os.register_at_fork(after_in_child=_tie)


def _tie() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    tie(int(sys.argv[1]))
    script = sys.argv[2]
    del sys.argv[:2]
    runpy.run_path(script, run_name="__main__")
