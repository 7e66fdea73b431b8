"""Which native libraries of TileDB this process has really loaded. Standard library only.

Linux tells in ``/proc/self/maps``; elsewhere nothing is known, and nothing is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from alb_core.base.errors import AlbError

_MAPS = Path("/proc/self/maps")

#: Names of the libraries that are measured: libtiledb, libtiledbsoma, and the extension modules over them.
_MEASURED = re.compile(r"(lib|py)?tiledb[^/]*\.(so|dylib)[^/]*")


def require_inside(site_packages: Path, besides: Collection[str] = ()) -> None:
    """Refuse a library of TileDB that this process has loaded from elsewhere than its environment, or ``besides``."""
    home = site_packages.resolve()
    for path in loaded():
        if not path.is_relative_to(home) and str(path) not in besides:
            raise AlbError(
                f"this process has loaded {path}, expected {home / 'tiledbsoma' / path.name}: unset what names "
                "another place for libraries, such as LD_LIBRARY_PATH or LD_PRELOAD"
            )


def loaded() -> list[Path]:
    """Return the libraries of TileDB in this process, each once."""
    try:
        lines = _MAPS.read_text().splitlines()
    except OSError:
        return []
    # Five fields, then the path, which may hold spaces.
    fields = [line.split(None, 5) for line in lines]
    paths = {found[5].removesuffix(" (deleted)") for found in fields if len(found) == 6}
    return [Path(path) for path in sorted(paths) if _MEASURED.fullmatch(path.rpartition("/")[2])]
