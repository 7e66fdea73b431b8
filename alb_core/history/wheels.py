"""Wheels that fit this machine, from the lock into the cache."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from alb_core.errors import AlbError
from alb_core.history.cache import used
from alb_core.history.index import fetch
from alb_core.history.lock import Companion, LockedFile, Release
from alb_core.paths import wheels_root

#: Python of the benchmark and writer environments.
PYTHON = (3, 11)


def release_wheels(release: Release) -> list[Path]:
    """Bring the wheels of a release for this platform into the cache, verified: its own first, then its companions'."""
    return [own_wheel(release), *companion_wheels(release.companions)]


def own_wheel(release: Release) -> Path:
    """Bring a release's own wheel for this platform into the cache, verified."""
    file = for_this_platform(release.wheels, f"tiledbsoma {release.version}")
    [path] = fetch({"tiledbsoma": [file]}, wheels_root())
    used(path)
    return path


def companion_wheels(companions: Iterable[Companion]) -> list[Path]:
    """Bring companions' wheels for this platform into the cache, verified."""
    wanted = {item.name: [for_this_platform(item.wheels, f"{item.name} {item.version}")] for item in companions}
    paths = fetch(wanted, wheels_root())
    used(*paths)
    return paths


def is_cached(release: Release) -> bool:
    """Whether a release's own wheel is in the cache; its bytes are verified when they are used."""
    file = fitting(release.wheels)
    return file is not None and (wheels_root() / file.name).is_file()


def for_this_platform(wheels: tuple[LockedFile, ...], what: str) -> LockedFile:
    """Return the best wheel for Python 3.11 on this platform."""
    found = fitting(wheels)
    if found is None:
        platform = next(iter(cpython_tags(PYTHON))).platform
        raise AlbError(f"{what} has no wheel for Python {PYTHON[0]}.{PYTHON[1]} on this platform ({platform})")
    return found


def fitting(wheels: tuple[LockedFile, ...]) -> LockedFile | None:
    """Return the best wheel for Python 3.11 on this platform, or None."""
    rank = _ranks()
    found = []
    for file in wheels:
        ranks = [rank[tag] for tag in parse_wheel_filename(file.name)[3] if tag in rank]
        if ranks:
            found.append((min(ranks), file))
    return min(found, key=lambda pair: pair[0])[1] if found else None


@functools.cache
def _ranks() -> dict[Tag, int]:
    """Place of each tag that fits this machine, the best first; some hundred, and a plan asks for each release."""
    return {tag: number for number, tag in enumerate([*cpython_tags(PYTHON), *compatible_tags(PYTHON)])}
