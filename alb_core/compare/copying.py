"""Copies of a dataset for the loaders that read no SOMA, made in a process of its own (:mod:`alb_core.isolated`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from alb_core import isolated
from alb_core.datasets.manifest import load
from alb_core.errors import AlbError


def copies(location: str, forms: Sequence[str], *, has_manifest: bool) -> dict[str, str]:
    """Return the copies of a dataset by format; those that are missing are made."""
    if not has_manifest:
        raise AlbError(f"reads {' or '.join(forms)}, which is copied from datasets with a manifest alone")
    found = {}
    try:
        for form in forms:
            [found[form]] = isolated.run("alb_core.compare.copying:made", location, form)
    except ImportError as error:
        raise AlbError(f"a copy as {' and '.join(forms)} needs {error.name}, which is not installed here") from error
    return found


def made(location: str, form: str) -> Iterator[str]:
    """Make a copy, or find it (in a process of its own); yields its path."""
    from alb_core.peers.copies import ensure_copy

    yield str(ensure_copy(Path(location), load(Path(location)), form))
