"""Download a slice of a Census: read part by part, then written as every dataset is, with a manifest.

First the cells are read into parts beside the dataset (:mod:`alb_core.datasets.census.parts`), so that an interrupted
download goes on where it stopped; then the floor release writes the experiment from them. Neither step holds more
than a batch in memory.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from alb_core.base.documents import Format
from alb_core.base.errors import AlbError
from alb_core.base.files import locked
from alb_core.base.paths import data_root, datasets_root, is_own_place
from alb_core.datasets.census.cells import MAX_NNZ, cells_from
from alb_core.datasets.census.census import CENSUS_JOINID, CensusSelection, opened
from alb_core.datasets.census.parts import Parts
from alb_core.datasets.content import ExactSum, columns_checksum, table_checksum
from alb_core.datasets.manifest import MANIFEST_NAME, Manifest, quick_check, replacing, summary, write_manifest
from alb_core.datasets.obs_var_reader import merged_batches, merged_dictionary
from alb_core.datasets.retry import Retry
from alb_core.datasets.spec import KNOWN, CensusSlice, checked_name, differences
from alb_core.datasets.writer.environment import ensure_writer
from alb_core.datasets.writer.write import X_SCHEMA, write_experiment

#: A manifest, whatever is wrong with it.
_ANY_MANIFEST = Format(dict[str, Any], "manifest")


def download(
    asked: CensusSlice,
    root: Path,
    *,
    report: Callable[[str], None],
    name: str | None = None,
    force: bool = False,
    config: Mapping[str, str] | None = None,
    retry: Retry | None = None,
    max_nnz: int = MAX_NNZ,
) -> Path:
    """Download a slice of a Census; one process does it, others wait."""
    if root.exists() and not root.is_dir():
        raise AlbError(f"{root} is a file, expected the directory for the dataset")
    if name is not None or asked.end is not None:
        _require_free(_place(root, name, asked), asked, force)
    retry = retry or Retry()
    with opened(asked, config or {}, retry) as selection:
        asked = selection.asked
        path = _place(root, name, asked)
        _require_free(path, asked, force)
        ensure_writer()
        with locked(root / f".{path.name}.lock", f"downloading {path.name}"):
            _require_free(path, asked, force)
            request = {**selection.as_json(), "cells": len(selection.cells), "vars": len(selection.var)}
            parts = Parts(parts_path(path), request, replace=force)
            started = time.monotonic()
            begun = f", {parts.stop:,} of them read before" if parts.stop else ""
            report(
                f"downloading {path.name} to {path}: {len(selection.dataset_ids)} source datasets, "
                f"{len(selection.cells):,} cells{begun} x {len(selection.var):,} vars, from {selection.uri}"
            )
            try:
                _fill(parts, selection, retry, max_nnz)
                with replacing(path) as stage:
                    manifest = _write(path.name, parts, selection, stage)
            except KeyboardInterrupt:
                print(f"alb: {parts.stop:,} cells are read: the same command goes on from there", file=sys.stderr)
                raise
            parts.remove()
    left_out = len(selection.cells) - manifest.n_obs
    report(
        f"downloaded {path.name}: {manifest.n_obs:,} cells ({left_out:,} without data in these vars left out), "
        f"{summary(manifest)}, {time.monotonic() - started:.1f} s"
    )
    return path


def parts_path(path: Path) -> Path:
    """Directory of the parts of a dataset that is being downloaded."""
    return path.with_name(f".{path.name}.download")


def _place(root: Path, name: str | None, asked: CensusSlice) -> Path:
    """Where the dataset goes; a name that stands for something else is refused."""
    name = checked_name(asked.default_name() if name is None else name)
    if name in KNOWN:
        raise AlbError(f"{name} is the name of a synthetic dataset: -n gives this one another")
    if is_own_place(root / name):
        raise AlbError(f"{root / name} is the place of something else: -n gives the dataset another name, -d a place")
    if root.resolve() == data_root().resolve() and (datasets_root() / name).exists():
        raise AlbError(f"{name} is the name of a dataset in {datasets_root()}: -n gives this one another")
    return root / name


def _require_free(path: Path, asked: CensusSlice, force: bool) -> None:
    """Refuse to replace what is there, unless it is a dataset and the user asks for it."""
    if not os.path.lexists(path):
        return
    content = _ANY_MANIFEST.find(path / MANIFEST_NAME) or {}
    ours = content.get("name") == path.name and content.get("kind") in ("synthetic", "census")
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


def _fill(parts: Parts, selection: CensusSelection, retry: Retry, max_nnz: int) -> None:
    """Read the parts that are missing."""
    with _bar("reading", len(selection.cells), parts.stop) as bar:
        for cells in cells_from(selection, parts.stop, retry, max_nnz):
            parts.add(cells)
            bar.update(cells.stop - cells.start)
    if not parts.nnz:
        parts.remove()
        raise AlbError(
            f"no cell of {', '.join(selection.dataset_ids)} has data in the first {len(selection.var):,} vars "
            f"of {selection.uri}"
        )


def _write(name: str, parts: Parts, selection: CensusSelection, stage: Path) -> Manifest:
    """Write the experiment and its manifest into an empty directory."""
    x_sum = ExactSum()
    schema, dictionaries, checksum = _obs_plan(parts, selection)

    def x() -> Iterator[pa.RecordBatch]:
        with _bar("writing", parts.n_obs) as bar:
            for part in parts.parts:
                for columns in part.x():
                    x_sum.add(columns[2])
                    yield pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=X_SCHEMA)
                bar.update(part.figures.n_obs)

    writer = write_experiment(
        stage,
        (parts.n_obs, len(selection.var)),
        x(),
        lambda: pa.RecordBatchReader.from_batches(
            schema, merged_batches((part.obs() for part in parts.parts), schema, dictionaries)
        ),
        lambda: selection.var,
        layout=selection.asked.layout,
    )
    return write_manifest(
        stage,
        name=name,
        kind="census",
        spec=selection.as_json(),
        writer=writer,
        n_obs=parts.n_obs,
        n_vars=len(selection.var),
        nnz=parts.nnz,
        x_sum=x_sum.value(),
        x_checksum=parts.checksum,
        obs_checksum=checksum,
        var_checksum=table_checksum(selection.var),
    )


def _obs_plan(parts: Parts, selection: CensusSelection) -> tuple[pa.Schema, dict[str, pa.Array], str]:
    """Read obs column by column: the schema to write, the dictionaries of its columns, and its checksum."""
    fields = [pa.field(field.name, field.type) for field in selection.obs.schema]
    schema = pa.schema([*fields, pa.field(CENSUS_JOINID, pa.int64())])
    dictionaries: dict[str, pa.Array] = {}

    def values(name: str) -> Iterator[pa.ChunkedArray]:
        for part in parts.parts:
            column = part.obs([name]).column(0)
            if pa.types.is_dictionary(schema.field(name).type):
                dictionaries[name] = merged_dictionary(dictionaries.get(name), column.unique())
            yield column

    return schema, dictionaries, columns_checksum(schema, parts.n_obs, values)


def _bar(what: str, n_cells: int, done: int = 0) -> Any:
    return tqdm(total=n_cells, initial=done, desc=what, unit=" cells", unit_scale=True, disable=None, leave=False)
