"""The environment of the release that writes all datasets: the floor, where Python has wheels of it."""

from __future__ import annotations

import sys
from pathlib import Path

from alb_core.base.environments import ensure_environment, pip, recipe_id
from alb_core.base.errors import AlbError
from alb_core.base.paths import own_place, suite_root
from alb_core.base.processes import run
from alb_core.base.pythons import executable, measured
from alb_core.commits.builds.install import release_wheels
from alb_core.commits.builds.wheels import installable
from alb_core.commits.history.releases_lock import Release, load

#: What writes in global order, where a release has none of its own (from 1.15 on): the first for Python 3.13 too.
_TILEDB = "tiledb==0.33.3"

# What a writer imports besides its companions, or what that imports, at the versions of constraints.txt; its
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
    "shapely",
    "typing_extensions",
    "tzdata",
)


def writing_release() -> Release:
    """Return the release that writes datasets: the oldest with wheels for the measured Python on this platform.

    Under the reference Python that is the floor, so that every commit reads the same bytes (design rule 1).
    """
    found = installable(load())
    if not found:
        raise AlbError(f"no release of tiledbsoma has wheels for Python {measured()} on this platform")
    return found[0]


def ensure_writer() -> Path:
    """Return the Python of the writer's environment; made when missing once (twenty seconds), saying so on stderr."""
    constraints = suite_root() / "constraints.txt"
    try:
        stack = constraints.read_text()
    except OSError as error:
        raise AlbError(f"cannot read {constraints}: {error.strerror}") from error
    release, version = writing_release(), measured()
    pinned = [f"{item.name}=={item.version}" for item in release.companions]
    imported = [*_IMPORTED, *([] if any(item.name == "tiledb" for item in release.companions) else [_TILEDB])]
    recipe = recipe_id(str(version), release.version, *pinned, *imported, stack)

    def install(python: Path) -> None:
        wheels = [str(path) for path in release_wheels(release)]
        what = f"tiledbsoma {release.version}"
        # A quarter of it is ever imported, and compiled then.
        options = ["--no-compile", "--no-deps", "--only-binary", ":all:", "--constraint", str(constraints)]
        pip(python, ["install", *options, *wheels, *imported], f"cannot install {what}")
        run([python, "-I", "-c", "import tiledbsoma, tiledb.cc"], f"cannot import {what}")

    place = own_place("writers") / f"{release.version}-{recipe}"
    return ensure_environment(
        place, "the writer of datasets", install, interpreter=executable(version) or sys.executable
    )
