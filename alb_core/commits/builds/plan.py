"""How each commit is built, and why; decided by comparing git trees."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from alb_core.base.errors import AlbError
from alb_core.base.files import sha256_of
from alb_core.base.paths import suite_root
from alb_core.base.pythons import measured
from alb_core.commits.builds import cache, local_tiledb, needs, wheels
from alb_core.commits.builds.cache import CachedBuild
from alb_core.commits.builds.wheels import fitting, is_cached
from alb_core.commits.history import package as package_module
from alb_core.commits.history import releases_lock
from alb_core.commits.history.git import Objects, commit_of, git
from alb_core.commits.history.package import Layout, Package, Packages
from alb_core.commits.history.releases_lock import Release

KINDS = ("release", "same", "overlay", "source")


@dataclass(frozen=True)
class BuildPlan:
    """How a commit is built."""

    #: The commit, and what its tree holds of tiledbsoma.
    commit: str
    package: Package
    #: One of :data:`KINDS`.
    kind: str
    why: str
    #: The release whose wheel it takes (``release``), or whose libraries (``overlay``).
    release: Release | None = None
    #: The build that is used as it is (a finished one), if there is one.
    made: CachedBuild | None = None
    #: The source build whose libraries an overlay takes, if it does not take a release's.
    libraries: CachedBuild | None = None
    #: Whether nothing is known to stand in the way; ``why`` names what does.
    possible: bool = True

    @property
    def base(self) -> str:
        """What the native libraries come from: a release's version, or a source build."""
        if self.release is not None:
            return self.release.version
        held = self.made or self.libraries
        return held.base if held is not None else f"{cache.SOURCE_BUILD}{self.commit}"


class Planner:
    """Decides how commits of a repository are built; a context manager, because it reads the repository.

    ``from_source`` takes libraries of no release: what it plans is compiled here, or stands over what is.
    """

    def __init__(self, repository: Path, from_source: bool = False) -> None:
        self.repository = repository
        self.objects = Objects(repository)
        self.packages = Packages(self.objects)
        self.releases = releases_lock.load()
        known, self.unknown = package_module.of_releases(self.releases)
        usable = [item for item in self.releases if item.version in known and fitting(item.wheels) is not None]
        self._fitting = [(item, known[item.version]) for item in usable]
        self._foreign = {version: known[version] for version in known.keys() - {item.version for item in usable}}
        self._asked: dict[tuple[str, ...], tuple[str, str]] = {}
        self._made = cache.cached_builds()
        self._released = {known.native for _, known in self._fitting}
        self._from_source = from_source
        if from_source:
            self._fitting, self._made = [], [made for made in self._made if made.compiled]
        #: What source builds are linked with; None where their build scripts download it.
        self.tiledb = local_tiledb.given()
        # What a range brings, as its plans are carried out one after another.
        self._first: dict[str, str] = {}
        self._compiled: dict[str, str] = {}
        self._stack = sha256_of(suite_root() / "constraints.txt")

    def __enter__(self) -> Planner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.objects.__exit__(kind, error, trace)

    def plan_all(self, commits: Sequence[str]) -> list[BuildPlan]:
        """Return the plans of commits that are built one after another, oldest first."""
        shown = tqdm(commits, desc="plans", unit="commit", leave=False, disable=None)
        plans = []
        for commit in shown:
            plan = self.plan(commit)
            self._first.setdefault(plan.package.key, commit)
            if plan.kind == "source":
                self._compiled.setdefault(self.native_key(plan.package), commit)
            plans.append(plan)
        return plans

    def plan(self, commit: str) -> BuildPlan:
        """Return the plan of one commit."""
        package = self.packages.of(commit)
        for release, known in self._fitting:
            if known.key == package.key:
                return self._of_release(commit, package, release)
        for made in self._made:
            if made.package == self.build_key(package, made.compiled) and not self._unasked(package, made):
                return _again(commit, package, made)
        if package.key in self._first:
            why = f"its package equals that of {self._first[package.key][:10]}, which comes before it here"
            return BuildPlan(commit, package, "same", why)
        return self._overlay(commit, package) or self._source(commit, package)

    def native_key(self, package: Package) -> str:
        """Key of a source build's libraries: native sources, Python, and the TileDB that they are linked with."""
        text = "\n".join([package.native, measured().tag, *([self.tiledb.digest] if self.tiledb else [])])
        return hashlib.sha256(text.encode()).hexdigest()

    def build_key(self, package: Package, compiled: bool) -> str:
        """Key under which a build is kept; a TileDB of this machine is part of libraries that are compiled here.

        Libraries that are compiled though a release has them stand beside an overlay over that release's.
        """
        if not compiled or (self.tiledb is None and package.native not in self._released):
            return package.key
        return hashlib.sha256(f"{package.key} {self.native_key(package)}".encode()).hexdigest()

    def _unasked(self, package: Package, made: CachedBuild) -> bool:
        """Whether a build was compiled for ``from_source`` alone: a release has libraries that carry the package."""
        carried = package.native in self._released and self.unfit(package) is None
        return made.compiled and carried and not self._from_source

    def unfit(self, package: Package, libraries: CachedBuild | None = None) -> str | None:
        """Return why libraries do not carry a package, where a trial read found that out.

        Releases with the same native sources have the same symbols: what one of them lacks, all do.
        """
        return cache.unfit(package.key, self.unfit_key(package, libraries))

    def unfit_key(self, package: Package, libraries: CachedBuild | None = None) -> str:
        """Key of libraries under the stack: another stack, or Python, is another try."""
        held = libraries.sha256 if libraries is not None else package.native
        return hashlib.sha256(f"{held} {measured().tag} {self._stack}".encode()).hexdigest()

    def layout(self, commit: str) -> Layout:
        """Return where a commit's tree keeps the package."""
        return self.packages.layout(commit)

    def _of_release(self, commit: str, package: Package, release: Release) -> BuildPlan:
        where = "cached" if is_cached(release) else "to be fetched"
        return BuildPlan(
            commit, package, "release", f"its package is that of {release.version}; wheel {where}", release
        )

    def _overlay(self, commit: str, package: Package) -> BuildPlan | None:
        said, contradiction = self._requirements(package)
        said, possible = said + contradiction, contradiction == ""
        near = [
            (_distance(package, known), -number, release)
            for number, (release, known) in enumerate(self._fitting)
            if known.native == package.native
        ]
        if near and self.unfit(package) is None:
            distance, _, release = min(near, key=lambda item: item[:2])
            where = "" if is_cached(release) else ", wheel to be fetched"
            why = f"its native sources are those of {release.version}{where}; Python files that differ: {distance}"
            return BuildPlan(commit, package, "overlay", why + said, release, possible=possible)
        key = self.native_key(package)
        for made in self._made:
            fits = made.kind == "source" and made.native == key
            if fits and self.unfit(package, made) is None:
                why = f"its native sources are those of the {made.base}{said}"
                return BuildPlan(commit, package, "overlay", why, libraries=made, possible=possible)
        if key in self._compiled:
            why = f"its native sources are those of {self._compiled[key][:10]}, which is compiled before it here{said}"
            return BuildPlan(commit, package, "overlay", why, possible=possible)
        return None

    def _source(self, commit: str, package: Package) -> BuildPlan:
        near = [item for item in self._fitting if item[1].native == package.native]
        tried = [
            f"{release.version}'s libraries fail its trial read ({reason})"
            for release, known in near[:1]
            if (reason := self.unfit(package))
        ]
        tried += [
            f"{version} has its native sources and no wheel for this platform"
            for version in self._foreign
            if self._foreign[version].native == package.native
        ]
        why = "; ".join(tried) or (
            "--build both takes no release's libraries" if self._from_source else "its native sources are no release's"
        )
        if self.unknown:
            why += f" (not compared with {', '.join(self.unknown)}: neither cached nor to be had)"
        said, contradiction = self._requirements(package)
        key = self.build_key(package, True)
        failure = cache.failure(key, needs.compiler_version())
        if failure is not None:
            why = f"it does not compile: {failure}; to try it again, remove its log, {cache.failed_log(key)}"
            return BuildPlan(commit, package, "source", why, possible=False)
        found = needs.needs(self.objects, commit, self.layout(commit))
        possible = contradiction == "" and all(need.here for need in found)
        why = f"{why}; needs {needs.describe(found)}{said}{contradiction}"
        return BuildPlan(commit, package, "source", why, possible=possible)

    def _requirements(self, package: Package) -> tuple[str, str]:
        """Return what to say of a commit's own requirements, and what of them stands in the way."""
        if package.requires not in self._asked:
            try:
                asked = wheels.unlocked_requirements(package.requires, self.releases, "its package")
                said = f"; {', '.join(asked)} of no release, asked of the index" if asked else ""
                self._asked[package.requires] = said, ""
            except AlbError as error:
                self._asked[package.requires] = "", f"; {error}"
        return self._asked[package.requires]


