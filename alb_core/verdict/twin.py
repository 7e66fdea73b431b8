"""The second side's environment: the first one's stack again, in a moment and in no room.

Installed packages are linked, not copied: pip writes new files and unlinks old ones, so what it does in one environment
never shows in the other. What asv and this suite write in place, and whatever names the environment's own path, is
copied.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from alb_core.files import staged_directory

#: What is linked: packages, and what they bring beside them.
_LINKED = {"lib", "share", "include"}

#: What only one environment has: asv's builds of commits and its working directory.
_LEFT_OUT = {"asv-build-cache", "project"}


def twin(source: Path, target: Path) -> None:
    """Make ``target`` the environment that ``source`` is; the caller holds the lock of measuring."""
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
