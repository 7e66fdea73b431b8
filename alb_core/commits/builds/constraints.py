"""What a source build is built with: versions that had been uploaded when the commit was made.

pip takes the newest of whatever a ``pyproject.toml`` leaves open, and an old commit need not compile with that.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from alb_core.base.errors import AlbError
from alb_core.base.pythons import measured
from alb_core.commits.history import index
from alb_core.commits.history.git import git

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage


def began(repository: Path, commit: str) -> datetime:
    """Return when the branch of a commit began: the date of its last commit that is on main, too.

    A new commit over an old main compiles with what that main compiled with.
    """
    with contextlib.suppress(AlbError):
        commit = git(repository, "merge-base", "main", commit).strip()
    return datetime.fromtimestamp(int(git(repository, "show", "--no-patch", "--format=%ct", commit)), UTC)


def at(requires: Iterable[str], when: datetime) -> list[str]:
    """Return constraints of requirements, and of what these need, to what the index had at a time, sorted.

    Without upload times, or without the index, there are none, with a word.
    """
    newest: dict[str, str] = {}
    waiting = [need for line in requires if (need := _requirement(line)) is not None]
    try:
        while waiting:
            need = waiting.pop()
            name = canonicalize_name(need.name)
            if name not in newest:
                newest[name], beside = _newest(need, when)
                waiting += beside
    except AlbError as error:
        _say_once(f"{error}: the source build takes the newest versions of what it is built with")
        return []
    return sorted(f"{name}<={version}" for name, version in newest.items() if version)


def _newest(need: Requirement, when: datetime) -> tuple[str, list[Requirement]]:
    """Return the newest version that fits and was there, or nothing; and what it needs itself."""
    files = index.project_files(need.name)
    if not any(file.upload_time for file in files):
        raise AlbError(f"the package index does not say when {need.name} was uploaded")
    there = [file for file in files if _was_there(file, need, when)]
    if not there:
        return "", []
    version = max(Version(file.version or "") for file in there)
    found = [file for file in there if file.version and Version(file.version) == version]
    return str(version), _needs(next((file for file in found if file.has_metadata), None), need.extras)


def _was_there(file: DistributionPackage, need: Requirement, when: datetime) -> bool:
    try:
        version = Version(file.version or "")
        python = SpecifierSet(file.requires_python or "")
    except (InvalidVersion, ValueError):
        return False
    return (
        file.upload_time is not None
        and file.upload_time <= when
        and not file.is_yanked
        and not version.is_prerelease
        and need.specifier.contains(version)
        and python.contains(str(measured()))
    )


def _needs(file: DistributionPackage | None, extras: set[str]) -> list[Requirement]:
    """Return what a version needs beside it, where the index gives its metadata."""
    if file is None:
        return []
    metadata, _ = parse_email(index.metadata(file))
    needs = [need for line in metadata.get("requires_dist", []) if (need := _requirement(line)) is not None]
    return [
        need for need in needs if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras | {""})
    ]


def _requirement(line: str) -> Requirement | None:
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None


@functools.cache
def _say_once(line: str) -> None:
    print(f"alb: {line}", file=sys.stderr, flush=True)
