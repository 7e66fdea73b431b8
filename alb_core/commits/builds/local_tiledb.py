"""The TileDB that ``TILEDB_PATH`` names: what it is, by the contents of its files.

A source build is linked with it and takes its libraries along, so what they hold is part of what the build is.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from alb_core.base.files import sha256_of
from alb_core.commits.builds import native_files

VARIABLE = "TILEDB_PATH"

#: What stands for TileDB where the build script of a commit downloads the one that it names.
DOWNLOADED = "as its build script downloads it"

LIBRARY = "libtiledb.dylib" if sys.platform == "darwin" else "libtiledb.so"


@dataclass(frozen=True)
class LocalTileDB:
    """A TileDB on this machine, in a directory with its include and lib."""

    root: Path
    #: As its headers say; empty where they do not.
    version: str
    #: The library and what it needs of the same directory, by the name under which each is asked for.
    libraries: Mapping[str, Path] = field(hash=False)
    #: Of the libraries and the headers.
    digest: str

    @property
    def identity(self) -> str:
        """Version and contents in a word."""
        return f"{self.version or 'unknown'}+{self.digest[:12]}"


def given() -> LocalTileDB | None:
    """Return the TileDB that the environment names; None where it names none."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    root = Path(named).absolute()
    libraries = native_files.closure(_found(root)[:1], library_directories(root))
    headers = sorted(path for path in (root / "include" / "tiledb").rglob("*") if path.is_file())
    lines = [f"{name} {_digest(path)}" for name, path in sorted(libraries.items())]
    lines += [f"{path.relative_to(root)} {_digest(path)}" for path in headers]
    return LocalTileDB(root, _version(root), libraries, hashlib.sha256("\n".join(lines).encode()).hexdigest())


def identity() -> str:
    """Name what source builds are linked with now."""
    found = given()
    return found.identity if found is not None else DOWNLOADED


def library_directories(root: Path) -> list[Path]:
    """Return where the build script of tiledb-soma looks for libraries below a directory."""
    return [path for path in (root / "lib", root / "lib64", *sorted(root.glob("lib/*-linux-gnu*"))) if path.is_dir()]


def _found(root: Path) -> list[Path]:
    return [path for home in library_directories(root) if (path := home / LIBRARY).is_file()]


def _version(root: Path) -> str:
    try:
        text = (root / "include" / "tiledb" / "tiledb_version.h").read_text(errors="replace")
    except OSError:
        return ""
    return ".".join(re.findall(r"#define\s+TILEDB_VERSION_(?:MAJOR|MINOR|PATCH)\s+(\d+)", text))


def _digest(path: Path) -> str:
    stat = path.stat()
    return _digest_of(path, stat.st_size, stat.st_mtime_ns)


@cache
def _digest_of(path: Path, size: int, changed: int) -> str:
    """Digest of a file as it is: a plan asks for each commit, and the library has 60 MB."""
    return sha256_of(path)
