"""The release history: made when missing, used, updated; a history of the user's own is left alone."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.base.files import locked, staged_directory
from alb_core.base.paths import history_root, wheels_root
from alb_core.commits.history import active, releases_lock
from alb_core.commits.history.git import append, commit_of, create, git, tip
from alb_core.commits.history.index import fetch
from alb_core.commits.history.new_releases import new_releases, with_late_wheels
from alb_core.commits.history.releases_lock import Release


def ensure() -> Path:
    """Make the release history where there is no history at all, and return the directory of the history in use.

    A git repository (or a link to one) that stands there already is used as it is.
    """
    root = history_root()
    if not active.is_repository(root):
        active.point_to(_made())
    return root


def use() -> Path:
    """Make the release history where it is missing, and use it; every other history stays where it is."""
    place = path()
    if history_root().resolve() != place.resolve():
        active.point_to(place)
    return history_root()


def path() -> Path:
    """Make the release history where it is missing, and return its directory, whichever history is in use."""
    root = history_root()
    if active.is_repository(root) and active.kind_of(root) == active.RELEASES:
        return root.resolve()
    return _made()


def commits_of(names: Sequence[str]) -> list[str]:
    """Return the commit that each of some words of a user's stands for in the history in use.

    Where no history is there yet, a word is refused that none of the releases, which it will be made of, can mean.
    """
    root = history_root()
    if active.is_repository(root):
        return [commit_of(root, name) for name in names]
    known = {release.version: release.commit for release in releases_lock.load()}
    newest = next(reversed(known.values()), None)
    found = []
    for name in names:
        # What follows, as in main~3 or 2.3.0^, is git's to tell.
        start = re.split(r"[~^@]", name, maxsplit=1)[0]
        hashes = [commit for commit in known.values() if len(start) >= 4 and commit.startswith(start)]
        meant = known.get(start) or (
            newest if start in {"main", "HEAD", "refs/heads/main"} else next(iter(hashes), None)
        )
        if meant is None:
            raise AlbError(f"no release is {name or repr(name)}, expected one commit: a version, main or HEAD")
        found.append(meant)
    return found


def update() -> list[Release]:
    """Append to the lock, and to the release history if there is one, the releases that appeared since.

    Releases that stand get the wheels that the index has of them since, such as those for another Python.
    ``main`` follows only where it still is the newest release; a branch that a user went on with stays.
    """
    root = ensure()
    if active.kind_of(root) != active.RELEASES:
        root = active.releases_path()
    with locked(root.with_name(f".{root.name}.lock"), f"it updates the history {root}"):
        releases_lock.add_wheels(with_late_wheels(releases_lock.load()))
        fresh = new_releases(releases_lock.load(), wheels_root())
        if fresh:
            releases_lock.append(fresh)
        if active.is_repository(root):
            releases = releases_lock.load()
            missing = [release for release in releases if tip(root, f"refs/tags/{release.version}") is None]
            sdists = fetch({"tiledbsoma": [release.sdist for release in missing]}, wheels_root())
            if missing:
                append(root, zip(missing, sdists, strict=True))
                _verify(root, releases)
            _advance_main(root, [release.commit for release in releases])
    return fresh


def _made() -> Path:
    """Make the release history in its directory, unless it is there; return that directory."""
    root = active.releases_path()
    with locked(root.with_name(f".{root.name}.lock"), f"it makes the history {root}"):
        if not active.is_repository(root):
            releases = releases_lock.load()
            print(f"alb: making the history of {len(releases)} tiledb-soma releases at {root}", file=sys.stderr)
            sdists = fetch({"tiledbsoma": [release.sdist for release in releases]}, wheels_root())
            with staged_directory(root) as stage:
                create(stage, zip(releases, sdists, strict=True))
                _verify(stage, releases)
    return root


def _verify(root: Path, releases: list[Release]) -> None:
    """Check that every release became the commit that the lock names."""
    for release in releases:
        commit = tip(root, f"refs/tags/{release.version}")
        if commit != release.commit:
            raise AlbError(f"release {release.version} became commit {commit}, the lock says {release.commit}")


def _advance_main(root: Path, commits: list[str]) -> None:
    """Move ``main`` to the newest release, unless somebody works on it."""
    main, newest = tip(root, "refs/heads/main"), commits[-1]
    if main == newest:
        return
    if main not in commits:
        print(f"alb: main of {root} has commits of its own and stays; new releases are tags", file=sys.stderr)
    elif git(root, "branch", "--show-current") == "main":
        git(root, "merge", "--quiet", "--ff-only", newest)
    else:
        git(root, "update-ref", "refs/heads/main", newest, str(main))
