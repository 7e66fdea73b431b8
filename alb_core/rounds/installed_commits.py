"""Commits under measurement, each installed in an environment of its own.

An environment is one of asv's, made from the same configuration in a directory of its own; results go by the name that
asv gives it, which all of them share. It stays as it is from round to round: rounds spend no time on installing.
The stack is linked from asv's own environment, so a commit takes the room of its own wheels alone. The paths of
environments that are compared are equally long: how much of the stack the variables of a process take has been seen to
move its speed by percents (Mytkowicz et al. 2009).
"""

from __future__ import annotations

import copy
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asv import util
from asv.config import Config
from asv.environment import get_environments
from asv.repo import Repo
from tqdm.contrib.concurrent import thread_map

from alb_core.base.certificate import PACKAGE, certificate
from alb_core.base.errors import AlbError
from alb_core.base.paths import campaign_root, environment_roots
from alb_core.commits.builds import compilers, given
from alb_core.commits.builds.given import GivenBuild
from alb_core.commits.builds.install import make
from alb_core.commits.history.releases_lock import Release
from alb_core.rounds.asv_environment import StackEnvironment
from alb_core.rounds.page_cache import libraries

#: Environments that are made at once: one waits for the index or the disk while another one computes.
_MADE_AT_ONCE = 2

#: Labels of a release in a campaign, and of a commit between two others.
RELEASE, COMMIT = "release", "commit"


class CouldNotMeasureError(AlbError):
    """The input was good, and still nothing could be measured."""

    exit_status = 3


@dataclass
class InstalledCommit:
    """A commit and the environment that holds it, once it is installed."""

    #: ``BASE``, ``HEAD``, ``release`` or ``commit``.
    label: str
    #: The commit as it was typed, or the version of a release.
    name: str
    commit: str
    environment: StackEnvironment

    @property
    def place(self) -> str:
        """Where something happened, in words."""
        return f"at {self.label} {self.name}" if self.label in {RELEASE, COMMIT} else f"on {self.label}"

    @property
    def build_said(self) -> str | None:
        """What a build is that stands for a commit, and what proves that; None of a commit."""
        return None

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

    def require_unchanged(self) -> None:
        """Refuse what was measured while files changed that lie outside of the environment."""
        path = given.changed(self.environment.path)
        if path is not None:
            raise CouldNotMeasureError(f"{path} of {self.name} changed while it was measured: repeat the command")

    def install_again(self, conf: Config, repo: Repo) -> None:
        """Replace the commit's files by new ones."""
        self.environment.forget_commit()
        self.install(conf, repo, quietly=True)


@dataclass
class InstalledBuild(InstalledCommit):
    """A build that a user has, measured as it stands; its digest is known once it is installed."""

    build: GivenBuild

    @property
    def build_said(self) -> str:
        """What the build is, and what proves that."""
        proof = f"of commit {self.build.commit[:8]}" if self.build.commit else "not proven to be a commit"
        return f"{self.name} (sha256 {self.commit[:12]}, {proof})"

    @property
    def installed(self) -> bool:
        """Whether its environment holds it as it is now."""
        place, held = self.environment.path, self.environment.installed_commit_hash
        return given.holds(place, self.build) and held == certificate(place)["commit"]

    def install(self, conf: Config, repo: Repo, quietly: bool = False) -> None:
        """Install the build where it is not installed; say so, unless ``quietly``."""
        place = self.environment.path
        if self.installed:
            self.commit = certificate(place)["commit"]
        else:
            if not quietly:
                print(f"alb: installing {self.label} {self.name}", file=sys.stderr, flush=True)
            self.environment.forget_commit()
            try:
                self.commit = given.install(self.build, place)
            except AlbError as error:
                raise CouldNotMeasureError(f"{self.label} {self.name} cannot be installed: {error}") from error
        self.environment.hold(self.commit)


def base_and_head(
    conf: Config,
    repo: Repo,
    names: tuple[str, str],
    commits: Sequence[str],
    builds: Sequence[GivenBuild | None] = (None, None),
) -> tuple[InstalledCommit, InstalledCommit]:
    """Install BASE and HEAD, each in its environment; a build stands for a commit."""

    def side(label: str, number: int, environment: StackEnvironment) -> InstalledCommit:
        build = builds[number]
        if build is not None:
            return InstalledBuild(label, build.name, "", environment, build)
        return InstalledCommit(label, names[number], commits[number], environment)

    first, second = environments_of(conf, environment_roots())
    # An environment that has a commit already keeps it.
    if commits[0] != commits[1] and side("BASE", 0, first).installed:
        first, second = second, first
    base, head = side("BASE", 0, second), side("HEAD", 1, first)
    base.install(conf, repo)
    head.install(conf, repo)
    return base, head


