"""Resolved versions stored with each result (design rule 2).

asv writes the ``requirements`` of an environment into every results file. Those of the matrix are few; here the
certificate of the environment adds each installed package's exact version to them as the file is written. They go
into the file alone: among asv's graph parameters they would split every graph at each release.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asv.results import Results

from alb_core.base import certificate
from alb_core.base.errors import AlbError
from alb_core.base.files import ensure_directory


@contextmanager
def recorded(*environments: Path) -> Iterator[None]:
    """Within the block, every results file that asv saves carries the versions of its commit, whole or not at all."""
    save = Results.save

    def save_with_versions(self: Any, result_dir: str) -> None:
        self._requirements = {**self._requirements, **resolved(environments, self.commit_hash)}
        # asv writes a file in its place: whoever is killed meanwhile would lose what was measured before.
        results = Path(result_dir)
        ensure_directory((results / self._filename).parent)
        try:
            with tempfile.TemporaryDirectory(prefix=".results-", dir=results.parent) as stage:
                save(self, stage)
                (Path(stage) / self._filename).replace(results / self._filename)
        except OSError as error:
            raise AlbError(f"cannot write {results / self._filename}: {error.strerror}; what it held stays") from error

    Results.save = save_with_versions
    try:
        yield
    finally:
        Results.save = save


def resolved(environments: Iterable[Path], commit: str) -> dict[str, str]:
    """Return the versions installed for a commit, from the environment whose certificate names it."""
    for path in sorted(path for root in environments for path in root.glob(f"*/{certificate.CERTIFICATE}")):
        try:
            found = certificate.certificate(path.parent)
        except AlbError:
            continue
        if found["commit"] == commit:
            packages: dict[str, str] = found["packages"]
            return packages
    return {}
