"""Which history is in use: the releases, a clone, or a repository of the user's.

``data/tiledb-soma`` is a link to it. What the suite makes itself lies under ``data/histories``, each in a directory of
its own, so that one never overwrites the other; a repository of the user's stays where it is and is only read.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.base.files import ensure_directory, locked, staged_directory
from alb_core.base.paths import data_root, history_root, own_place
from alb_core.commits.history.git import RELEASES_REF, STATUS, Objects, git, tip
from alb_core.commits.history.package import LAYOUTS, Packages

#: The public repository of tiledb-soma.
PUBLIC = "https://github.com/single-cell-data/TileDB-SOMA"

#: What a history can be, in words.
RELEASES, CLONE, OWN = "releases of the package index", "clone", "your own repository, only read"


@dataclass(frozen=True)
class ActiveHistory:
    """The history in use."""

    #: Its directory; links are followed.
    path: Path
    #: One of :data:`RELEASES`, :data:`CLONE`, :data:`OWN`.
    kind: str
    main: str | None
    head: str | None
    branch: str
    #: Number of commits up to ``HEAD``.
    commits: int
    #: Files with changes that are in no commit.
    uncommitted: tuple[str, ...]


def releases_path() -> Path:
    """Directory of the release history, unless an older suite made it at ``data/tiledb-soma`` itself."""
    return own_place("histories") / "releases"


def clone_path() -> Path:
    """Directory of the clone."""
    return own_place("histories") / "clone"


def is_repository(root: Path) -> bool:
    """Whether a git repository stands where the history should be; False where nothing does."""
    if (root / ".git").exists() or (root / "objects").is_dir():
        return True
    if root.is_symlink() and not root.exists():
        raise AlbError(f"{root} is a link to {root.readlink()}, which does not exist: mend or remove the link")
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise AlbError(f"{root} exists and is no git repository: move it away, then repeat the command")
    return False


def require() -> Path:
    """Return the directory of the history in use."""
    root = history_root()
    if not is_repository(root):
        raise AlbError(f"no history at {root} yet: make it with `alb history releases` or `alb history clone`")
    return root


def show() -> ActiveHistory:
    """Describe the history in use."""
    root = require()
    head = tip(root, "HEAD")
    return ActiveHistory(
        path=root.resolve(),
        kind=kind_of(root),
        main=tip(root, "refs/heads/main"),
        head=head,
        branch=git(root, "branch", "--show-current") or "detached",
        commits=int(git(root, "rev-list", "--count", "HEAD")) if head else 0,
        uncommitted=tuple(uncommitted(root)),
    )


def kind_of(root: Path) -> str:
    """Return what the history in a directory is."""
    if root.resolve() == clone_path().resolve():
        return CLONE
    return RELEASES if tip(root, RELEASES_REF) is not None else OWN


def uncommitted(root: Path) -> list[str]:
    """Return the files of a working checkout whose content is in no commit; without touching its index."""
    if git(root, "rev-parse", "--is-bare-repository") == "true":
        return []
    fields = git(root, "--no-optional-locks", "status", *STATUS, strip=False).split("\0")
    found, skip = [], False
    for field in fields:
        if field and not skip:
            found.append(field[3:])
        # The old name of what was renamed follows as a field of its own.
        skip = not skip and field[:1] in {"R", "C"}
    return found


def point_to(target: Path) -> None:
    """Make ``data/tiledb-soma`` a link to a history; what stood there is kept.

    A release history that an older suite made there moves to its own directory first.
    """
    root = history_root()
    with locked(root.with_name(f".{root.name}.lock"), "it changes the history in use"):
        if not root.is_symlink() and is_repository(root):
            _adopt(root)
        elif root.is_symlink() and root.exists() and root.resolve() == target.resolve():
            return
        elif root.is_symlink():
            print(f"alb: {root} was a link to {root.readlink()}", file=sys.stderr)
        inside = target.is_relative_to(data_root())
        link = root.with_name(f".{root.name}.link-{os.getpid()}")
        try:
            if root.is_dir() and not root.is_symlink():
                root.rmdir()
            ensure_directory(root.parent)
            link.symlink_to(target.relative_to(data_root()) if inside else target, target_is_directory=True)
            link.replace(root)
        except OSError as error:
            raise AlbError(f"cannot make the link {root} to {target}: {error.strerror}") from error


def use(path: Path) -> None:
    """Use a repository of the user's as the history, where it lies."""
    top = _toplevel(path)
    root = history_root()
    if not root.is_symlink() and root.resolve() == top:
        return
    _require_package(top)
    point_to(top)


