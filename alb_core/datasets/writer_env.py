"""The environment of the floor release, which writes all datasets."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from alb_core.errors import AlbError
from alb_core.files import ensure_directory, write_atomically
from alb_core.history.builds import release_wheels
from alb_core.history.lock import FLOOR, Release, find, load
from alb_core.locks import locked
from alb_core.paths import data_root, suite_root

#: The newest Python that has a wheel of it.
FLOOR_PYTHON = (3, 11)

# What the floor imports besides its companions, or what that imports, at the versions of constraints.txt; its
# metadata asks for scanpy and the rest of the analysis stack as well, which writing never touches.
_IMPORTED = (
    "anndata",
    "array-api-compat",
    "attrs",
    "h5py",
    "llvmlite",
    "more-itertools",
    "natsort",
    "numba",
    "numpy",
    "packaging",
    "pandas",
    "pyarrow",
    "pyarrow-hotfix",
    "python-dateutil",
    "pytz",
    "scipy",
    "typing_extensions",
    "tzdata",
)


def ensure_writer() -> Path:
    """Return the Python of the floor's environment; made when missing (once, some twenty seconds), saying so on stderr.

    Raises
    ------
    AlbError
        If this is not the Python that the floor has a wheel for, or the environment cannot be made.
    """
    if sys.version_info[:2] != FLOOR_PYTHON:
        raise AlbError(
            f"writing a dataset takes Python {FLOOR_PYTHON[0]}.{FLOOR_PYTHON[1]}, which tiledbsoma {FLOOR} has wheels "
            f"for; this is {platform.python_version()}: run alb under Python {FLOOR_PYTHON[0]}.{FLOOR_PYTHON[1]}"
        )
    constraints = suite_root() / "constraints.txt"
    try:
        stack = constraints.read_text()
    except OSError as error:
        raise AlbError(f"cannot read {constraints}: {error.strerror}") from error
    floor = find(load(), FLOOR)
    pinned = [f"{item.name}=={item.version}" for item in floor.companions]
    recipe = "\n".join((sys.version, sys.platform, platform.machine(), FLOOR, *pinned, *_IMPORTED, stack))
    root = ensure_directory(data_root() / "writers")
    place = root / f"{FLOOR}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    python, complete = place / "bin" / "python", place / "complete"
    with locked(root / f".{place.name}.lock", f"the environment of tiledbsoma {FLOOR}"):
        # A marked environment is useless when the Python that it links to has gone.
        if not (complete.exists() and python.exists()):
            print(f"alb: installing the writer of datasets in {place}", file=sys.stderr, flush=True)
            # A virtual environment cannot be moved: it is made in its place, and counts once it is marked.
            shutil.rmtree(place, ignore_errors=True)
            try:
                _run([sys.executable, "-m", "virtualenv", "--quiet", str(place)], "make an environment")
                install_packages(python, constraints, floor)
                _run([str(python), "-I", "-c", "import tiledbsoma, tiledb.cc"], f"import tiledbsoma {FLOOR}")
                write_atomically(complete, b"")
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
    return python


def install_packages(python: Path, constraints: Path, floor: Release) -> None:
    """Install the floor release by its locked wheels, and what it imports, for ``python``."""
    pip = [
        str(python),
        "-I",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        # A quarter of it is ever imported; -I lets Python keep what it compiles then, whatever is set.
        "--no-compile",
    ]
    wheels = [str(path) for path in release_wheels(floor)]
    _run([*pip, "--no-deps", "--constraint", str(constraints), *wheels, *_IMPORTED], f"install tiledbsoma {FLOOR}")


def _run(command: list[str], what: str) -> None:
    """Run a command, quietly.

    Raises
    ------
    AlbError
        If it fails, with the last line that it wrote.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    except OSError as error:
        raise AlbError(f"cannot {what}: {command[0]}: {error.strerror}") from error
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise AlbError(f"cannot {what}: {lines[-1].strip() if lines else f'status {done.returncode}'}")
