"""A commit's native libraries, read into the system's page cache anew before each round.

A process that runs a library runs it from where its file happens to lie in memory, for as long as it lies there: one of
two equal installs took 16 MB more, and was perhaps a little slower, round after round. A file that was just written
lies there in other pieces than one that was read, and more or less of it is mapped at once. So before each round the
files of all commits leave the cache and are read again, front to back: all lie as files that were read do, and where is
drawn anew, like any other noise of a round.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from alb_core.base import certificate
from alb_core.base.errors import AlbError

#: Projects that a commit brings: itself, and what it alone pins. The files of the stack are linked, and so the same.
_OWN = ("tiledbsoma", "somacore", "tiledb")

#: Where a wheel keeps libraries: its package, and what was bundled with it.
_PLACES = [f"lib/python3*/site-packages/{name}{suffix}" for name in _OWN for suffix in ("", ".libs")]

#: Bytes of one read.
_READ_BYTES = 2**20


def libraries(environment: Path) -> Iterator[Path]:
    """Native libraries that only the commit in a virtual environment has; a file each, once."""
    for place in _PLACES:
        for root in environment.glob(place):
            yield from (path for path in sorted(root.rglob("*.so*")) if path.is_file() and not path.is_symlink())
    yield from (Path(path) for path in certificate.outside(environment) if ".so" in Path(path).name)


def read_anew(paths: Iterable[Path]) -> None:
    """Let files leave the page cache, and read them into it again.

    What a process has mapped stays, and so does everything where the system cannot be told so (macOS).
    """
    for path in paths:
        try:
            with path.open("rb", buffering=0) as file:
                _drop(file.fileno())
                while file.read(_READ_BYTES):
                    pass
        except OSError as error:
            raise AlbError(f"{path} cannot be read: {error.strerror}") from error


def _drop(descriptor: int) -> None:
    if hasattr(os, "posix_fadvise"):
        # What is not written to the disk yet cannot leave.
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
