"""Download a slice of a Census: read part by part, then written as every dataset is, with a manifest.

First the cells are read into parts beside the dataset's place (:mod:`alb_core.datasets.census.parts`), so that an
interrupted download goes on where it stopped; then the floor release writes the experiment from them. Neither holds
more than a batch.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from alb_core.base.errors import AlbError
from alb_core.base.files import locked, staged_directory
from alb_core.base.paths import data_root, datasets_root, history_root, wheels_root
from alb_core.datasets.census.cells import MAX_NNZ, cells_from
from alb_core.datasets.census.census import CENSUS_JOINID, Chosen, opened
from alb_core.datasets.census.parts import Spool, differences
from alb_core.datasets.content import ExactSum, columns_checksum, table_checksum
from alb_core.datasets.manifest import MANIFEST_NAME, Manifest, moved_aside, quick_check, removed, seal, summary
from alb_core.datasets.obs_var_reader import same_words
from alb_core.datasets.retry import Patience
from alb_core.datasets.spec import KNOWN, CensusSlice, checked_name
from alb_core.datasets.writer.environment import ensure_writer
from alb_core.datasets.writer.write import X_SCHEMA, write_experiment

#: Rows of obs that are written at once, and become a fragment.
_OBS_ROWS = 262_144


def download(
    asked: CensusSlice,
    root: Path,
    *,
    report: Callable[[str], None],
    name: str | None = None,
    force: bool = False,
    config: Mapping[str, str] | None = None,
    patience: Patience | None = None,
    max_nnz: int = MAX_NNZ,
) -> Path:
    """Download a slice of a Census; one process does it, others wait."""
    if root.exists() and not root.is_dir():
        raise AlbError(f"{root} is a file, expected the directory for the dataset")
    if name is not None or asked.end is not None:
        _require_free(root / _checked(name or asked.default_name(), root), asked, force)
    patience = patience or Patience()
    with opened(asked, config or {}, patience) as chosen:
        asked = chosen.asked
        path = root / _checked(name or asked.default_name(), root)
        _require_free(path, asked, force)
        ensure_writer()
        with locked(root / f".{path.name}.lock", f"downloading {path.name}"):
            _require_free(path, asked, force)
            request = {**chosen.as_json(), "cells": len(chosen.cells), "vars": len(chosen.var)}
            spool = Spool(spool_path(path), request, replace=force)
            started = time.monotonic()
            begun = f", {spool.stop:,} of them read before" if spool.stop else ""
            report(
                f"downloading {path.name} to {path}: {len(chosen.dataset_ids)} source datasets, "
                f"{len(chosen.cells):,} cells{begun} x {len(chosen.var):,} vars, from {chosen.uri}"
            )
            try:
                _fill(spool, chosen, patience, max_nnz)
                with staged_directory(path) as stage:
                    manifest = _write(path.name, spool, chosen, stage)
                    replaced = moved_aside(path)
            except KeyboardInterrupt:
                print(f"alb: {spool.stop:,} cells are read: the same command goes on from there", file=sys.stderr)
                raise
            spool.remove()
            if replaced is not None:
                removed(replaced)
    left_out = len(chosen.cells) - manifest.n_obs
    report(
        f"downloaded {path.name}: {manifest.n_obs:,} cells ({left_out:,} without data in these vars left out), "
        f"{summary(manifest)}, {time.monotonic() - started:.1f} s"
    )
    return path


def spool_path(path: Path) -> Path:
    """Where the parts of a dataset lie that is being downloaded."""
    return path.with_name(f".{path.name}.download")


def _checked(name: str, root: Path) -> str:
    """Refuse a name that stands for something else."""
    checked_name(name)
    if name in KNOWN:
        raise AlbError(f"{name} is the name of a synthetic dataset: -n gives this one another")
    if root.absolute() == data_root():
        rooms = {path.name for path in (datasets_root(), history_root(), wheels_root())}
        if name in rooms | {"env", "records", "results", "writers"}:
            raise AlbError(f"{root / name} is the place of something else: -n gives the dataset another name")
        if (datasets_root() / name).exists():
            raise AlbError(f"{name} is the name of a dataset in {datasets_root()}: -n gives this one another")
    return name


def _require_free(path: Path, asked: CensusSlice, force: bool) -> None:
    """Refuse a place that is taken, unless by a dataset that is to be replaced."""
    if not os.path.lexists(path):
        return
    try:
        content = json.loads((path / MANIFEST_NAME).read_bytes())
        ours = content["name"] == path.name and content["kind"] in ("synthetic", "census")
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours or path.is_symlink():
        raise AlbError(f"{path} is there and no dataset of alb's: move it away, or give another name with -n")
    if force:
        return
    try:
        other = differences(quick_check(path).spec, {**asked.as_json(), "end": asked.end or content["spec"]["end"]})
        found = f"with {other}" if other else "with the same options"
    except (AlbError, KeyError, TypeError):
        found = "but is damaged"
    raise AlbError(f"{path} is there, {found}: -f replaces it, -n gives this one another name")


def _fill(spool: Spool, chosen: Chosen, patience: Patience, max_nnz: int) -> None:
    """Read what is missing in the spool."""
    with tqdm(
        total=len(chosen.cells),
        initial=spool.stop,
        desc="reading",
        unit=" cells",
        unit_scale=True,
        disable=None,
        leave=False,
    ) as bar:
        for cells in cells_from(chosen, spool.stop, patience, max_nnz):
            spool.add(cells)
            bar.update(cells.stop - cells.start)
    if not spool.nnz:
        spool.remove()
        raise AlbError(
            f"no cell of {', '.join(chosen.dataset_ids)} has data in the first {len(chosen.var):,} vars of {chosen.uri}"
        )


def _write(name: str, spool: Spool, chosen: Chosen, stage: Path) -> Manifest:
    """Write the experiment and its manifest into an empty directory."""
    total = ExactSum()
    schema, values, checksum = _obs_plan(spool, chosen)

    def x() -> Iterator[pa.RecordBatch]:
        with tqdm(total=spool.n_obs, desc="writing", unit=" cells", unit_scale=True, disable=None, leave=False) as bar:
            for part in spool.parts:
                for columns in part.x():
                    total.add(columns[2])
                    yield pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=X_SCHEMA)
                bar.update(part.figures.n_obs)

    writer = write_experiment(
        stage,
        (spool.n_obs, len(chosen.var)),
        x(),
        lambda: pa.RecordBatchReader.from_batches(schema, _obs_batches(spool, schema, values)),
        lambda: chosen.var,
        layout=chosen.asked.layout,
    )
    return seal(
        stage,
        name=name,
        kind="census",
        spec=chosen.as_json(),
        writer=writer,
        n_obs=spool.n_obs,
        n_vars=len(chosen.var),
        nnz=spool.nnz,
        x_sum=total.value(),
        x_checksum=spool.checksum,
        obs_checksum=checksum,
        var_checksum=table_checksum(chosen.var),
    )


def _obs_plan(spool: Spool, chosen: Chosen) -> tuple[pa.Schema, dict[str, pa.Array], str]:
    """Look through obs, column by column."""
    fields = {field.name: pa.field(field.name, field.type) for field in chosen.obs.schema}
    schema = pa.schema([*fields.values(), pa.field(CENSUS_JOINID, pa.int64())])
    words: dict[str, pa.Array] = {}

    def values(name: str) -> Iterator[pa.ChunkedArray]:
        kind = schema.field(name).type
        for part in spool.parts:
            column = part.obs([name]).column(0)
            if pa.types.is_dictionary(kind):
                known = words.get(name, pa.array([], kind.value_type))
                new = column.unique().filter(pc.invert(pc.is_in(column.unique(), known)))
                words[name] = pa.concat_arrays([known, new])
            yield column

    return schema, words, columns_checksum(schema, spool.n_obs, values)


def _obs_batches(spool: Spool, schema: pa.Schema, words: Mapping[str, pa.Array]) -> Iterator[pa.RecordBatch]:
    """Obs of all parts, many rows at a time, its dictionaries the same in each."""
    pending: list[pa.Table] = []
    for number, part in enumerate(spool.parts, 1):
        pending.append(part.obs())
        if number == len(spool.parts) or sum(map(len, pending)) >= _OBS_ROWS:
            table = pa.concat_tables(pending).combine_chunks()
            pending = []
            columns = [same_words(table.column(field.name), field, words) for field in schema]
            if len(table):
                yield pa.RecordBatch.from_arrays(columns, schema=schema)