def commits_of(repository: Path, words: str) -> list[str]:
    """Return the commits of a range, oldest first; a single name is that commit alone."""
    if not words.strip() or any(word.startswith("-") for word in words.split()):
        raise AlbError(f"{words!r} is no range of commits, expected such as main~20..main, or one commit")
    if not (".." in words or " " in words or words.startswith("^") or words.endswith(("^!", "^@"))):
        return [commit_of(repository, words)]
    try:
        return git(repository, "rev-list", "--first-parent", "--reverse", *words.split(), "--").split()
    except AlbError as error:
        raise AlbError(f"{error}; expected a range such as main~20..main, or one commit") from error


def changing(packages: Packages, repository: Path, commits: Sequence[str]) -> list[str]:
    """Return those commits whose package is another than that of their first parent.

    A commit without a parent counts, and so does one whose parent is cut off by a shallow clone or has no package.
    """
    listed = "".join(f"{commit}\n" for commit in commits).encode()
    lines = git(repository, "rev-list", "--no-walk=unsorted", "--parents", "--stdin", stdin=listed).splitlines()
    parents = {commit: rest[0] if rest else None for commit, *rest in map(str.split, lines)}
    found = []
    for commit in commits:
        package, before = _package_or_none(packages, commit), _package_or_none(packages, parents[commit])
        if package is not None and (before is None or before.key != package.key):
            found.append(commit)
    return found


def _package_or_none(packages: Packages, commit: str | None) -> Package | None:
    try:
        return packages.of(commit) if commit is not None else None
    except AlbError:
        return None


def _again(commit: str, package: Package, made: CachedBuild) -> BuildPlan:
    if made.commit == commit:
        return BuildPlan(commit, package, made.kind, f"built before, over {made.base}; wheel cached", made=made)
    return BuildPlan(commit, package, "same", f"its package equals that of {made.commit[:10]}; wheel cached", made=made)


def _distance(one: Package, other: Package) -> int:
    """Number of Python files that differ between two packages."""
    changed = set(one.python.items()) ^ set(other.python.items())
    return len({path for path, _ in changed})
