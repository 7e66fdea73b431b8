"""Virtual environments that the suite makes for itself: how they are made, what pip puts in, and linked copies."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.base.files import ensure_directory, locked, staged_directory, write_atomically
from alb_core.base.processes import last_line, run

#: What a linked copy shares: packages, and what they bring beside them.
_LINKED = {"lib", "share", "include"}

#: What only one environment has: asv's builds of commits and its working directory.
_LEFT_OUT = {"asv-build-cache", "project"}

#: File that says that an environment is complete.
_MARK = "complete"


class CutOffError(AlbError):
    """pip was ended from outside, and what it was at is half installed."""


def ensure_environment(
    place: Path, what: str, install: Callable[[Path], None], *, interpreter: str = sys.executable
) -> Path:
    """Return the Python of an environment; made when missing, one process at a time, saying so on stderr."""
    python, complete = place / "bin" / "python", place / _MARK
    with locked(ensure_directory(place.parent) / f".{place.name}.lock", f"it installs {what}"):
        # A marked environment is useless when the Python that it links to has gone.
        if not (complete.exists() and python.exists()):
            print(f"alb: installing {what} in {place}", file=sys.stderr, flush=True)
            # A virtual environment cannot be moved: it is made in its place, and counts once it is marked.
            shutil.rmtree(place, ignore_errors=True)
            try:
                make = [sys.executable, "-m", "virtualenv", "--quiet", "--python", interpreter, str(place)]
                run(make, "cannot make an environment")
                install(python)
                write_atomically(complete, b"")
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
    return python


def recipe_id(python: str, *parts: str) -> str:
    """Name what is installed in an environment on this machine: 12 hex digits of all that decides it."""
    recipe = "\n".join((python, sys.platform, platform.machine(), *parts))
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def pip(
    python: Path, words: list[str], failure: str, *, shown: bool = False, env: Mapping[str, str] | None = None
) -> None:
    """Run an environment's own pip; what it says of its progress is shown on stderr, or not at all."""
    # uv takes a fortieth of the time, but reads nothing of what pip is configured for: index, certificates, links.
    command = [python, "-I", "-m", "pip", *words, "--disable-pip-version-check", *([] if shown else ["--quiet"])]
    done = run(command, shown=shown, env=env)
    if done.status < 0:
        raise CutOffError(f"{failure}: {done.reason}")
    if done.status:
        raise AlbError(f"{failure}: {last_line(done.errors, 'ERROR') or done.reason}")


def copy_linked(source: Path, target: Path) -> None:
    """Copy an environment in a moment and in no room, its packages linked; the caller holds the lock of measuring.

    pip writes new files and unlinks old ones: what it does in one environment never shows in the other. What asv and
    this suite write in place, and whatever names the environment's own path, is copied.
    """
    with staged_directory(target) as stage:
        for entry in sorted(source.iterdir()):
            if entry.name in _LEFT_OUT:
                continue
            if entry.name in _LINKED:
                shutil.copytree(entry, stage / entry.name, symlinks=True, copy_function=_link)
            elif entry.is_dir():
                (stage / entry.name).mkdir()
                for inner in sorted(entry.iterdir()):
                    _copy(inner, stage / entry.name / inner.name, source, target)
            else:
                _copy(entry, stage / entry.name, source, target)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Some disks have no hard links, or no more of them.
        shutil.copy2(source, target)


def _copy(path: Path, place: Path, source: Path, target: Path) -> None:
    """Copy a file, with the one path in place of the other: scripts name the Python that they run under."""
    if path.is_symlink():
        place.symlink_to(path.readlink())
    elif path.is_dir():
        shutil.copytree(path, place, symlinks=True)
    else:
        place.write_bytes(path.read_bytes().replace(os.fsencode(source), os.fsencode(target)))
        shutil.copystat(path, place)
