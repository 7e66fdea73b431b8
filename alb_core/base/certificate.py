"""Proof of what is measured: the commit behind the installed tiledbsoma (design rule 3). Standard library only.

Whoever installs a commit's wheel into a benchmark environment leaves a certificate in it: the commit, the wheel's
sha256, the sha256 of the installed package's RECORD, and every installed version. A benchmark holds the certificate
against the commit that asv is about to record, and against the files that Python would import.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import os
import sys
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from alb_core.base.documents import Format
from alb_core.base.errors import AlbError
from alb_core.base.loaded_libraries import require_inside

CERTIFICATE = "alb-build.json"
PACKAGE = "tiledbsoma"


def certify(site_packages: Path, wheel: Path) -> dict[str, Any]:
    """Return what a certificate says of what is installed in an environment; of what commit it is, the caller adds."""
    distribution = _installed([str(site_packages)])
    return {
        "version": distribution.version,
        "wheel": wheel.name,
        "wheel_sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "record_sha256": _record_sha256(distribution),
        "packages": versions(site_packages),
    }


def versions(site_packages: Path) -> dict[str, str]:
    """Return the version of each project that is installed in an environment, by name."""
    everything = importlib.metadata.distributions(path=[str(site_packages)])
    packages = {item.metadata["Name"]: item.version for item in everything}
    return dict(sorted(packages.items(), key=lambda item: item[0].lower()))


def find(environment: Path) -> dict[str, Any] | None:
    """Read an environment's certificate; None where it is missing or damaged."""
    return _FORMAT.find(environment / CERTIFICATE)


def certificate(environment: Path) -> dict[str, Any]:
    """Read an environment's certificate."""
    found = find(environment)
    if found is None:
        raise AlbError(
            f"{environment / CERTIFICATE} is missing or damaged: nothing proves which tiledbsoma is installed; {_AGAIN}"
        )
    return found


def save(environment: Path, content: dict[str, Any]) -> None:
    """Write an environment's certificate."""
    _FORMAT.write(environment / CERTIFICATE, content)


def require_commit() -> dict[str, Any]:
    """Return the certificate of this process's environment, if it is that of the commit which asv records."""
    asked, environment = os.environ.get("ASV_COMMIT"), os.environ.get("ASV_ENV_DIR")
    if not asked or not environment:
        raise AlbError("no ASV_COMMIT in the environment: benchmarks are run by asv, as in `asv run`")
    found = certificate(Path(environment))
    distribution = _installed(sys.path)
    if found["commit"] != asked:
        raise AlbError(
            f"asv asked for commit {asked}, the environment holds {PACKAGE} {distribution.version} of commit "
            f"{found['commit']}: {_AGAIN}"
        )
    if _record_sha256(distribution) != found["record_sha256"]:
        raise AlbError(
            f"asv asked for commit {asked} ({PACKAGE} {found['version']} from {found['wheel']}), the environment holds "
            f"another {PACKAGE} {distribution.version}: {_AGAIN}"
        )
    changed = _changed_files(distribution, found)
    if changed and changed[0] in found.get("outside", {}):
        raise AlbError(f"{changed[0]} changed since {found['base']} was installed: repeat the command")
    if changed:
        raise AlbError(f"{changed[0]} is not as {found['wheel']} of commit {asked} brought it: {_AGAIN}")
    require_own_libraries()
    return found


def require_own_libraries() -> None:
    """Refuse native libraries that this process has loaded from elsewhere than the installed tiledbsoma has them."""
    environment = os.environ.get("ASV_ENV_DIR")
    besides = outside(Path(environment)) if environment else ()
    require_inside(Path(str(_installed(sys.path).locate_file(""))), besides)


def outside(environment: Path) -> dict[str, list[Any]]:
    """Files outside of an environment that what is installed there is made of: sha256 and stamp of each."""
    return dict((find(environment) or {}).get("outside", {}))


def stamp(path: str) -> list[int]:
    """What shows at once that a file was written since: its size, and when it was changed (ns)."""
    found = Path(path).stat()
    return [found.st_size, found.st_mtime_ns]


_FORMAT = Format(dict[str, Any], "certificate")
_AGAIN = "remove the environment's directory (data/env) and run asv again"


def _installed(path: list[str]) -> Distribution:
    """Return the distribution of tiledbsoma that Python would import."""
    for distribution in importlib.metadata.distributions(name=PACKAGE, path=path):
        return distribution
    raise AlbError(f"no {PACKAGE} is installed in {path[-1]}: {_AGAIN}")


def _record_sha256(distribution: Distribution) -> str:
    # INSTALLER, REQUESTED, direct_url.json: what pip adds to a RECORD depends on how it was called, and is left out.
    lines = (distribution.read_text("RECORD") or "").splitlines()
    lines = sorted(line for line in lines if ".dist-info/" not in line and "__pycache__" not in line)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _changed_files(distribution: Distribution, found: dict[str, Any]) -> list[str]:
    """Python files that differ from their RECORD, and native ones of another size; or a shadowing package.

    Of a build that a user gave, files may lie outside of the environment: the certificate has a stamp of each.
    """
    imported = sys.modules.get(PACKAGE)
    home = Path(found.get("home") or str(distribution.locate_file(PACKAGE)))
    if imported is not None and imported.__file__ and Path(imported.__file__).resolve().parent != home.resolve():
        return [imported.__file__]
    outside = found.get("outside", {})
    changed = [path for path, (_, *then) in outside.items() if not Path(path).is_file() or stamp(path) != then]
    if "home" in found:
        return changed
    rows = list(csv.reader((distribution.read_text("RECORD") or "").splitlines()))
    if not any(name == f"{PACKAGE}/__init__.py" for name, *_ in rows):
        return [f"the RECORD of {home}"]
    for name, digest, size in rows:
        if not digest or ".dist-info/" in name:
            continue
        path = Path(str(distribution.locate_file(name)))
        # Native libraries (50 MB) by size alone: hashing them would cost every benchmark process a tenth of a second.
        same = path.is_file() and path.stat().st_size == int(size)
        if same and path.suffix == ".py":
            expected = digest.removeprefix("sha256=").rstrip("=")
            same = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=") == expected
        if not same:
            changed.append(str(path))
    return changed
