"""Copies of a dataset for loaders that read no SOMA: the same cells in AnnData's formats, made once.

Each is laid out as its readers' own tools would: ``h5ad`` uncompressed, in chunks that HDF5 chooses (AnnData's
defaults); ``zarr`` in chunks of 64 rows, 64 chunks in a shard, lz4 (annbatch's defaults). Rows stay in their order:
shuffling is the loaders' part. obs has ``soma_joinid`` and ``dataset_id``, var has ``soma_joinid``.

Copies of a dataset for the loaders that read no SOMA, made in a process of its own (:mod:`alb_core.base.processes`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from alb_core.base import processes
from alb_core.base.errors import AlbError
from alb_core.base.files import ensure_directory, locked, staged_directory
from alb_core.base.paths import data_root
from alb_core.datasets.manifest import Manifest, load


def copies(location: str, forms: Sequence[str], *, has_manifest: bool) -> dict[str, str]:
    """Return the copies of a dataset by format; those that are missing are made."""
    if not has_manifest:
        raise AlbError(f"reads {' or '.join(forms)}, which is copied from datasets with a manifest alone")
    found = {}
    try:
        for form in forms:
            [found[form]] = processes.run("alb_core.datasets.copies.copies:made", location, form)
    except ImportError as error:
        raise AlbError(f"a copy as {' and '.join(forms)} needs {error.name}, which is not installed here") from error
    return found


def made(location: str, form: str) -> Iterator[str]:
    """Make a copy, or find it (in a process of its own); yields its path."""
    pass

    yield str(ensure_copy(Path(location), load(Path(location)), form))


#: Formats, and the name of what lies in the directory of a copy.
FORMATS: Mapping[str, str] = {"h5ad": "cells.h5ad", "zarr": "cells.zarr"}


def ensure_copy(dataset: Path, manifest: Manifest, form: str) -> Path:
    """Return the copy of a dataset in a format; made when missing, which is said on stderr."""
    path = copy_path(manifest, form)
    place = path.parent
    with locked(ensure_directory(place.parent) / f".{place.name}.lock", f"it copies {manifest.name} to {form}"):
        if not place.exists():
            print(f"alb: copying {manifest.name} to {place}, once", file=sys.stderr, flush=True)
            # Imports what reads and writes, seconds' worth, where there is something to do alone.
            from alb_core.datasets.copies import write

            with staged_directory(place) as stage:
                write.write(dataset, manifest, stage / path.name, form)
                write.verify(stage / path.name, manifest, form)
    return path


def copy_path(manifest: Manifest, form: str) -> Path:
    """Return where the copy of a dataset in a format lies, or would lie."""
    if form not in FORMATS:
        raise AlbError(f"format is {form!r}, expected one of {', '.join(FORMATS)}")
    place = data_root() / "peers" / "copies" / f"{manifest.name}-{manifest.bytes_digest[:12]}.{form}"
    return place / FORMATS[form]
