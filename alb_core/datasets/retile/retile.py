"""Copy a dataset, or any SOMA experiment, into a layout made for reading rows in random order.

The Census lays X out in tiles of 2,048 x 2,048, row by row inside each, and unpacks 65,536 entries at a time (a data
tile): some 470 rows of a strip of 2,048 columns. A chunk of 64 rows then unpacks seven times what it takes. The copy
has tiles as wide as X, so its entries lie row by row, and a data tile is a few whole rows.

All else is as in the Census. What else was tried, on 20 million entries of ``small`` in chunks of 64, against this
layout: column-major order inside tiles of 64 rows is 7 % smaller and reads a quarter slower; delta filters and run
lengths make X 23 % smaller at twice the time, bit-width reduction takes three times; LZ4 takes a fifth less time and
40 % more bytes; zstd's level 19 saves 4 %, reads as fast, and takes ten times as long to write. Several fragments read
no faster than one. As for the capacity, seconds of user time for 10 million entries (3,700 cells), on two busy cores,
half of the rows, one by one, in chunks of 16, 64 and 256, and in order:

========== ======= ======= ======= ======= ========
capacity   1       16      64      256     in order
========== ======= ======= ======= ======= ========
Census     0.96    0.69    0.49    0.27    0.11
8,192      0.57    0.23    0.18    0.19    0.17
16,384     0.61    0.20    0.17    0.15    0.14
32,768     0.66    0.23    0.15    0.12    0.12
65,536     0.63    0.30    0.21    0.12    0.11
========== ======= ======= ======= ======= ========
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from alb_core.base.errors import AlbError
from alb_core.base.files import locked, staged_directory
from alb_core.base.paths import data_root, datasets_root
from alb_core.datasets.find import location
from alb_core.datasets.manifest import (
    RETILED,
    X_PATH,
    Manifest,
    manifest_at,
    moved_aside,
    origin,
    refusal,
    removed,
    seal,
    size_on_disk,
    summary,
)
from alb_core.datasets.obs_var_reader import Frame
from alb_core.datasets.retile.source import Layer, Original, opened
from alb_core.datasets.retry import Patience
from alb_core.datasets.spec import KNOWN, RowLayout, checked_name
from alb_core.datasets.verify import prove
from alb_core.datasets.writer.environment import ensure_writer
from alb_core.datasets.writer.write import Layer as Written
from alb_core.datasets.writer.write import write_experiment

#: Bytes of an entry on disk, where only their number is known, and what a copy may take more than the source.
_ENTRY_BYTES = 2.2
_SURPLUS = 1.1


def retile(
    source: str,
    name: str,
    layout: RowLayout | None = None,
    *,
    report: Callable[[str], None],
    replace: bool = False,
    config: Mapping[str, str] | None = None,
    patience: Patience | None = None,
) -> Manifest:
    """Copy an experiment into a dataset for shuffled row reads; one process does it, others wait.

    The copy is read back and compared with what was read before it counts as a dataset.
    """
    layout = layout or RowLayout()
    path = datasets_root() / checked_name(name)
    place = location(source)
    _require_another(place, path, source)
    _require_free(name)
    manifest = None if "://" in place else manifest_at(Path(place))
    patience = patience or Patience()
    with ExitStack() as stack:
        _require_missing(path, replace)
        original = stack.enter_context(opened(place, config or {}))
        layout.require_fitting(len(original.obs.joinids))
        ensure_writer()
        stack.enter_context(locked(path.parent / f".{name}.lock", f"making dataset {name}"))
        # Another process may have made it in the meantime.
        _require_missing(path, replace)
        _require_room(path.parent, name, place, original)
        report(f"retiling {source} to {path}: {_wording(original, layout)}")
        if original.left_out:
            report(f"left out, since a dataset has no place for it: {', '.join(original.left_out)}")
        started = time.monotonic()
        with staged_directory(path) as stage:
            made = _write(stage, name, place if "://" in place else _word(place), manifest, original, layout, patience)
            if manifest is not None:
                _require_same(Path(place), manifest, made)
            try:
                prove(stage, made)
            except AlbError as error:
                raise AlbError(f"the copy of {source} is not what was read, and is not kept: {error}") from error
            replaced = moved_aside(path)
        if replaced is not None:
            removed(replaced)
        report(f"retiled {name}: {summary(made)}, {time.monotonic() - started:.1f} s")
        return made


def _require_free(name: str) -> None:
    """Refuse a name that stands for something else."""
    if name in KNOWN:
        raise AlbError(f"{name} is the name of a synthetic dataset: choose another name")
    if (data_root() / name).exists():
        raise AlbError(f"{name} is the name of something in {data_root()}: choose another name")


def _require_missing(path: Path, replace: bool) -> None:
    """Refuse to replace what is there, unless asked to."""
    if os.path.lexists(path) and not replace:
        raise AlbError(f"dataset {path.name} is there: choose another name, or give --replace")


def _require_another(place: str, path: Path, source: str) -> None:
    """Refuse to copy a dataset onto itself."""
    if "://" not in place and path.exists() and Path(place).samefile(path):
        raise AlbError(f"{source} is the dataset to be copied and the one to be made: choose another name")


def _require_room(root: Path, name: str, place: str, original: Original) -> None:
    """Refuse a copy that the disk has no room for."""
    if "://" in place:
        needed = sum(layer.entries for layer in original.layers) * _ENTRY_BYTES * _SURPLUS
    else:
        parts = [Path(place, "obs"), Path(place, X_PATH.parents[1], "var")]
        parts += [Path(place, X_PATH.parent, layer.name) for layer in original.layers]
        needed = sum(size_on_disk(part) for part in parts if part.is_dir()) * _SURPLUS
    free = shutil.disk_usage(root).free
    if needed > free:
        raise AlbError(
            f"{name} takes about {needed / 1e6:,.0f} MB, and {root} has {free / 1e6:,.0f} MB left: make room, or set "
            "ALB_DATA to a directory that has more"
        )


def _word(place: str) -> str:
    """What means the source on this machine, whatever the directory that it is typed in."""
    path = Path(place)
    return path.name if path.parent in {datasets_root(), data_root()} else place


def _wording(original: Original, layout: RowLayout) -> str:
    """Say what is copied, and how it will lie."""
    layers = ", ".join(layer.name for layer in original.layers)
    pieces = "one fragment" if layout.fragments == 1 else f"{layout.fragments:,} fragments"
    return (
        f"{len(original.obs.joinids):,} cells x {len(original.var.joinids):,} vars of X/{layers}, "
        f"capacity {layout.capacity:,}, {pieces}"
    )


def _write(
    stage: Path,
    name: str,
    source: str,
    manifest: Manifest | None,
    original: Original,
    layout: RowLayout,
    patience: Patience,
) -> Manifest:
    """Write the experiment and its manifest into an empty directory."""
    obs_schema, obs_words, obs_checksum = original.obs.plan(patience)
    var_schema, var_words, var_checksum = original.var.plan(patience)

    def table(frame: Frame, schema: pa.Schema, words: Mapping[str, pa.Array]) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(schema, frame.batches(schema, words))

    def batches(layer: Layer) -> Iterator[pa.RecordBatch]:
        with tqdm(
            total=layer.entries, desc=f"{name} {layer.name}", unit=" nnz", unit_scale=True, disable=None, leave=False
        ) as bar:
            yield from layer.batches(patience, bar.update)

    raw, *others = original.layers
    writer = write_experiment(
        stage,
        (original.obs.length, original.var.length),
        batches(raw),
        lambda: table(original.obs, obs_schema, obs_words),
        lambda: table(original.var, var_schema, var_words),
        layout="rows",
        capacity=layout.capacity,
        fragments=layout.fragments,
        x_type=raw.type,
        more=[Written(layer.name, layer.type, batches(layer)) for layer in others],
    )
    first = origin(manifest) if manifest is not None else None
    spec: dict[str, Any] = {
        "source": source,
        "origin": None if first is None else dict(zip(("name", "kind", "spec"), first, strict=True)),
        **layout.as_json(),
        "layers": {layer.name: layer.checksum for layer in original.layers},
    }
    return seal(
        stage,
        name=name,
        kind=RETILED,
        spec=spec,
        writer=writer,
        n_obs=len(original.obs.joinids),
        n_vars=len(original.var.joinids),
        nnz=raw.nnz,
        x_sum=raw.total,
        x_checksum=raw.checksum,
        obs_checksum=obs_checksum,
        var_checksum=var_checksum,
    )


def _require_same(path: Path, manifest: Manifest, made: Manifest) -> None:
    """Refuse a source that is not what its own manifest says."""
    for field in ("nnz", "x_sum", "x_checksum", "obs_checksum", "var_checksum"):
        found, expected = getattr(made, field), getattr(manifest, field)
        if found != expected:
            raise refusal(path, f"has {field} {found}, its manifest says {expected}", asdict(manifest))
