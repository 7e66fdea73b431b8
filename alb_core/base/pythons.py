"""The Python that commits are measured under: the first of those in ``asv.conf.json`` that this machine has."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root


class Python(NamedTuple):
    """A version of CPython."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    @property
    def tag(self) -> str:
        """As in the names of wheels."""
        return f"cp{self.major}{self.minor}"


def pythons() -> list[Python]:
    """Return the Pythons of ``asv.conf.json``, in order of preference; the first is the reference."""
    lines = (suite_root() / "asv.conf.json").read_text().splitlines()
    conf = json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))
    return [Python(*map(int, name.split("."))) for name in conf["pythons"]]


@functools.cache
def measured() -> Python:
    """Return the Python that commits are measured under on this machine."""
    wanted = pythons()
    for python in wanted:
        if executable(python):
            return python
    raise AlbError(f"expected one of Python {', '.join(map(str, wanted))} on PATH, under which commits are measured")


def executable(python: Python) -> str | None:
    """Return a Python of a version: the one that runs this, or the first on PATH that runs."""
    if sys.version_info[:2] == python:
        return sys.executable
    places = (Path(directory) / f"python{python}" for directory in os.get_exec_path())
    return next((str(place) for place in places if _runs(place, python)), None)


def include(python: Python) -> Path:
    """Return where the headers of a Python that is here lie, if they are installed."""
    found = executable(python)
    if found is None or found == sys.executable:
        return Path(sysconfig.get_path("include"))
    return Path(_said(found, "import sysconfig; print(sysconfig.get_path('include'))"))


def _runs(place: Path, python: Python) -> bool:
    """Whether there is such a Python; what a version manager leaves on PATH may stand for one that is not there."""
    if not os.access(place, os.X_OK):
        return False
    return _said(str(place), "import sys; print('%d.%d' % sys.version_info[:2])") == str(python)


def _said(program: str, code: str) -> str:
    """Return what code prints in a Python; nothing where it does not run."""
    command = [program, "-I", "-c", code]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
