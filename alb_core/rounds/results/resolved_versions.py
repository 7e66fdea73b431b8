"""Resolved versions stored with each result (design rule 2).

asv writes the ``requirements`` of an environment into every results file. Those of the matrix are few; the certificate
of the environment adds the exact version of each installed package as the file is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from alb_core.base import certificate
from alb_core.base.errors import AlbError
from alb_core.commits.builds import local_tiledb
from alb_core.commits.builds.install import TILEDB


def of_another_build(results: Path) -> bool:
    """Whether a results file holds what a commit gave that was compiled with another TileDB than it would be now."""
    try:
        versions = json.loads(results.read_bytes())["requirements"]
        held: str = versions.get(TILEDB, "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return other_tiledb(held)


def other_tiledb(held: str) -> bool:
    """Whether a commit was compiled with another TileDB than it would be now; empty where it was not compiled here."""
    return held not in ("", local_tiledb.identity())


def resolved(environments: Iterable[Path], commit: str) -> dict[str, str]:
    """Return the versions installed for a commit, by the certificates in directories below ``environments``."""
    for path in sorted(path for root in environments for path in root.glob(f"*/{certificate.CERTIFICATE}")):
        try:
            found = certificate.certificate(path.parent)
        except AlbError:
            continue
        if found["commit"] == commit:
            packages: dict[str, str] = found["packages"]
            return packages
    return {}
