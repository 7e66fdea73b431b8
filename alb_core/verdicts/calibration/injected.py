"""Commits of a known change, on top of a release: its reads slower, waiting or doing more work, or 200 MB kept.

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

#: The size of the change that takes time and does no work.
WAITING = "10% waiting"

#: Changes that the clock and memory are asked about: the line of each, by its size.
CHANGES = {
    "5%": f"slow_down({READER}, 0.05)",
    "10%": f"slow_down({READER}, 0.10)",
    "25%": f"slow_down({READER}, 0.25)",
    "200MB": f"keep_more({READER}, 200_000_000)",
    WAITING: f"wait({READER}, 0.10)",
}

#: Changes of work. Each is so much of what reading tables in stored order takes (``'table', 1024, 'none'``), in release
#: 2.3.0, by valgrind 3.19 under Python 3.11: 415.6 million instructions for 2,624,737 values; a byte takes 11.0, and a
#: step of Python 198. Other cases take more for a value, so in them the same is less.
WORK_CHANGES = {
    "0.5% native": f"work_natively({READER}, 0.072)",
    "1% native": f"work_natively({READER}, 0.144)",
    "2% native": f"work_natively({READER}, 0.288)",
    "5% native": f"work_natively({READER}, 0.72)",
    "0.5% Python": f"work_in_python({READER}, 0.004)",
    "1% Python": f"work_in_python({READER}, 0.008)",
    "2% Python": f"work_in_python({READER}, 0.016)",
    "5% Python": f"work_in_python({READER}, 0.04)",
}

#: The function that changes of work are in, as it is named natively and among Python's.
INJECTED_FUNCTIONS = {"native": "binascii_crc_hqx", "Python": "tiledbsoma/_read_iters.py:count_up"}

#: In how many of :data:`~alb_core.rounds.schedules.OUT_OF` rounds a kind of case is measured, by size of the change. A
#: verdict takes up to eight samples of memory, and rounds of time as many as it has.
SHARES: Shares = {
    NOTHING: {Kind.TIME: 20, Kind.MEMORY: 8},
    "5%": {Kind.TIME: 20},
    "10%": {Kind.TIME: 20},
    "25%": {Kind.TIME: 20},
    "200MB": {Kind.MEMORY: 8},
    WAITING: {Kind.TIME: 20},
}

#: Files whose text is added, and never changes: the commits' hashes, which results are kept by, follow from it.
_CODES = ("injected_code.py", "injected_work.py")

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
    codes = [Path(__file__).with_name(name).read_bytes() for name in _CODES]
    content = {}
    for size, line in {**CHANGES, **WORK_CHANGES}.items():
        code = next(code for code in codes if f"def {line.partition('(')[0]}(".encode() in code)
        content[size] = b"%b\n\n%b\n\n%b\n" % (before, code, line.encode())
    made = {size: _commit(repository, release, path, text, size) for size, text in content.items()}
    return InjectedCommits(release, {NOTHING: release.commit, **made})


def plain_name(size: str) -> str:
    """Return a size as a name of files and references."""
    return size.replace("%", "percent").replace(" ", "-")


def _commit(repository: Path, release: Release, path: str, content: bytes, size: str) -> str:
    digest = hashlib.sha256(content).hexdigest()[:12]
    reference = f"{_REFERENCES}/{release.version}/{plain_name(size)}-{digest}"
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
