"""A wheel for a commit, and its installation into a benchmark environment.

asv asks for both by its ``build_command`` and ``install_command``; :mod:`~alb_core.commits.builds.plan` decides how a
commit is built.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.utils import parse_wheel_filename

from alb_core.base import certificate
from alb_core.base.environments import CutOffError, pip
from alb_core.base.errors import AlbError
from alb_core.base.files import ensure_directory, locked, sha256_of, staged_directory, write_atomically
from alb_core.base.paths import history_root, suite_root
from alb_core.base.pythons import measured
from alb_core.commits.builds import (
    cache,
    constraints,
    local_packages,
    local_tiledb,
    native_files,
    needs,
    overlay,
    source,
)
from alb_core.commits.builds.cache import CachedBuild
from alb_core.commits.builds.plan import BuildPlan, Planner
from alb_core.commits.builds.trial_read import trial_read
from alb_core.commits.builds.wheels import companion_wheels, companions_of, own_wheel
from alb_core.commits.builds.wheels import release_wheels as release_wheels
from alb_core.commits.history import build_script, releases_lock
from alb_core.commits.history.git import git
from alb_core.commits.history.new_releases import stack_pins
from alb_core.commits.history.releases_lock import Companion, Release

#: Files of an environment: one says that the stack is installed in it, the other that pip is at work or was cut off.
_STACK_MARKER, _UNFINISHED = "alb-stack.sha256", "alb-unfinished"

#: Among the versions of an environment's packages: the TileDB in libraries that are compiled here.
TILEDB = "libtiledb"


def plan(commit: str, from_source: bool = False) -> BuildPlan:
    """Decide how a commit of the history is built."""
    with Planner(history_root(), from_source) as planner:
        return planner.plan(commit)


def make(commit: str, environment: Path, from_source: bool = False) -> tuple[BuildPlan, Path, tuple[Companion, ...]]:
    """Bring the wheel of a commit into the cache, built where it is not there yet.

    Two processes that want the same native sources wait for one another, so that one builds.
    """
    while True:
        found = plan(commit, from_source)
        if found.kind == "release" and found.release is not None:
            return found, own_wheel(found.release), found.release.companions
        if found.made is not None:
            if cache.verified(found.made):
                return found, found.made.path, found.made.companions
            continue
        lock_file = cache.place_of(found.package.native).with_name(f".native-{found.package.native[:20]}.lock")
        with locked(lock_file, f"it builds {commit[:10]}"), Planner(history_root(), from_source) as planner:
            found = planner.plan(commit)
            if found.made is None and found.kind != "release":
                _make(planner, found, environment)


def place_wheel(commit: str, directory: Path, environment: Path) -> Path:
    """Leave the wheel of a commit, and no other, in asv's build cache directory."""
    install_stack(environment)
    _, wheel, _ = make(commit, environment)
    ensure_directory(directory)
    for stale in directory.glob("*.whl"):
        stale.unlink()
    placed = Path(shutil.copy2(wheel, directory))
    cache.trim(keep=wheel.name)
    return placed


def install(commit: str, environment: Path, wheel: Path) -> None:
    """Install a commit's wheel and companions over the common stack, and leave the certificate of it.

    Nothing is asked of the index but the stack, and that once an environment.
    """
    if (environment / _UNFINISHED).exists():
        raise AlbError(f"{environment} is half installed: repeat the command, which makes it anew")
    install_stack(environment)
    build, own, beside = make(commit, environment)
    if sha256_of(wheel) != sha256_of(own):
        # asv keeps a wheel by its commit alone, and this one was built anew: with another TileDB, for one.
        print(f"alb: {wheel} is not the wheel of {commit}: taking {own}", file=sys.stderr, flush=True)
        wheel = Path(shutil.copy2(own, wheel))
    found = put(environment, wheel, beside)
    if build.made is not None and build.made.tiledb:
        found["packages"][TILEDB] = build.made.tiledb
    certificate.save(environment, {**found, "commit": commit, "kind": build.kind, "base": build.base})
    cache.trim()


