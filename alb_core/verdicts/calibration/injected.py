"""Commits of known slowness, on top of a release: its reads 5, 10 and 25 % slower, or 200 MB kept.

They go into the history of releases, under a reference of their own: no branch, no tag and no file of it is touched.
What they are made of is fixed, so that their hashes are the same on every machine and a second call finds them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.commits.builds.wheels import fitting
from alb_core.commits.history import releases_lock
from alb_core.commits.history.git import Objects, git, tip
from alb_core.commits.history.package import Packages
from alb_core.commits.history.releases_lock import Release
from alb_core.rounds.cases import Kind
from alb_core.rounds.schedules import Shares

#: The class in tiledbsoma that gives the parts of every read.
READER = "ArrowTableRead"

#: The file with it, below the package's directory.
FILE = "src/tiledbsoma/_read_iters.py"

#: The size of no change: the release against itself.
NOTHING = "0%"

#: Lines by the size of the change.
CHANGES = {
    "5%": f"slow_down({READER}, 0.05)",
    "10%": f"slow_down({READER}, 0.10)",
    "25%": f"slow_down({READER}, 0.25)",
    "200MB": f"keep_more({READER}, 200_000_000)",
}

#: In how many of :data:`~alb_core.rounds.schedules.OUT_OF` rounds a kind of case is measured, by size of the change. A
#: verdict takes up to eight samples of memory, and rounds of time as many as it has.
SHARES: Shares = {
    NOTHING: {Kind.TIME: 20, Kind.MEMORY: 8},
    "5%": {Kind.TIME: 20},
    "10%": {Kind.TIME: 20},
    "25%": {Kind.TIME: 20},
    "200MB": {Kind.MEMORY: 8},
}

_REFERENCES = "refs/alb/calibration"
_IDENTITY = "arrayloader-benchmarks <calibration@arrayloader-benchmarks.invalid>"


@dataclass(frozen=True)
class InjectedCommits:
    """A release and the commits on top of it."""

    release: Release
    #: Commit by size of the change; :data:`NOTHING` is the release.
    by_size: dict[str, str]


def base_of(releases: list[Release]) -> Release:
    """Return the newest release with a wheel for this platform."""
    usable = [release for release in releases if fitting(release.wheels) is not None]
    if not usable:
        raise AlbError("no release of tiledbsoma has a wheel for this platform: there is nothing to calibrate with")
    return usable[-1]


def commit_all(repository: Path, release: Release | None = None) -> InjectedCommits:
    """Make the commits where they are not there yet."""
    release = release or base_of(releases_lock.load())
    with Objects(repository) as objects:
        path = Packages(objects).layout(release.commit).within(FILE)
        entry = objects.find(objects.root(release.commit), path)
        before = objects.blob(entry[1]) if entry else b""
    if f"class {READER}(".encode() not in before:
        raise AlbError(f"release {release.version} has no class {READER} in {path}: nothing can be injected there")
    code = before + b"\n\n" + Path(__file__).with_name("injected_code.py").read_bytes()
    content = {size: code + f"\n\n{line}\n".encode() for size, line in CHANGES.items()}
    made = {size: _commit(repository, release, path, text, size) for size, text in content.items()}
    return InjectedCommits(release, {NOTHING: release.commit, **made})


def _commit(repository: Path, release: Release, path: str, content: bytes, size: str) -> str:
    digest = hashlib.sha256(content).hexdigest()[:12]
    reference = f"{_REFERENCES}/{release.version}/{size.replace('%', 'percent')}-{digest}"
    there = tip(repository, reference)
    if there is not None:
        return there
    when = git(repository, "show", "--no-patch", "--format=%ct", release.commit)
    message = f"Release {release.version}, worse by {size}\n".encode()
    stream = b"".join(
        [
            f"commit {reference}\n".encode(),
            f"author {_IDENTITY} {when} +0000\ncommitter {_IDENTITY} {when} +0000\n".encode(),
            b"data %d\n%s\nfrom %s\n" % (len(message), message, release.commit.encode()),
            f"M 100644 inline {path}\n".encode(),
            b"data %d\n%s\n" % (len(content), content),
            b"done\n",
        ]
    )
    git(repository, "fast-import", "--quiet", "--done", stdin=stream)
    return git(repository, "rev-parse", "--verify", reference)
