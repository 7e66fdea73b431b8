"""The two sides of a verdict: a commit each, installed in an environment of its own, measured by asv's own runner.

Both environments stay as they are from round to round, so that sides change in no time. Each is one of asv's, made from
the same configuration in another directory; results go by the name that asv gives it, which both share.

An environment for each release, made once: rounds then spend no time on installing.

The stack is linked from asv's own environment, so that one release takes the room of its own wheels alone. Their
paths are equally long.

A commit's native libraries, brought into the system's page cache anew.

Whoever runs a library runs it from where its file happens to lie in memory, for as long as it lies there: one of two
equal installs took 16 MB more, and was perhaps a little slower, round after round. A file that was just written lies
there in other pieces than one that was read, and more or less of it is mapped at once. So before each round the files
of both sides leave the cache and are read again, front to back: all lie as files that were read do, and where is drawn
anew, like any other noise of a round.
"""

from __future__ import annotations

import copy
import math
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asv import util
from asv.config import Config
from asv.environment import get_environments
from asv.repo import NoSuchNameError, Repo
from asv.runner import Spawner, get_spawner, run_benchmark
from tqdm import tqdm

from alb_core.base.certificate import PACKAGE, certificate
from alb_core.base.errors import AlbError
from alb_core.base.paths import campaign_root, environment_roots
from alb_core.commits.history.releases_lock import Release
from alb_core.rounds.asv_environment import StackEnvironment
from alb_core.rounds.cases import Case

#: Environments that are made at once: one waits for the index or the disk while another one computes.
_AT_ONCE = 2


def root_of(release: Release) -> Path:
    """Directory that holds a release's environment."""
    return campaign_root() / release.commit[:8]


def sides_of(conf: Config, releases: Sequence[Release]) -> list[Side]:
    """Return releases as they are measured, their environments made or not."""
    return [
        Side("release", release.version, release.commit, environment_at(conf, root_of(release))) for release in releases
    ]


def make(conf: Config, repo: Repo, sides: Sequence[Side]) -> dict[str, str]:
    """Make the environments that are missing, and install in each its release."""
    base = environment_at(conf, Path(conf.env_dir))
    base.create()
    failures: dict[str, str] = {}

    def made(side: Side) -> tuple[Side, str | None]:
        try:
            side.environment.create_from(base)
            side.install(conf, repo)
        except AlbError as error:
            return side, str(error)
        # asv keeps each wheel that it installs; the suite's own cache has it already.
        shutil.rmtree(side.environment.path / "asv-build-cache", ignore_errors=True)
        return side, None

    missing = [side for side in sides if not side.installed]
    bar = tqdm(total=len(missing), desc="installing", unit=" releases", disable=None)
    with ThreadPoolExecutor(_AT_ONCE) as pool, bar:
        for side, reason in pool.map(made, missing):
            if reason is not None:
                failures[side.name] = reason
            bar.update()
    if len(failures) == len(sides):
        version, reason = next(iter(failures.items()))
        raise AlbError(f"none of the releases can be installed; {version}: {reason}")
    return failures


#: Projects that a commit brings: itself, and what it alone pins. The stack's files are one for both sides (twin).
_OWN = ("tiledbsoma", "somacore", "tiledb")

#: Where a wheel keeps libraries: its package, and what was bundled with it.
_PLACES = [f"lib/python3*/site-packages/{name}{suffix}" for name in _OWN for suffix in ("", ".libs")]

#: Bytes of one read.
_PART = 2**20


def libraries(environment: Path) -> Iterator[Path]:
    """Native libraries that only the commit in a virtual environment has; a file each, once."""
    for place in _PLACES:
        for root in environment.glob(place):
            yield from (path for path in sorted(root.rglob("*.so*")) if path.is_file() and not path.is_symlink())


def read_anew(paths: Iterable[Path]) -> None:
    """Let files leave the page cache, and read them into it again.

    What a process has mapped stays, and so does everything where the system cannot be told so (macOS).
    """
    for path in paths:
        try:
            with path.open("rb", buffering=0) as file:
                _drop(file.fileno())
                while file.read(_PART):
                    pass
        except OSError as error:
            raise AlbError(f"{path} cannot be read: {error.strerror}") from error


def _drop(descriptor: int) -> None:
    if hasattr(os, "posix_fadvise"):
        # What is not written to the disk yet cannot leave.
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


class CouldNotMeasureError(AlbError):
    """The input was good, and still nothing could be measured."""

    exit_status = 3


@dataclass(frozen=True)
class Outcome:
    """What one process gave."""

    #: In seconds, bytes or counts; empty where there is none.
    samples: tuple[float, ...] = ()
    #: The commit cannot do it: asv's n/a.
    absent: bool = False
    #: What a failed process printed.
    said: str = ""


