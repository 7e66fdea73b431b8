"""The lock file of releases: which files a release is, by sha256, and which commit it becomes.

The lock makes the history the same on every machine: a release's commit follows from its source distribution, its
version and its date, all of which are in the lock. New releases are appended; the others are never rewritten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from alb_core.base.documents import Format
from alb_core.base.errors import AlbError

#: The oldest release measured: it writes the datasets, so every commit can read them.
FLOOR = "1.7.3"


@dataclass(frozen=True)
class LockedFile:
    """One file of the package index: its name and the sha256 (hex) of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Companion:
    """A package that a release alone pins (somacore, tiledb): exact version, and its wheels."""

    name: str
    version: str
    wheels: tuple[LockedFile, ...]


@dataclass(frozen=True)
class Release:
    """One release of tiledbsoma."""

    version: str
    #: When its source distribution was uploaded, ISO 8601 in UTC, whole seconds.
    released: str
    sdist: LockedFile
    #: Its wheels, one for each Python of ``asv.conf.json`` and each platform.
    wheels: tuple[LockedFile, ...]
    #: What it pins beyond the common stack.
    companions: tuple[Companion, ...]
    #: Git object names (SHA-1) of its tree and commit in the release history.
    tree: str
    commit: str


@dataclass(frozen=True)
class Lock:
    """All releases, by date, oldest first."""

    releases: tuple[Release, ...]


_FORMAT = Format(Lock, "lock of releases", ("lock_version", 1), "restore it with git")


def lock_path() -> Path:
    """The lock file, beside this module and committed with it."""
    return Path(__file__).with_name("releases.json")


def load(path: Path | None = None) -> list[Release]:
    """Read the lock: releases by date, oldest first."""
    path = path or lock_path()
    lock = _FORMAT.read(path)
    if lock is None:
        raise _FORMAT.damaged(path, "there is no such file")
    return list(lock.releases)


def append(releases: list[Release], path: Path | None = None) -> None:
    """Write the lock with ``releases`` added after those that stand."""
    path = path or lock_path()
    before = _FORMAT.read(path)
    standing = before.releases if before is not None else ()
    newest = standing[-1].released if standing else ""
    for release in releases:
        if release.version in {locked.version for locked in standing} or release.released < newest:
            raise AlbError(f"{release.version} cannot be appended to {path}: the lock has it, or is past its date")
        newest = release.released
    _FORMAT.write(path, Lock((*standing, *releases)))


def add_wheels(releases: list[Release], path: Path | None = None) -> int:
    """Write the lock with further wheels of the releases that stand; return how many there are more."""
    path = path or lock_path()
    before, after = ([_files(release) for release in found] for found in (load(path), releases))
    if len(before) != len(after) or not all(one <= other for one, other in zip(before, after, strict=True)):
        raise AlbError(f"{path} has other releases or files than wheels are added to: what stands in it stays")
    added = sum(map(len, after)) - sum(map(len, before))
    if added:
        _FORMAT.write(path, Lock(tuple(releases)))
    return added


def _files(release: Release) -> set[object]:
    """All that the lock says of a release, the commit too."""
    wheels = [*release.wheels, *(file for item in release.companions for file in item.wheels)]
    return {
        replace(release, wheels=(), companions=()),
        *((item.name, item.version) for item in release.companions),
        *wheels,
    }


def find(releases: list[Release], version: str) -> Release:
    """Return the release of that version."""
    for release in releases:
        if release.version == version:
            return release
    raise AlbError(f"no release {version} in the lock, expected one of {releases[0].version} to {releases[-1].version}")