def put(environment: Path, wheel: Path, beside: Sequence[Companion]) -> dict[str, Any]:
    """Install a wheel and its companions over the common stack; return a certificate that names no commit yet."""
    before = environment / certificate.CERTIFICATE
    surplus = {item.name for release in releases_lock.load() for item in release.companions}
    if before.is_file():
        held = certificate.certificate(environment)
        surplus |= {*held.get("companions", {}), *held.get("checkouts", {})}
    before.unlink(missing_ok=True)
    local, certified = local_packages.wheels(environment)
    surplus -= {*(item.name for item in beside), *certified}
    # pip takes a second to find that there is nothing to remove.
    surplus = {name for name in surplus if _holds(environment, name)}
    if surplus:
        _pip(environment, "uninstall", "--yes", *sorted(surplus))
        # Of what a checkout stood in for, the stack has a version of its own.
        pins = stack_pins(suite_root() / "constraints.txt")
        again = [f"{name}=={pins[name]}" for name in sorted(surplus & set(pins))]
        if again:
            _pip(environment, "install", "--no-deps", "--ignore-installed", *again)
    wheels = companion_wheels(beside)
    # --no-deps and --no-index: what is installed is what is locked, whatever the index offers today.
    exact = ["--no-deps", "--no-index", "--force-reinstall"]
    _pip(environment, "install", *exact, str(wheel), *map(str, wheels), *map(str, local))
    local_packages.warn(environment, certified)
    found = certificate.certify(site_packages(environment), wheel)
    found["companions"] = {item.name: item.version for item in beside}
    found["companion_wheels"] = [path.name for path in [*wheels, *local]]
    found["checkouts"] = certified
    found["packages"] = local_packages.versions(certified, found["packages"])
    return found


def has_given_tiledb(environment: Path) -> bool:
    """Whether what an environment holds is what would be built now: libraries compiled here have a TileDB in them."""
    held = certificate.find(environment) or {}
    return held.get("packages", {}).get(TILEDB) in (None, local_tiledb.identity())


def _make(planner: Planner, found: BuildPlan, environment: Path) -> None:
    """Build what a plan says and put it into the cache; the caller holds the lock of its native sources.

    An overlay that fails its trial read is remembered as unfit, so that the next plan is another one.
    """
    if not found.possible:
        raise AlbError(f"commit {found.commit} cannot be built ({found.kind}): {found.why}")
    place = cache.place_of(planner.build_key(found.package, found.release is None))
    with locked(place.with_name(f".{place.name}.lock"), f"it builds {found.commit[:10]}"):
        # What stands there is no build: its record or its wheel is gone, or of an older meaning.
        shutil.rmtree(place, ignore_errors=True)
        if found.kind == "overlay":
            _make_overlay(planner, found, environment, place)
        else:
            _make_source(planner, found, environment, place)


def _make_overlay(planner: Planner, found: BuildPlan, environment: Path, place: Path) -> None:
    if found.release is not None:
        base, version = own_wheel(found.release), found.release.version
    else:
        assert found.libraries is not None
        base, version = found.libraries.path, found.libraries.version
    beside = companions_of(found.package.requires, planner.releases, found.release, found.commit)
    try:
        with staged_directory(place) as stage:
            wheel = overlay.make(base, _content(planner, found, version), stage)
            reason = trial_read(environment / "bin" / "python", [wheel, *companion_wheels(beside)])
            if reason is not None:
                raise _UnfitError(reason)
            _record(planner, found, wheel, beside)
    except _UnfitError as error:
        print(f"alb: {found.base}'s libraries fail the trial read of {found.commit[:10]}: {error}", file=sys.stderr)
        cache.mark_unfit(found.package.key, planner.unfit_key(found.package, found.libraries), str(error))


def _make_source(planner: Planner, found: BuildPlan, environment: Path, place: Path) -> None:
    """Compile a commit, unless that is done, and try the wheel.

    What is compiled outlives a trial read that fails: what stands in the way may lie in the environment.
    """
    beside = companions_of(found.package.requires, planner.releases, None, found.commit)
    python = environment / "bin" / "python"
    compiled = place.with_name(place.name + cache.COMPILED)
    if not any(compiled.glob("*.whl")):
        _compile(planner, found, python, compiled)
    [built] = compiled.glob("*.whl")
    given = local_tiledb.given()
    if given != planner.tiledb:
        raise AlbError(
            f"what {local_tiledb.VARIABLE} names has changed while {found.commit} was built: repeat the command"
        )
    with staged_directory(place) as stage:
        shutil.copy2(compiled / source.LOG, stage)
        wheel = Path(shutil.copy2(built, stage))
        native_files.take_along(wheel, given.libraries if given is not None else {})
        reason = trial_read(python, [wheel, *companion_wheels(beside)])
        if reason is not None:
            log = compiled / source.LOG
            raise AlbError(f"the source build of {found.commit} fails its trial read: {reason}; its log is {log}")
        _record(planner, found, wheel, beside)
    shutil.rmtree(compiled)


def _compile(planner: Planner, found: BuildPlan, python: Path, compiled: Path) -> None:
    date = git(planner.repository, "show", "--no-patch", "--format=%ct", found.commit)
    recipe = source.Recipe(
        repository=planner.repository,
        commit=found.commit,
        layout=planner.layout(found.commit),
        version=overlay.version_of(_version_at(planner.releases, int(date)), found.commit),
        python=python,
        constraints=_build_constraints(planner, found.commit),
    )
    with staged_directory(compiled) as stage:
        try:
            source.build(recipe, stage)
        except source.BuildError as error:
            key = planner.build_key(found.package, True)
            log = shutil.copyfile(stage / source.LOG, cache.failed_log(key))
            if error.of_code:
                cache.mark_failed(key, needs.compiler_version(), str(error))
            raise AlbError(f"the source build of {found.commit} failed: {error}; its log is {log}") from error