@dataclass
class Side:
    """A commit under measurement."""

    #: ``BASE`` or ``HEAD``.
    label: str
    #: The commit as it was typed.
    name: str
    #: Its full object name.
    commit: str
    #: asv's environment that holds it.
    environment: StackEnvironment

    @property
    def installed(self) -> bool:
        """Whether its environment holds it now."""
        return bool(self.environment.installed_commit_hash == self.commit)

    @property
    def packages(self) -> dict[str, str]:
        """Exact version of each installed package, tiledbsoma's own included, as asv's results have them."""
        found: dict[str, str] = certificate(self.environment.path)["packages"]
        return found

    def install(self, conf: Config, repo: Repo, quietly: bool = False) -> None:
        """Build the commit where it is not built, and install it; say so, unless ``quietly``."""
        if not self.installed and not quietly:
            print(f"alb: installing {self.label} {self.name} ({self.commit[:8]})", file=sys.stderr, flush=True)
        try:
            self.environment.install_project(conf, repo, self.commit)
        except util.ProcessError as error:
            lines = [line.strip() for line in f"{error.stdout}\n{error.stderr}".splitlines() if line.strip()]
            reasons = [line.removeprefix("alb: ") for line in lines if line.startswith("alb: ")] or lines[-1:]
            raise CouldNotMeasureError(
                f"{self.label} {self.name} ({self.commit[:8]}) cannot be built or installed: "
                f"{reasons[-1] if reasons else error}"
            ) from error

    def renew(self, conf: Config, repo: Repo) -> None:
        """Install the commit again: new files, as they are in the next verdict of it."""
        self.environment.forget_commit()
        self.install(conf, repo, quietly=True)

    def run(self, case: Case, benchmark: dict[str, Any], spawner: Spawner, attributes: dict[str, Any]) -> Outcome:
        """Run a case once, in a process of its own."""
        done = run_benchmark(benchmark, spawner, False, selected_idx=[case.index], extra_params=attributes)
        result, samples = done.result[case.index], done.samples[case.index]
        if result is None or done.errcode:
            return Outcome(said=done.stderr)
        if samples is not None:
            return Outcome(tuple(map(float, samples)))
        return Outcome((float(result),)) if not math.isnan(result) else Outcome(absent=True)


def commits_of(conf: Config, repo: Repo, names: Sequence[str]) -> list[str]:
    """Return the commits that names stand for."""
    found = []
    for name in names:
        try:
            found.append(str(repo.get_hash_from_name(name)))
        except (NoSuchNameError, util.ProcessError) as error:
            raise AlbError(f"{name!r} is no commit of {conf.repo}: expected a branch, a tag or a hash of it") from error
    return found


def pair_of(conf: Config, names: tuple[str, str], commits: Sequence[str]) -> tuple[Side, Side]:
    """Return BASE and HEAD, each with its environment made and its stack installed, no commit installed yet.

    The environments' paths are equally long: how much of the stack the variables of a process take has been seen to
    move its speed by percents (Mytkowicz et al. 2009).
    """
    first, second = environments_of(conf, environment_roots())
    head, base = first, second
    # Whoever has a commit already keeps it.
    if commits[0] != commits[1] and commits[0] == first.installed_commit_hash:
        head, base = second, first
    return Side("BASE", names[0], commits[0], base), Side("HEAD", names[1], commits[1], head)


def dependencies(base: Side, head: Side) -> list[str]:
    """Say which packages the sides have in other versions, tiledbsoma itself apart; a sentence or none."""
    one, other = base.packages, head.packages
    names = sorted((one.keys() | other.keys()) - {PACKAGE}, key=str.lower)
    moved = [f"{name} {one.get(name, 'none')} -> {other.get(name, 'none')}" for name in names]
    moved = [words for words, name in zip(moved, names, strict=True) if one.get(name) != other.get(name)]
    return [f"dependencies differ: {', '.join(moved)}"] if moved else []


def environments_of(conf: Config, roots: Sequence[Path]) -> list[StackEnvironment]:
    """Return asv's environment in each of some directories, with the stack; others are made of the first."""
    first, *others = [environment_at(conf, root) for root in roots]
    first.create()
    for other in others:
        other.create_from(first)
    return [first, *others]


def environment_at(conf: Config, root: Path) -> StackEnvironment:
    """Return asv's environment in a directory of environments, made or not."""
    own = copy.copy(conf)
    own.env_dir = str(root)
    found = list(get_environments(own, None, verbose=False))
    if len(found) != 1 or not isinstance(found[0], StackEnvironment):
        raise AlbError(f"asv.conf.json describes {len(found)} environments, expected one")
    return found[0]


@contextmanager
def spawners(sides: Sequence[Side], conf: Config) -> Iterator[list[Spawner]]:
    """Processes that fork a benchmark's, one for each side, with everything imported; gone at the end.

    Each holds its libraries somewhere else in memory, which makes all of its children a little faster or slower: a
    round takes new ones, and reads the files anew (:mod:`alb_core.rounds.sides`), so that this varies from round
    to round like any other noise.
    """

    def opened(side: Side) -> Spawner:
        return get_spawner(side.environment, conf.benchmark_dir, conf.launch_method)

    for side in sides:
        read_anew(libraries(side.environment.path))
    with ThreadPoolExecutor(len(sides)) as pool:
        begun = [pool.submit(opened, side) for side in sides]
        wait(begun)
        made = [future.result() for future in begun if future.exception() is None]
        try:
            for future in begun:
                future.result()
            answers = list(pool.map(lambda spawner: spawner.preimport(), made))
            for side, (good, out) in zip(sides, answers, strict=True):
                if not good:
                    raise CouldNotMeasureError(f"{side.label} {side.name} cannot import the benchmarks: {out.strip()}")
            yield made
        finally:
            for spawner in made:
                spawner.close()
