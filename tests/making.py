"""What tests of datasets share that are written by real processes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from command import is_alive, until


def silent(line: str) -> None:
    """Report nothing."""


def leftovers(data: Path) -> list[str]:
    """Names of the stages that are left beside the synthetic datasets."""
    return [path.name for path in (data / "soma").iterdir() if ".partial-" in path.name]


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def writer_at(process: subprocess.Popen[str], data: Path, pattern: str) -> int:
    """Wait until files of a stage are there; return the process that writes them."""
    assert until(lambda: process.poll() is not None or list((data / "soma").glob(pattern)), 60)
    assert process.poll() is None, process.communicate()
    return children(process.pid)[0]


def gone(pid: int) -> bool:
    return until(lambda: not is_alive(pid), 60)
