"""Copies of a dataset for loaders that read no SOMA: the same cells in AnnData's formats, made once.

Each is laid out as the tools of its readers would: ``h5ad`` uncompressed, in chunks that HDF5 chooses (AnnData's
defaults); ``zarr`` in chunks of 64 rows, 64 chunks in a shard, lz4 (annbatch's defaults). Rows stay in their order:
the loaders shuffle. obs has ``soma_joinid`` and ``dataset_id``, var has ``soma_joinid``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from alb_core.base import processes
from alb_core.base.errors import AlbError
from alb_core.base.files import ensure_directory, locked, staged_directory
from alb_core.base.paths import own_place
from alb_core.datasets.manifest import Manifest, load

#: Formats, and the name of what lies in the directory of a copy.
FORMATS: Mapping[str, str] = {"h5ad": "cells.h5ad", "zarr": "cells.zarr"}


def copies(location: str, forms: Sequence[str], *, has_manifest: bool) -> dict[str, str]:
    """Return the copies of a dataset by format; those that are missing are made in a process of their own."""
    if not has_manifest:
        raise AlbError(f"reads {' or '.join(forms)}, which is copied from datasets with a manifest alone")
    found = {}
    try:
        for form in forms:
            [found[form]] = processes.iterate("alb_core.datasets.copies.copies:made", location, form)
    except ImportError as error:
        raise AlbError(f"a copy as {' and '.join(forms)} needs {error.name}, which is not installed here") from error
    return found


def made(location: str, form: str) -> Iterator[str]:
    """Make a copy, or find it (in a process of its own); yields its path."""
    yield str(ensure_copy(Path(location), load(Path(location)), form))


def ensure_copy(dataset: Path, manifest: Manifest, form: str) -> Path:
    """Return the copy of a dataset in a format; made when missing, which is said on stderr."""
    path = copy_path(manifest, form)
    directory = path.parent
    with locked(ensure_directory(directory.parent) / f".{directory.name}.lock", f"it copies {manifest.name} to {form}"):
        if not directory.exists():
            print(f"alb: copying {manifest.name} to {directory}, once", file=sys.stderr, flush=True)
            # Imported only where there is something to copy: it takes seconds.
            from alb_core.datasets.copies import write

            with staged_directory(directory) as stage:
                write.write(dataset, manifest, stage / path.name, form)
                write.verify(stage / path.name, manifest, form)
    return path


def copy_path(manifest: Manifest, form: str) -> Path:
    """Return the path of the copy of a dataset in a format, made or not."""
    if form not in FORMATS:
        raise AlbError(f"format is {form!r}, expected one of {', '.join(FORMATS)}")
    return own_place("peers") / "copies" / f"{manifest.name}-{manifest.bytes_digest[:12]}.{form}" / FORMATS[form]
