"""The release history at its place: made when missing, updated, described; a user's own history is left alone."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from alb_core.errors import AlbError
from alb_core.files import staged_directory
from alb_core.history import lock, repository
from alb_core.history.index import fetch
from alb_core.history.lock import Release
from alb_core.history.repository import RELEASES_REF, git
from alb_core.history.resolve import new_releases
from alb_core.locks import locked
from alb_core.paths import history_root, wheels_root


@dataclass(frozen=True)
class Shown:
    """What stands at the history's place: whether it is the release history, its ``main``, ``HEAD`` and commits."""

    path: Path
    is_release_history: bool
    main: str | None
    head: str | None
    branch: str
    commits: int


def ensure() -> Path:
    """Make the release history where there is none, and return its place.

    A git repository (or a link to one) that stands there already is used as it is.

    Raises
    ------
    AlbError
        If something else stands there, or the releases cannot be had.
    """
    root = history_root()
    if _is_repository(root):
        return root
    with locked(root.with_name(f".{root.name}.lock"), f"it makes the history {root}"):
        if _is_repository(root):
            return root
        releases = lock.load()
        print(f"alb: making the history of {len(releases)} tiledb-soma releases at {root}", file=sys.stderr)
        sdists = fetch({"tiledbsoma": [release.sdist for release in releases]}, wheels_root())
        with staged_directory(root) as stage:
            repository.create(stage, zip(releases, sdists, strict=True))
            _verify(stage, releases)
    return root


def update() -> list[Release]:
    """Append to the lock, and to the history if it is the release history, the releases that appeared since.

    ``main`` follows only where it still is the newest release; a branch that a user went on with stays.

    Returns
    -------
    list of Release
        Those added to the lock.
    """
    root = ensure()
    with locked(root.with_name(f".{root.name}.lock"), f"it updates the history {root}"):
        fresh = new_releases(lock.load(), wheels_root())
        if fresh:
            lock.append(fresh)
        old = repository.tip(root, RELEASES_REF)
        if old is not None:
            releases = lock.load()
            missing = [release for release in releases if repository.tip(root, f"refs/tags/{release.version}") is None]
            sdists = fetch({"tiledbsoma": [release.sdist for release in missing]}, wheels_root())
            if missing:
                repository.append(root, zip(missing, sdists, strict=True))
                _verify(root, releases)
            _advance_main(root, [release.commit for release in releases])
    return fresh


def show() -> Shown:
    """Describe the history at its place.

    Raises
    ------
    AlbError
        If there is none.
    """
    root = history_root()
    if not _is_repository(root):
        raise AlbError(f"no history at {root} yet: make it with `alb history releases`")
    return Shown(
        path=root,
        is_release_history=repository.tip(root, RELEASES_REF) is not None,
        main=repository.tip(root, "refs/heads/main"),
        head=repository.tip(root, "HEAD"),
        branch=git(root, "branch", "--show-current") or "detached",
        commits=int(git(root, "rev-list", "--count", "HEAD")),
    )


def _is_repository(root: Path) -> bool:
    """Whether a git repository stands there; False where nothing does.

    Raises
    ------
    AlbError
        If something else stands there: it is nobody's to overwrite.
    """
    if (root / ".git").exists() or (root / "objects").is_dir():
        return True
    if root.is_symlink() and not root.exists():
        raise AlbError(f"{root} is a link to {root.readlink()}, which does not exist: mend or remove the link")
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise AlbError(f"{root} exists and is no git repository: move it away, then repeat the command")
    return False


def _verify(root: Path, releases: list[Release]) -> None:
    """Check that every release became the commit that the lock names.

    Raises
    ------
    AlbError
        If one did not: results would be recorded under a commit that no other machine has.
    """
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