def clone(source: str | None) -> Path:
    """Clone a tiledb-soma repository and use it; a clone of the same repository is brought up to date."""
    path = clone_path()
    if source is not None and Path(source).exists():
        source = str(_toplevel(Path(source)))
    with locked(path.with_name(".clone.lock"), f"it clones to {path}"):
        if path.is_dir():
            origin = git(path, "config", "remote.origin.url")
            if source not in {None, origin}:
                raise AlbError(f"{path} is a clone of {shown(origin)}: move it away, then clone {shown(source or '')}")
        try:
            refresh() if path.is_dir() else _clone(source or PUBLIC, path)
        except AlbError as error:
            raise AlbError(shown(str(error))) from None
    point_to(path)
    return path


def shown(text: str) -> str:
    """Return a text without the names and passwords in its addresses."""
    return re.sub(r"(?<=://)[^/\s]*@", "", text)


def refresh() -> None:
    """Fetch what is new into the clone, and move its ``main`` forward where nobody works on it."""
    path = clone_path()
    git(path, "fetch", "--quiet", "--tags", "--force", "origin")
    main, theirs = tip(path, "refs/heads/main"), tip(path, "refs/remotes/origin/main")
    if main is None or theirs is None or main == theirs:
        return
    if git(path, "merge-base", main, theirs) != main:
        print(f"alb: main of {path} has commits of its own and stays", file=sys.stderr)
    elif git(path, "branch", "--show-current") != "main":
        git(path, "update-ref", "refs/heads/main", theirs, main)
    elif uncommitted(path):
        print(f"alb: {path} has uncommitted changes; its main stays", file=sys.stderr)
    else:
        git(path, "merge", "--quiet", "--ff-only", theirs)


def _clone(source: str, path: Path) -> None:
    with staged_directory(path) as stage:
        print(f"alb: cloning {shown(source)} to {path}", file=sys.stderr, flush=True)
        git(stage.parent, "clone", "--quiet", "--no-checkout", "--", source, str(stage))
        _require_package(stage)
        if tip(stage, "refs/heads/main") is None:
            start = "refs/remotes/origin/main" if tip(stage, "refs/remotes/origin/main") else "HEAD"
            git(stage, "branch", "--quiet", "main", start)
        # What a build needs: the rest of the repository is data and notebooks, most of its size.
        with Objects(stage) as objects:
            layout = Packages(objects).layout("HEAD")
        if layout == LAYOUTS[0]:
            git(stage, "sparse-checkout", "set", layout.python, layout.cpp, "scripts")
        git(stage, "checkout", "--quiet", "main")


def _adopt(root: Path) -> None:
    """Move a release history that stands in ``data/tiledb-soma`` itself to its own directory."""
    if kind_of(root) != RELEASES:
        raise AlbError(f"{root} is a repository of your own: move it elsewhere, and `alb history use` it from there")
    path = releases_path()
    if path.exists():
        raise AlbError(f"{root} and {path} are both histories of the releases: move one of them away")
    ensure_directory(path.parent)
    root.replace(path)
    print(f"alb: the history of releases lies in {path} now", file=sys.stderr)


def _toplevel(path: Path) -> Path:
    """Return the top of the git repository that a path lies in."""
    if not path.is_dir():
        raise AlbError(f"{path} is no directory, expected a git repository of tiledb-soma")
    try:
        if git(path, "rev-parse", "--is-inside-work-tree") == "true":
            return Path(git(path, "rev-parse", "--show-toplevel")).resolve()
        return Path(git(path, "rev-parse", "--absolute-git-dir")).resolve()
    except AlbError as error:
        raise AlbError(f"{path} is no git repository, expected one of tiledb-soma ({error})") from error


def _require_package(root: Path) -> None:
    """Refuse a repository that is not tiledb-soma's."""
    if tip(root, "HEAD") is None:
        raise AlbError(f"{root} has no commit yet, expected a git repository of tiledb-soma")
    try:
        with Objects(root) as objects:
            Packages(objects).of("HEAD")
    except AlbError as error:
        raise AlbError(f"{root} is not tiledb-soma: {error}") from error
