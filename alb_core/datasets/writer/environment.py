"""The environment of the floor release, which writes all datasets."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from alb_core.base.environments import ensure_environment, pip, recipe_id
from alb_core.base.errors import AlbError
from alb_core.base.paths import data_root, suite_root
from alb_core.base.processes import run
from alb_core.commits.builds.install import release_wheels
from alb_core.commits.history.releases_lock import FLOOR, find, load

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
    """Return the Python of the floor's environment; made when missing once (twenty seconds), saying so on stderr."""
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
    recipe = recipe_id(sys.version, FLOOR, *pinned, *_IMPORTED, stack)

    def install(python: Path) -> None:
        wheels = [str(path) for path in release_wheels(floor)]
        what = f"tiledbsoma {FLOOR}"
        # A quarter of it is ever imported, and compiled then.
        options = ["--no-compile", "--no-deps", "--only-binary", ":all:", "--constraint", str(constraints)]
        pip(python, ["install", *options, *wheels, *_IMPORTED], f"cannot install {what}")
        run([python, "-I", "-c", "import tiledbsoma, tiledb.cc"], f"cannot import {what}")

    return ensure_environment(data_root() / "writers" / f"{FLOOR}-{recipe}", "the writer of datasets", install)
