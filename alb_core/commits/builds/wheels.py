"""Wheels that fit this machine, brought into the cache: of releases, and of their companions.

Companions are packages that a commit needs beyond the common stack. They come from the lock where a release has them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from alb_core.base.errors import AlbError
from alb_core.base.paths import wheels_root
from alb_core.base.pythons import Python, measured
from alb_core.commits.builds.cache import mark_used
from alb_core.commits.history.index import fetch
from alb_core.commits.history.new_releases import companion, stack_pins, unmet_requirements
from alb_core.commits.history.releases_lock import Companion, LockedFile, Release


def release_wheels(release: Release) -> list[Path]:
    """Bring the wheels of a release for this platform into the cache, verified: its own first, then its companions'."""
    return [own_wheel(release), *companion_wheels(release.companions)]


def own_wheel(release: Release) -> Path:
    """Bring a release's own wheel for this platform into the cache, verified."""
    file = for_this_platform(release.wheels, f"tiledbsoma {release.version}")
    [path] = fetch({"tiledbsoma": [file]}, wheels_root())
    mark_used(path)
    return path


def companion_wheels(companions: Iterable[Companion]) -> list[Path]:
    """Bring companions' wheels for this platform into the cache, verified."""
    wanted = {item.name: [for_this_platform(item.wheels, f"{item.name} {item.version}")] for item in companions}
    paths = fetch(wanted, wheels_root())
    mark_used(*paths)
    return paths


def installable(releases: Iterable[Release]) -> list[Release]:
    """Return the releases that have wheels for the measured Python on this platform."""
    return [release for release in releases if fitting(release.wheels) is not None]


def is_cached(release: Release) -> bool:
    """Whether a release's own wheel is in the cache; its bytes are verified when they are used."""
    file = fitting(release.wheels)
    return file is not None and (wheels_root() / file.name).is_file()


def for_this_platform(wheels: tuple[LockedFile, ...], what: str) -> LockedFile:
    """Return the best wheel for the measured Python on this platform."""
    found = fitting(wheels)
    if found is None:
        platform = next(iter(cpython_tags(measured()))).platform
        raise AlbError(f"{what} has no wheel for Python {measured()} on this platform ({platform})")
    return found


def fitting(wheels: tuple[LockedFile, ...]) -> LockedFile | None:
    """Return the best wheel for the measured Python on this platform, or None."""
    rank = _ranks(measured())
    found = []
    for file in wheels:
        ranks = [rank[tag] for tag in parse_wheel_filename(file.name)[3] if tag in rank]
        if ranks:
            found.append((min(ranks), file))
    return min(found, key=lambda pair: pair[0])[1] if found else None


@functools.cache
def _ranks(python: Python) -> dict[Tag, int]:
    """Place of each tag that fits this machine, the best first; some hundred, and a plan asks for each release."""
    return {tag: number for number, tag in enumerate([*cpython_tags(python), *compatible_tags(python)])}


def companions_of(
    requires: Sequence[str], releases: Sequence[Release], base: Release | None, what: str
) -> list[Companion]:
    """Return what is installed with a commit, as its own requirements say."""
    found = []
    for need in unmet_requirements(requires, stack_pins(), what):
        found.append(_locked(need, releases, base) or companion(need))
    return found


def unlocked_requirements(requires: Sequence[str], releases: Sequence[Release], what: str) -> list[str]:
    """Return the requirements of a commit that only the package index can answer."""
    unmet = unmet_requirements(requires, stack_pins(), what)
    return [str(need) for need in unmet if _locked(need, releases, None) is None]


def _locked(need: Requirement, releases: Sequence[Release], base: Release | None) -> Companion | None:
    """Return the base's companion where it satisfies a requirement, else the newest of the lock that does."""
    known = {item for release in releases for item in release.companions}
    newest = sorted(known, key=lambda item: Version(item.version), reverse=True)
    for item in [*(base.companions if base is not None else ()), *newest]:
        answers = item.name == canonicalize_name(need.name) and need.specifier.contains(item.version)
        if answers and fitting(item.wheels) is not None:
            return item
    return None
