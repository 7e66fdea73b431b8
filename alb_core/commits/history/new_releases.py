"""New releases on the package index, as entries of the lock."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from tqdm import tqdm

from alb_core.base.errors import AlbError
from alb_core.base.files import scratch_directory
from alb_core.base.paths import suite_root
from alb_core.base.pythons import measured, pythons
from alb_core.commits.history.git import create, git
from alb_core.commits.history.index import fetch, project_files
from alb_core.commits.history.releases_lock import FLOOR, Companion, LockedFile, Release

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage


def new_releases(standing: list[Release], cache: Path) -> list[Release]:
    """Find the releases that the index has and the lock has not: stable, not yanked, from the floor on."""
    known = {release.version for release in standing}
    after = standing[-1].released if standing else ""
    files = project_files("tiledbsoma")
    sdists = [file for file in files if file.package_type == "sdist" and _is_measured(file) and not file.is_yanked]
    fresh = sorted((file for file in sdists if file.version not in known), key=_uploaded)
    stack = stack_pins()
    found = []
    for sdist in tqdm(fresh, desc="new releases", unit="release", leave=False, disable=None):
        if _uploaded(sdist) < after:
            continue  # A late patch of an old line: hashes that stand are not rewritten for it.
        wheels = locked_wheels(file for file in files if file.version == sdist.version)
        if not wheels:
            continue  # Nothing to install: a release without wheels is no release for this suite.
        [wheel] = fetch({"tiledbsoma": list(wheels[:1])}, cache)
        unmet = unmet_requirements(_requirements(wheel), stack, wheel.name)
        found.append(
            Release(
                version=str(sdist.version),
                released=_uploaded(sdist),
                sdist=_locked(sdist),
                wheels=wheels,
                companions=tuple(companion(need) for need in unmet),
                tree="",
                commit="",
            )
        )
    return with_commits(standing, found, cache)


def with_late_wheels(standing: list[Release]) -> list[Release]:
    """Return the releases of the lock with the wheels that the index has of them since, and those of companions."""
    served = {name: project_files(name) for name in {"tiledbsoma", *(c.name for r in standing for c in r.companions)}}

    def all_wheels(project: str, version: str, wheels: tuple[LockedFile, ...]) -> tuple[LockedFile, ...]:
        known = {file.name for file in wheels}
        found = locked_wheels(file for file in served[project] if file.version == version)
        return (*wheels, *(file for file in found if file.name not in known))

    return [
        replace(
            release,
            wheels=all_wheels("tiledbsoma", release.version, release.wheels),
            companions=tuple(
                replace(item, wheels=all_wheels(item.name, item.version, item.wheels)) for item in release.companions
            ),
        )
        for release in standing
    ]


def with_commits(standing: list[Release], fresh: list[Release], cache: Path) -> list[Release]:
    """Fill in the tree and commit of ``fresh``, by making the history in a temporary directory."""
    if not fresh:
        return []
    everything = [*standing, *fresh]
    sdists = fetch({"tiledbsoma": [release.sdist for release in everything]}, cache)
    with scratch_directory("releases") as stage:
        create(stage, zip(everything, sdists, strict=True))
        return [
            replace(
                release,
                commit=git(stage, "rev-parse", f"refs/tags/{release.version}"),
                tree=git(stage, "rev-parse", f"refs/tags/{release.version}^{{tree}}"),
            )
            for release in fresh
        ]


def stack_pins(path: Path | None = None) -> dict[str, Version]:
    """Return the exact versions of the common stack by canonical project name, from ``constraints.txt``."""
    lines = (path or suite_root() / "constraints.txt").read_text().splitlines()
    pins = (Requirement(line) for line in lines if line.strip() and not line.startswith("#"))
    here = {"python_version": str(measured())}
    chosen = (pin for pin in pins if pin.marker is None or pin.marker.evaluate(here))
    return {canonicalize_name(pin.name): Version(next(iter(pin.specifier)).version) for pin in chosen}


def unmet_requirements(requires: Iterable[str], stack: dict[str, Version], what: str) -> list[Requirement]:
    """Return the requirements that the stack does not meet: what a release or commit alone pins."""
    unmet = []
    for line in requires:
        try:
            need = Requirement(line)
        except InvalidRequirement as error:
            raise AlbError(f"{what} requires {line!r}, which is no requirement: {error}") from error
        # The lock serves all platforms; what one platform alone restricts (pyarrow on macOS) the stack decides.
        if need.marker is not None and not need.marker.evaluate({"extra": "", "platform_system": "Linux"}):
            continue
        name = canonicalize_name(need.name)
        if name not in stack:
            unmet.append(need)
        elif not need.specifier.contains(stack[name], prereleases=True):
            raise AlbError(f"{what} requires {need}, the stack has {name} {stack[name]}: see constraints.txt")
    return unmet


def locked_wheels(files: Iterable[DistributionPackage]) -> tuple[LockedFile, ...]:
    """Return the wheels among ``files`` that one of the Pythons of ``asv.conf.json`` takes, by name."""
    fitting = (file for file in files if file.package_type == "wheel" and _fits(file.filename))
    return tuple(_locked(file) for file in sorted(fitting, key=lambda file: file.filename))


def companion(need: Requirement) -> Companion:
    """Return the newest version on the index that satisfies a requirement and has wheels."""
    by_version: dict[Version, list[DistributionPackage]] = {}
    for file in project_files(need.name):
        version = _version(file)
        if version is not None and not file.is_yanked and need.specifier.contains(version):
            by_version.setdefault(version, []).append(file)
    for version in sorted(by_version, reverse=True):
        wheels = locked_wheels(by_version[version])
        if wheels:
            return Companion(canonicalize_name(need.name), str(version), wheels)
    raise AlbError(f"the package index has no wheel for {need} (Python {' or '.join(map(str, pythons()))})")


def _requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        metadata, _ = parse_email(archive.read(name))
    return metadata.get("requires_dist", [])


def _is_measured(file: DistributionPackage) -> bool:
    version = _version(file)
    return version is not None and not version.is_prerelease and version >= Version(FLOOR)


def _version(file: DistributionPackage) -> Version | None:
    try:
        return Version(file.version or "")
    except InvalidVersion:
        return None


def _fits(name: str) -> bool:
    return any(f"-{python.tag}-" in name for python in pythons()) or name.endswith("-py3-none-any.whl")


def _locked(file: DistributionPackage) -> LockedFile:
    return LockedFile(file.filename, file.digests["sha256"])


def _uploaded(file: DistributionPackage) -> str:
    """Return the upload time in whole seconds of UTC, as the lock writes it; sorts by date."""
    if file.upload_time is None:
        raise AlbError(f"the package index does not date {file.filename}: use one with upload times (PEP 700)")
    return file.upload_time.replace(microsecond=0).isoformat()