def install_each(
    conf: Config, repo: Repo, commits: Sequence[str]
) -> tuple[list[InstalledCommit], dict[str, CouldNotMeasureError]]:
    """Install at most two commits, each in an environment; those that are installed, and why others are not."""
    free = environments_of(conf, environment_roots())
    taken = {}
    # An environment that has a commit already keeps it.
    for commit in sorted(commits, key=lambda commit: commit not in {each.installed_commit_hash for each in free}):
        environment = next((each for each in free if each.installed_commit_hash == commit), free[0])
        free.remove(environment)
        taken[commit] = InstalledCommit(COMMIT, commit[:10], commit, environment)
    failures = {}
    for commit in commits:
        try:
            taken[commit].install(conf, repo)
        except CouldNotMeasureError as fault:
            failures[commit] = fault
    return [taken[commit] for commit in commits if commit not in failures], failures


def dependencies(base: InstalledCommit, head: InstalledCommit) -> list[str]:
    """Say which packages two commits have in other versions, tiledbsoma itself apart; a sentence or none."""
    one, other = base.packages, head.packages
    names = {name for name in (one.keys() | other.keys()) - {PACKAGE} if one.get(name) != other.get(name)}
    moved = [f"{name} {one.get(name, 'none')} -> {other.get(name, 'none')}" for name in sorted(names, key=str.lower)]
    return [f"dependencies differ: {', '.join(moved)}"] if moved else []


def built_otherwise(base: InstalledCommit, head: InstalledCommit) -> list[str]:
    """Say which libraries two commits have from other compilers, or with other flags; a sentence or none."""
    said = compilers.differences(*(compilers.built(libraries(each.environment.path)) for each in (base, head)))
    offer = "; --build both compiles commits here, alike"
    return [said + offer * any(each.build_said is None for each in (base, head))] if said else []


def compiled_here(conf: Config, name: str, commit: str) -> GivenBuild:
    """Compile a commit, though a release may have its libraries; it is measured, and kept, like a build of a user."""
    [environment] = environments_of(conf, environment_roots()[:1])
    try:
        _, wheel, _ = make(commit, environment.path, from_source=True)
    except AlbError as error:
        raise CouldNotMeasureError(f"{name} ({commit[:8]}) cannot be compiled: {error}") from error
    return replace(given.of_wheel(wheel, "--build both"), name=f"{name} compiled here", commit=commit)


def release_root(release: Release) -> Path:
    """Directory that holds a release's environment."""
    return campaign_root() / release.commit[:8]


def release_commits(conf: Config, releases: Sequence[Release]) -> list[InstalledCommit]:
    """Return releases as they are measured, their environments made or not."""
    return [
        InstalledCommit(RELEASE, release.version, release.commit, environment_at(conf, release_root(release)))
        for release in releases
    ]


def install_releases(conf: Config, repo: Repo, releases: Sequence[InstalledCommit]) -> dict[str, str]:
    """Make the environments that are missing, and install each release; return by version why one cannot be."""
    base = environment_at(conf, Path(conf.env_dir))
    base.create()

    def made(release: InstalledCommit) -> tuple[InstalledCommit, str | None]:
        try:
            release.environment.create_from(base)
            release.install(conf, repo)
        except AlbError as error:
            return release, str(error)
        # asv keeps each wheel that it installs; the suite's own cache has it already.
        shutil.rmtree(release.environment.path / "asv-build-cache", ignore_errors=True)
        return release, None

    missing = [release for release in releases if not release.installed]
    bar = {"desc": "installing", "unit": " releases", "disable": None}
    reasons = thread_map(made, missing, max_workers=_MADE_AT_ONCE, **bar)
    failures = {release.name: reason for release, reason in reasons if reason is not None}
    if len(failures) == len(releases):
        version, reason = next(iter(failures.items()))
        raise AlbError(f"none of the releases can be installed; {version}: {reason}")
    return failures


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
