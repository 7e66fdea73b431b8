"""Copies of a dataset for loaders that read no SOMA: the same cells in AnnData's formats, made once.

Each is laid out as its readers' own tools would: ``h5ad`` uncompressed, in chunks that HDF5 chooses (AnnData's
defaults); ``zarr`` in chunks of 64 rows, 64 chunks in a shard, lz4 (annbatch's defaults). Rows stay in their order:
shuffling is the loaders' part. obs has ``soma_joinid`` and ``dataset_id``, var has ``soma_joinid``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from alb_core.datasets.manifest import Manifest
from alb_core.errors import AlbError
from alb_core.files import ensure_directory, staged_directory
from alb_core.locks import locked
from alb_core.paths import data_root

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
            from alb_core.peers import copying

            with staged_directory(place) as stage:
                copying.write(dataset, manifest, stage / path.name, form)
                copying.verify(stage / path.name, manifest, form)
    return path


def copy_path(manifest: Manifest, form: str) -> Path:
    """Return where the copy of a dataset in a format lies, or would lie."""
    if form not in FORMATS:
        raise AlbError(f"format is {form!r}, expected one of {', '.join(FORMATS)}")
    place = data_root() / "peers" / "copies" / f"{manifest.name}-{manifest.bytes_digest[:12]}.{form}"
    return place / FORMATS[form]
