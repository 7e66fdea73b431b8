"""A dataset takes its place: measured, with its manifest, and instead of the one that it replaces."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alb_core.datasets.manifest import (
    MANIFEST_NAME,
    MANIFEST_VERSION,
    Manifest,
    bytes_digest,
    fingerprint,
    size_on_disk,
)
from alb_core.errors import AlbError
from alb_core.files import write_atomically

#: Where X lies in an experiment.
X_PATH = Path("ms", "RNA", "X", "raw")


def seal(stage: Path, *, name: str, kind: str, spec: Mapping[str, Any], **figures: Any) -> Manifest:
    """Measure the files of an experiment that has been written, and add its manifest to them."""
    files, digest = fingerprint(stage)
    manifest = Manifest(
        manifest_version=MANIFEST_VERSION,
        name=name,
        kind=kind,
        spec=spec,
        x_bytes=size_on_disk(stage / X_PATH),
        files=files,
        files_digest=digest,
        bytes_digest=bytes_digest(stage),
        **figures,
    )
    write_atomically(stage / MANIFEST_NAME, manifest.as_bytes())
    return manifest


def moved_aside(path: Path) -> Path | None:
    """Make room for the new dataset; what was there gets a name that the next maker clears away."""
    if not os.path.lexists(path):
        return None
    if not path.is_dir() or path.is_symlink():
        raise AlbError(f"{path} is not the directory of a dataset: move it away")
    aside = path.with_name(f".{path.name}.partial-replaced-{os.getpid()}")
    path.replace(aside)
    return aside


def removed(path: Path) -> None:
    """Remove a dataset that was replaced."""
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise AlbError(f"the new dataset is ready, but the old one at {path} stays: {error.strerror}") from error


def summary(manifest: Manifest) -> str:
    """Size and density in words."""
    return (
        f"{manifest.nnz:,} non-zeros, {manifest.nnz / manifest.n_obs:,.0f} per cell, "
        f"X {manifest.x_bytes / 1e6:,.1f} MB, {manifest.x_bytes / manifest.nnz:.2f} bytes per non-zero"
    )
