"""Copy a dataset, or any SOMA experiment, into a layout made for reading rows in random order.

The Census lays X out in tiles of 2,048 x 2,048, row by row inside each, and unpacks 65,536 entries at a time (a data
tile): some 470 rows of a strip of 2,048 columns. A chunk of 64 rows then unpacks seven times what it takes. The copy
has tiles as wide as X, so its entries lie row by row, and a data tile is a few whole rows.

All else is as in the Census. Column-major order, delta filters, run lengths, bit-width reduction, LZ4 and zstd's level
19 were measured, too: each reads slower, takes 40 % more bytes (LZ4), or ten times as long to write (level 19). So were
capacities of 8,192 to 65,536: 32,768 is within a fifth of the fastest for chunks of 1 to 256 rows and in order.
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
from alb_core.base.files import locked
from alb_core.base.paths import data_root, datasets_root
from alb_core.datasets.bucket import guarded
from alb_core.datasets.find import location
from alb_core.datasets.manifest import (
    RETILED,
    Manifest,
    origin,
    refusal,
    replacing,
    size_on_disk,
    summary,
    write_manifest,
)
from alb_core.datasets.obs_var_reader import TableReader
from alb_core.datasets.retile.source import MEASUREMENT, RAW, SourceExperiment, SourceLayer, opened
from alb_core.datasets.retry import Retry
from alb_core.datasets.spec import KNOWN, RowLayout, checked_name
from alb_core.datasets.verify import prove
from alb_core.datasets.writer.environment import ensure_writer
from alb_core.datasets.writer.write import Layer, write_experiment

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
    measurement: str = MEASUREMENT,
    layer: str = RAW,
    retry: Retry | None = None,
) -> Manifest:
    """Copy an experiment into a dataset for shuffled row reads; one process does it, others wait.

    The copy is read back and compared with what was read before it counts as a dataset.
    """
    layout = layout or RowLayout()
    path = datasets_root() / checked_name(name)
    uri = location(source)
    _require_another(uri, path, source)
    _require_free(name)
    manifest = guarded(uri, config or {})
    chosen = {} if (measurement, layer) == (MEASUREMENT, RAW) else {"measurement": measurement, "layer": layer}
    retry = retry or Retry()
    with ExitStack() as stack:
        _require_missing(path, replace)
        experiment = stack.enter_context(opened(uri, config or {}, measurement, layer))
        layout.require_fitting(len(experiment.obs.joinids))
        ensure_writer()
        stack.enter_context(locked(path.parent / f".{name}.lock", f"making dataset {name}"))
        # Another process may have made it in the meantime.
        _require_missing(path, replace)
        _require_room(path.parent, name, uri, experiment)
        report(f"retiling {source} to {path}: {_description(experiment, layout)}")
        if chosen:
            report(f"X/{layer} of measurement {measurement} becomes X/{RAW} of {MEASUREMENT}")
        if experiment.left_out:
            report(f"left out, since a dataset has no place for it: {', '.join(experiment.left_out)}")
        started = time.monotonic()
        with replacing(path) as stage:
            made = _write(stage, name, uri if "://" in uri else _word(uri), manifest, experiment, layout, chosen, retry)
            if manifest is not None and not chosen:
                _require_same(uri, manifest, made)
            try:
                prove(stage, made)
            except AlbError as error:
                raise AlbError(f"the copy of {source} is not what was read, and is not kept: {error}") from error
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


def _require_another(uri: str, path: Path, source: str) -> None:
    """Refuse to copy a dataset onto itself."""
    if "://" not in uri and path.exists() and Path(uri).samefile(path):
        raise AlbError(f"{source} is the dataset to be copied and the one to be made: choose another name")


def _require_room(root: Path, name: str, uri: str, experiment: SourceExperiment) -> None:
    """Refuse a copy that does not fit on the disk."""
    if "://" in uri:
        needed = sum(layer.entries for layer in experiment.layers) * _ENTRY_BYTES * _SURPLUS
    else:
        parts = [Path(part.removeprefix("file://")) for part in experiment.places]
        needed = sum(size_on_disk(part) for part in parts if part.is_dir()) * _SURPLUS
    free = shutil.disk_usage(root).free
    if needed > free:
        raise AlbError(
            f"{name} takes about {needed / 1e6:,.0f} MB, and {root} has {free / 1e6:,.0f} MB left: make room, or set "
            "ALB_DATA to a directory that has more"
        )


def _word(location: str) -> str:
    """Name or path of the source, whatever the directory that it is typed in."""
    path = Path(location)
    return path.name if path.parent in {datasets_root(), data_root()} else location


def _description(experiment: SourceExperiment, layout: RowLayout) -> str:
    """Say what is copied, and how it will lie."""
    layers = ", ".join(layer.name for layer in experiment.layers)
    pieces = "one fragment" if layout.fragments == 1 else f"{layout.fragments:,} fragments"
    return (
        f"{len(experiment.obs.joinids):,} cells x {len(experiment.var.joinids):,} vars of X/{layers}, "
        f"capacity {layout.capacity:,}, {pieces}"
    )


def _write(
    stage: Path,
    name: str,
    source: str,
    manifest: Manifest | None,
    experiment: SourceExperiment,
    layout: RowLayout,
    chosen: Mapping[str, str],
    retry: Retry,
) -> Manifest:
    """Write the experiment and its manifest into an empty directory."""
    obs_schema, obs_dictionaries, obs_checksum = experiment.obs.plan(retry)
    var_schema, var_dictionaries, var_checksum = experiment.var.plan(retry)

    def table(reader: TableReader, schema: pa.Schema, dictionaries: Mapping[str, pa.Array]) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(schema, reader.batches(schema, dictionaries))

    def batches(layer: SourceLayer) -> Iterator[pa.RecordBatch]:
        with tqdm(
            total=layer.entries, desc=f"{name} {layer.name}", unit=" nnz", unit_scale=True, disable=None, leave=False
        ) as bar:
            yield from layer.batches(retry, bar.update)

    raw, *others = experiment.layers
    writer = write_experiment(
        stage,
        (experiment.obs.length, experiment.var.length),
        batches(raw),
        lambda: table(experiment.obs, obs_schema, obs_dictionaries),
        lambda: table(experiment.var, var_schema, var_dictionaries),
        layout="rows",
        capacity=layout.capacity,
        fragments=layout.fragments,
        x_type=raw.type,
        more=[Layer(layer.name, layer.type, batches(layer)) for layer in others],
    )
    first = origin(manifest) if manifest is not None else None
    spec: dict[str, Any] = {
        "source": source,
        "origin": None if first is None else dict(zip(("name", "kind", "spec"), first, strict=True)),
        **layout.as_json(),
        **chosen,
        "layers": {layer.name: layer.totals.checksum for layer in experiment.layers},
    }
    return write_manifest(
        stage,
        name=name,
        kind=RETILED,
        spec=spec,
        writer=writer,
        n_obs=len(experiment.obs.joinids),
        n_vars=len(experiment.var.joinids),
        nnz=raw.totals.nnz,
        x_sum=raw.totals.sum,
        x_checksum=raw.totals.checksum,
        obs_checksum=obs_checksum,
        var_checksum=var_checksum,
    )


def _require_same(uri: str, manifest: Manifest, made: Manifest) -> None:
    """Refuse a source that is not what its own manifest says."""
    for field in ("nnz", "x_sum", "x_checksum", "obs_checksum", "var_checksum"):
        found, expected = getattr(made, field), getattr(manifest, field)
        if found != expected:
            reason = f"has {field} {found}, its manifest says {expected}"
            raise AlbError(f"dataset {uri} {reason}") if "://" in uri else refusal(Path(uri), reason, asdict(manifest))
