"""Local checkouts of packages around tiledbsoma, put into the benchmark environment as they stand.

Who works on cellxgene-census or TileDB-SOMA-ML names a checkout by an environment variable. What its files hold now,
committed or not, becomes a wheel; its version says which commit that was, and whether it was more than the commit.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alb_core.base import certificate
from alb_core.base.environments import pip
from alb_core.base.errors import AlbError
from alb_core.base.files import locked, scratch_directory, staged_directory
from alb_core.base.paths import wheels_root
from alb_core.base.processes import run
from alb_core.commits.builds.cache import mark_used
from alb_core.commits.history.git import STATUS, git


@dataclass(frozen=True)
class LocalProject:
    """A package that can be under work: its name, variable, module, and where it may lie in its repository."""

    name: str
    variable: str
    module: str
    homes: tuple[str, ...]


PROJECTS = (
    LocalProject("cellxgene-census", "ALB_CELLXGENE_CENSUS", "cellxgene_census", ("api/python/cellxgene_census", ".")),
    LocalProject("tiledbsoma-ml", "ALB_TILEDBSOMA_ML", "tiledbsoma_ml", (".",)),
)


@dataclass(frozen=True)
class Checkout:
    """A checkout as it stands: the project's name, the version that says which, and a digest of its files."""

    name: str
    version: str
    digest: str


def named_checkouts() -> dict[LocalProject, Path]:
    """Return the packages' directories that the environment names."""
    found = {}
    for project in PROJECTS:
        text = os.environ.get(project.variable)
        if text:
            found[project] = _home(project, Path(text).absolute())
    return found


def describe(project: LocalProject, home: Path) -> Checkout:
    """Describe a checkout as it stands now."""
    digest = hashlib.sha256()
    for name in _files(home):
        digest.update(f"{name}\0".encode() + (home / name).read_bytes() + b"\0")
    commit = git(home, "rev-parse", "HEAD")
    try:
        tag = re.search(r"\d+(\.\d+)+", git(home, "describe", "--tags", "--abbrev=0"))
    except AlbError:
        tag = None
    version = f"{tag[0] if tag else '0'}+g{commit[:10]}"
    if git(home, "--no-optional-locks", "status", *STATUS, "--", "."):
        version += f".dirty.d{digest.hexdigest()[:8]}"
    return Checkout(project.name, version, digest.hexdigest())


def wheels(environment: Path) -> tuple[list[Path], dict[str, dict[str, Any]]]:
    """Return the wheels of the checkouts that the environment names, built where they are not cached."""
    paths, certified = [], {}
    for project, home in named_checkouts().items():
        found = describe(project, home)
        paths.append(_wheel(project, home, found, environment))
        certified[project.name] = asdict(found)
    return paths, certified


def refresh(environment: Path) -> None:
    """Have asv install again where the checkouts are not those that an environment holds.

    asv installs a commit once; the commit may be the same and a checkout beside it another.
    """
    wanted = {project.name: asdict(describe(project, home)) for project, home in named_checkouts().items()}
    if not (environment / certificate.CERTIFICATE).is_file():
        return
    if certificate.certificate(environment).get("checkouts", {}) != wanted:
        (environment / "asv-install-status.json").unlink(missing_ok=True)


def versions(certified: dict[str, dict[str, Any]], installed: dict[str, str]) -> dict[str, str]:
    """Return what is recorded with each result."""
    absent = {project.name: "n/a" for project in PROJECTS}
    used_here = {name: checkout["version"] for name, checkout in certified.items()}
    return {**absent, **installed, **used_here}


def warn(environment: Path, certified: dict[str, dict[str, Any]]) -> None:
    """Say which checkouts cannot be imported under the stack: what needs them will be n/a."""
    for project in PROJECTS:
        if project.name in certified:
            done = run([environment / "bin" / "python", "-I", "-c", f"import {project.module}"])
            if done.status:
                said = f"{project.name} does not import under the stack: {done.reason}"
                print(f"alb: {said}", file=sys.stderr, flush=True)


def _home(project: LocalProject, path: Path) -> Path:
    for home in project.homes:
        script = path / home / "pyproject.toml"
        try:
            name = tomllib.loads(script.read_text()).get("project", {}).get("name")
        except (OSError, ValueError):
            continue
        if name == project.name:
            try:
                git(script.parent, "rev-parse", "--verify", "HEAD")
            except AlbError as error:
                raise AlbError(f"{project.variable}={path} is no git checkout with a commit ({error})") from error
            return script.parent
    raise AlbError(f"{project.variable}={path} is no checkout of {project.name}: no pyproject.toml there has that name")


def _files(home: Path) -> list[str]:
    """Files of a package that git tracks or does not ignore, by path."""
    listed = git(home, "ls-files", "--cached", "--others", "--exclude-standard", "-z", strip=False)
    return sorted(name for name in set(listed.split("\0")) if name and (home / name).is_file())


def _wheel(project: LocalProject, home: Path, found: Checkout, environment: Path) -> Path:
    place = wheels_root() / "checkouts" / f"{project.module}-{found.digest[:20]}-{found.version.partition('+')[2]}"
    with locked(place.with_name(f".{place.name}.lock"), f"it builds {project.name}"):
        if not place.is_dir():
            with staged_directory(place) as stage:
                _build(project, home, found, environment, stage)
        mark_used(place)
        [wheel] = place.glob("*.whl")
        return wheel


def _build(project: LocalProject, home: Path, found: Checkout, environment: Path, stage: Path) -> None:
    """Build from a copy: a build in place would leave its traces in the user's checkout."""
    with scratch_directory("checkout") as copy:
        for file in _files(home):
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(home / file, copy / file)
        # Both take their version from git, which the copy is outside of.
        variables = {**os.environ, "SETUPTOOLS_SCM_PRETEND_VERSION": found.version}
        variables.pop("PYTHONPATH", None)
        words = ["wheel", "--no-deps", "--wheel-dir", str(stage), str(copy)]
        pip(environment / "bin" / "python", words, f"cannot build {project.name} of {home}", env=variables)
