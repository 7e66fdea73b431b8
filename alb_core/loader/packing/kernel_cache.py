"""Kernels of the suite, compiled before anything is measured.

Compiling takes seconds and a hundred megabytes, which must not show in a measurement: it happens in a process of its
own, once for each version of numba and state of the code, and what it made is kept under the data root. (By default
numba keeps it beside the code, where versions of numba that take turns throw each other's away.)
"""

from __future__ import annotations

import hashlib
import sys
from importlib import metadata
from pathlib import Path

from alb_core.base.files import ensure_directory, write_atomically
from alb_core.base.paths import own_place, suite_root
from alb_core.base.processes import run

#: Where the kernels are.
_KERNELS = Path(__file__).with_name("kernels.py").resolve()

_PROGRAM = (
    "import sys, numba\n"
    "numba.config.CACHE_DIR = sys.argv[1]\n"
    "sys.path.insert(0, sys.argv[2])\n"
    "from alb_core.loader.packing import kernels\n"
    "kernels.compile_all()\n"
)


def ensure() -> None:
    """Let this process load kernels that are compiled already."""
    try:
        version = metadata.version("numba")
    except metadata.PackageNotFoundError as error:
        raise NotImplementedError("numba is not installed") from error
    # numba tells a change of the code by the time of the file.
    time = _KERNELS.stat().st_mtime_ns
    state = hashlib.sha256(f"{version} {sys.version} {_KERNELS} {time}".encode()).hexdigest()[:16]
    place = own_place("numba") / state
    done = place / "compiled"
    if not done.exists():
        ensure_directory(place)
        run([sys.executable, "-c", _PROGRAM, place, suite_root()], f"the kernels of {_KERNELS} cannot be compiled")
        write_atomically(done, b"")
    import numba

    numba.config.CACHE_DIR = str(place)  # type: ignore[attr-defined]