def _build_constraints(planner: Planner, commit: str) -> list[str]:
    """Return what the build of a commit is held to: what there was when its branch began."""
    entry = planner.objects.find(planner.objects.root(commit), planner.layout(commit).within("pyproject.toml"))
    requires = build_script.build_requires(planner.objects.blob(entry[1]) if entry else None)
    return constraints.at(map(str, requires), constraints.began(planner.repository, commit))


class _UnfitError(Exception):
    """The libraries do not carry the package; ends the staging of an overlay."""


def _record(planner: Planner, found: BuildPlan, wheel: Path, beside: list[Companion]) -> None:
    version = str(parse_wheel_filename(wheel.name)[1])
    key, native = planner.build_key(found.package, found.release is None), planner.native_key(found.package)
    build = CachedBuild(
        commit=found.commit,
        kind=found.kind,
        package=key,
        native=native,
        base=found.base,
        version=version,
        wheel=wheel.name,
        sha256=sha256_of(wheel),
        companions=tuple(beside),
        tiledb=local_tiledb.identity() if found.release is None else "",
    )
    cache.record(build, wheel.parent)


def _content(planner: Planner, found: BuildPlan, base: str) -> overlay.WheelContent:
    """Return what a commit puts into its wheel, read from its tree."""
    objects, layout = planner.objects, planner.layout(found.commit)
    root = objects.root(found.commit)

    def text(name: str) -> bytes | None:
        entry = objects.find(root, layout.within(name))
        return objects.blob(entry[1]) if entry else None

    extras = build_script.extras(
        text("setup.py"), text("pyproject.toml"), lambda name: (text(name) or b"").decode(errors="replace")
    )
    return overlay.WheelContent(
        version=overlay.version_of(base, found.commit),
        python={path: objects.blob(blob) for path, blob in found.package.python.items()},
        requires=found.package.requires,
        requires_python=found.package.requires_python,
        extras=extras,
    )


def _version_at(releases: list[Release], when: int) -> str:
    """Return the newest release at a time (seconds since 1970): what a source build counts on from."""
    before = [item.version for item in releases if datetime.fromisoformat(item.released).timestamp() <= when]
    return before[-1] if before else "0.0.0"


def site_packages(environment: Path) -> Path:
    """Return the ``site-packages`` of an environment."""
    path = environment / "lib" / f"python{measured()}" / "site-packages"
    if not path.is_dir():
        raise AlbError(f"{environment} is no environment of Python {measured()}, which asv.conf.json measures here")
    return path


def _holds(environment: Path, project: str) -> bool:
    """Whether a project is installed in an environment, in whatever version."""
    return any(importlib.metadata.distributions(name=project, path=[str(site_packages(environment))]))


def install_stack(environment: Path) -> None:
    """Install ``constraints.txt``, all of it and nothing else, unless this environment has it.

    Once an environment, about a minute; on a terminal pip shows how far it is.
    """
    site_packages(environment)
    stack = suite_root() / "constraints.txt"
    digest = sha256_of(stack)
    marker = environment / _STACK_MARKER
    # Builds of two commits may want it at once.
    with locked(environment / ".alb-stack.lock", "it installs the stack"):
        if marker.is_file() and marker.read_text() == digest:
            return
        marker.unlink(missing_ok=True)
        print(f"alb: installing the stack of {stack.name} in {environment}, once", file=sys.stderr, flush=True)
        _pip(environment, "install", "--no-deps", "--requirement", str(stack), shown=sys.stderr.isatty())
        torch = stack_pins(stack).get("torch")
        if torch:
            # On Linux the index's own build needs libraries of CUDA, without a GPU too; one for the CPU nothing.
            again = ["install", "--constraint", str(stack), f"torch=={torch}"]
            _pip(environment, *again, shown=sys.stderr.isatty())
        write_atomically(marker, digest.encode())


def is_whole(environment: Path) -> bool:
    """Whether an environment has the stack, and nothing that was cut off."""
    return (environment / _STACK_MARKER).is_file() and not (environment / _UNFINISHED).exists()


def _pip(environment: Path, *words: str, shown: bool = False) -> None:
    # What pip leaves when it is killed, it can neither use nor remove.
    unfinished = environment / _UNFINISHED
    unfinished.touch()
    try:
        pip(environment / "bin" / "python", list(words), f"pip {words[0]} failed in {environment}", shown=shown)
    except CutOffError:
        raise
    except AlbError:
        unfinished.unlink(missing_ok=True)  # it fails with everything as it was
        raise
    unfinished.unlink(missing_ok=True)
