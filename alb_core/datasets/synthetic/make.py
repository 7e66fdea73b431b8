"""Make synthetic datasets: once, completely, and the same on every machine."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from packaging.version import Version
from tqdm import tqdm

from alb_core.base.checksum import combined, coo_checksum
from alb_core.base.errors import AlbError
from alb_core.base.files import locked
from alb_core.base.paths import datasets_root
from alb_core.base.pythons import measured
from alb_core.datasets.content import table_checksum
from alb_core.datasets.guard import guard
from alb_core.datasets.manifest import Manifest, quick_check, refusal, replacing, summary, write_manifest
from alb_core.datasets.spec import KNOWN, Spec, checked_name, differences, resolved
from alb_core.datasets.synthetic.cells import Population
from alb_core.datasets.synthetic.obs_var import RunningCounts, obs_table, var_table
from alb_core.datasets.writer.environment import ensure_writer, writing_release
from alb_core.datasets.writer.write import X_SCHEMA, write_experiment


def ensure(name: str) -> Path:
    """Directory of a dataset, made when missing if its name is known; says on stderr what it does."""
    path = datasets_root() / checked_name(name)
    if not path.exists():
        make(name, resolved(name), report=lambda line: print(f"alb: {line}", file=sys.stderr, flush=True))
    _require_readable(path, guard(path))
    return path


def make(name: str, spec: Spec, *, replace: bool = False, report: Callable[[str], None]) -> Manifest:
    """Make a dataset under the data directory, or find it made; one process makes it, others wait and use it."""
    path = datasets_root() / checked_name(name)
    if name in KNOWN and KNOWN[name] != spec:
        other = differences(KNOWN[name].as_json(), spec.as_json())
        raise AlbError(f"{name} has {other}: choose a name of your own for other options")
    with locked(path.parent / f".{name}.lock", f"making dataset {name}"):
        if os.path.lexists(path) and not replace:
            manifest = _existing(path, spec)
            report(f"{name} is ready: {summary(manifest)}")
            return manifest
        # Before the clock starts: it says a line of its own, and takes longer than a small dataset.
        ensure_writer()
        report(f"making {name} in {path}: {spec.cells:,} cells x {spec.vars:,} vars, {_description(spec)}")
        started = time.monotonic()
        with replacing(path) as stage:
            manifest = _write(name, spec, stage)
        report(f"made {name}: {summary(manifest)}, {time.monotonic() - started:.1f} s")
        return manifest


def _existing(path: Path, spec: Spec) -> Manifest:
    """Return the manifest of the dataset that is there, if its files are complete and it is what was asked for."""
    if not path.is_dir():
        raise AlbError(f"{path} is a file, expected the directory of a dataset: move it away")
    manifest = quick_check(path)
    if manifest.kind != "synthetic" or manifest.spec != spec.as_json():
        try:
            found = differences(Spec.from_json(manifest.spec).as_json(), spec.as_json())
        except AlbError:
            found = f"kind {manifest.kind}"
        raise AlbError(f"dataset {path.name} is there and has {found}: choose another name, or give --replace")
    return manifest


def _require_readable(path: Path, manifest: Manifest) -> None:
    """Refuse a dataset that was written by a newer release than the oldest one of the measured Python."""
    oldest, wrote = writing_release().version, manifest.writer.get("tiledbsoma", "0")
    if Version(wrote) > Version(oldest):
        raise refusal(path, f"was written by tiledbsoma {wrote}, and Python {measured()} measures from {oldest} on")


def _write(name: str, spec: Spec, stage: Path) -> Manifest:
    """Write the experiment and its manifest into an empty directory."""
    population = Population(spec)
    counts = RunningCounts(spec.cells, spec.vars)
    checksums: list[int] = []
    table_checksums: dict[str, str] = {}

    def x() -> Iterator[pa.RecordBatch]:
        with tqdm(total=spec.cells, desc=name, unit=" cells", unit_scale=True, disable=None, leave=False) as progress:
            for batch in population.batches():
                counts.add(batch.rows, batch.columns, batch.values)
                checksums.append(coo_checksum(batch.rows, batch.columns, batch.values))
                columns = [pa.array(column) for column in (batch.rows, batch.columns, batch.values)]
                yield pa.RecordBatch.from_arrays(columns, schema=X_SCHEMA)
                progress.update(batch.stop - batch.start)

    def obs() -> pa.Table:
        table = obs_table(population, counts)
        table_checksums["obs"] = table_checksum(table)
        return table

    def var() -> pa.Table:
        table = var_table(population, counts)
        table_checksums["var"] = table_checksum(table)
        return table

    shape = (spec.cells, spec.vars)
    writer = write_experiment(stage, shape, x(), obs, var, layout=spec.layout, fragments=spec.fragments)
    return write_manifest(
        stage,
        name=name,
        kind="synthetic",
        spec=spec.as_json(),
        writer=writer,
        n_obs=spec.cells,
        n_vars=spec.vars,
        nnz=int(counts.nnz.sum()),
        x_sum=int(counts.sums.sum()),
        x_checksum=f"{combined(*checksums):016x}",
        obs_checksum=table_checksums["obs"],
        var_checksum=table_checksums["var"],
    )


def _description(spec: Spec) -> str:
    """Say what else a specification asks for."""
    pieces = "one fragment" if spec.fragments == 1 else f"{spec.fragments:,} fragments"
    return f"profile {spec.profile}, layout {spec.layout}, {pieces}, seed {spec.seed}"
