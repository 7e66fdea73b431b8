"""Virtual environments that the suite makes for itself: made once, in their place, whole when they are marked."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from alb_core import leash
from alb_core.errors import AlbError
from alb_core.files import ensure_directory, write_atomically
from alb_core.locks import locked

_MARK = "complete"


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
                run(make, "make an environment")
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


def pip_install(python: Path, what: str, *arguments: str, shown: bool = False) -> None:
    """Install wheels with an environment's own pip, and compile nothing."""
    pip = [str(python), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--only-binary", ":all:"]
    run([*pip, *([] if shown else ["--quiet"]), *arguments], f"install {what}", shown=shown)


def run(command: Sequence[str], what: str, *, shown: bool = False) -> None:
    """Run a command, quietly unless its output is shown on stderr; it ends with this process, however that ends."""
    try:
        done = subprocess.run(
            command,
            stdout=sys.stderr if shown else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            check=False,
            # A pip that outlives a killed command would write into an environment that the next command makes anew.
            preexec_fn=partial(leash.tie, os.getpid()),
        )
    except OSError as error:
        raise AlbError(f"cannot {what}: {command[0]}: {error.strerror}") from error
    if done.returncode:
        lines = [line for line in ((done.stdout or "") + done.stderr).splitlines() if line.strip()]
        raise AlbError(f"cannot {what}: {lines[-1].strip() if lines else f'status {done.returncode}'}")
