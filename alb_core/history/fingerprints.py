"""What each release's package is, from its locked source distribution; computed once and kept in the cache."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from alb_core.errors import AlbError
from alb_core.files import write_atomically
from alb_core.history.index import fetch
from alb_core.history.lock import Release
from alb_core.history.package import FINGERPRINT_VERSION, Package, of_distribution
from alb_core.paths import wheels_root


def of_releases(releases: list[Release]) -> tuple[dict[str, Package], list[str]]:
    """Return the package of each release, and the releases whose package is not known.

    Without the index, those whose source distribution or fingerprint is cached are known all the same.
    """
    root = wheels_root()
    lacking = [item for item in releases if not _kept(item).is_file() and not (root / item.sdist.name).is_file()]
    if lacking:
        print(f"alb: fetching the source distributions of {len(lacking)} releases, once", file=sys.stderr, flush=True)
    known: dict[str, Package] = {}
    unknown: list[str] = []
    fault: AlbError | None = None
    for release in releases:
        if fault is not None and release in lacking:
            unknown.append(release.version)
            continue
        try:
            known[release.version] = _of_release(release)
        except AlbError as error:
            print(f"alb: {error}", file=sys.stderr, flush=True)
            unknown.append(release.version)
            # An index that cannot be reached stands for all: asking again for each would take minutes.
            fault = error if error.__cause__ is not None else None
    return known, unknown


def _kept(release: Release) -> Path:
    return wheels_root() / "fingerprints" / f"{release.sdist.sha256}-{FINGERPRINT_VERSION}.json"


def _of_release(release: Release) -> Package:
    path = _kept(release)
    try:
        content = json.loads(path.read_text())
        return Package(content["native"], content["python"], tuple(content["requires"]), content["requires_python"])
    except (OSError, ValueError, KeyError):
        pass  # Not there, or damaged: it is made again.
    [sdist] = fetch({"tiledbsoma": [release.sdist]}, wheels_root())
    found = of_distribution(sdist)
    content = {**vars(found), "requires": list(found.requires), "python": dict(found.python)}
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())
    return found
