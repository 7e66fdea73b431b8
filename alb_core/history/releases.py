"""The release history: made when missing, used, updated; a user's own history is left alone."""

from __future__ import annotations

import sys
from pathlib import Path

from alb_core.errors import AlbError
from alb_core.files import staged_directory
from alb_core.history import lock, places, repository
from alb_core.history.index import fetch
from alb_core.history.lock import Release
from alb_core.history.repository import git
from alb_core.history.resolve import new_releases
from alb_core.locks import locked
from alb_core.paths import history_root, wheels_root


def ensure() -> Path:
    """Make the release history where there is no history at all, and return the history's place.

    A git repository (or a link to one) that stands there already is used as it is.
    """
    root = history_root()
    if not places.is_repository(root):
        places.point_to(_made())
    return root


def use() -> Path:
    """Make the release history where it is missing, and use it; every other history stays where it is."""
    root = history_root()
    if places.is_repository(root) and places.kind_of(root) == places.RELEASES:
        return root
    places.point_to(_made())
    return root


def place() -> Path:
    """Make the release history where it is missing, and return where it lies, whichever history is in use."""
    root = history_root()
    if places.is_repository(root) and places.kind_of(root) == places.RELEASES:
        return root.resolve()
    return _made()


def update() -> list[Release]:
    """Append to the lock, and to the release history if there is one, the releases that appeared since.

    ``main`` follows only where it still is the newest release; a branch that a user went on with stays.
    """
    root = ensure()
    if places.kind_of(root) != places.RELEASES:
        root = places.releases_place()
    with locked(root.with_name(f".{root.name}.lock"), f"it updates the history {root}"):
        fresh = new_releases(lock.load(), wheels_root())
        if fresh:
            lock.append(fresh)
        if places.is_repository(root):
            releases = lock.load()
            missing = [release for release in releases if repository.tip(root, f"refs/tags/{release.version}") is None]
            sdists = fetch({"tiledbsoma": [release.sdist for release in missing]}, wheels_root())
            if missing:
                repository.append(root, zip(missing, sdists, strict=True))
                _verify(root, releases)
            _advance_main(root, [release.commit for release in releases])
    return fresh


def _made() -> Path:
    """Make the release history in its directory, unless it is there; return that directory."""
    place = places.releases_place()
    with locked(place.with_name(f".{place.name}.lock"), f"it makes the history {place}"):
        if not places.is_repository(place):
            releases = lock.load()
            print(f"alb: making the history of {len(releases)} tiledb-soma releases at {place}", file=sys.stderr)
            sdists = fetch({"tiledbsoma": [release.sdist for release in releases]}, wheels_root())
            with staged_directory(place) as stage:
                repository.create(stage, zip(releases, sdists, strict=True))
                _verify(stage, releases)
    return place


def _verify(root: Path, releases: list[Release]) -> None:
    """Check that every release became the commit that the lock names."""
    for release in releases:
        commit = repository.tip(root, f"refs/tags/{release.version}")
        if commit != release.commit:
            raise AlbError(f"release {release.version} became commit {commit}, the lock says {release.commit}")


def _advance_main(root: Path, commits: list[str]) -> None:
    """Move ``main`` to the newest release, unless somebody works on it."""
    main, newest = repository.tip(root, "refs/heads/main"), commits[-1]
    if main == newest:
        return
    if main not in commits:
        print(f"alb: main of {root} has commits of its own and stays; new releases are tags", file=sys.stderr)
    elif git(root, "branch", "--show-current") == "main":
        git(root, "merge", "--quiet", "--ff-only", newest)
    else:
        git(root, "update-ref", "refs/heads/main", newest, str(main))
