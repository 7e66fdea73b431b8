"""Records as points of the figure, and what the figure must say besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from alb_core.figures.select import dataset_names
from alb_core.sweeps.records import COLUMNS, samples_per_second

GIB = 2**30

#: Formats of d3: whole numbers, seconds. None shows a value as it is.
_WHOLE, _SECONDS = ",d", ",.2f"


@dataclass(frozen=True)
class TooltipField:
    """How a column appears where the mouse is: its title, and its format in d3's language (None: as it is)."""

    title: str
    format: str | None = None


#: Columns of :func:`points`, in the order in which they are shown; the user's own follow.
SHOWN: Mapping[str, TooltipField] = {
    "samples_per_second": TooltipField("Samples/s", ",.1f"),
    "peak_gib": TooltipField("Peak memory (GiB)", ".2f"),
    "chunk_method": TooltipField("Method"),
    "block_spec": TooltipField("Block spec"),
    "block_size": TooltipField("Block size", _WHOLE),
    "chunks_per_block": TooltipField("Chunks per block", _WHOLE),
    "chunk_size": TooltipField("Chunk size", _WHOLE),
    "epoch": TooltipField("Epoch", _WHOLE),
    "batch_size": TooltipField("Batch size", _WHOLE),
    "shuffle": TooltipField("Shuffle"),
    "seed": TooltipField("Seed"),
    "max_batches": TooltipField("Max. batches", _WHOLE),
    "n_rows": TooltipField("Rows timed", _WHOLE),
    "n_batches": TooltipField("Batches", _WHOLE),
    "n_blocks": TooltipField("Blocks", _WHOLE),
    "elapsed": TooltipField("Elapsed (s)", _SECONDS),
    "first_batch": TooltipField("First batch (s)", _SECONDS),
    "first_in_rate": TooltipField("First batch in the rate"),
    "reading": TooltipField("Reading (s)", _SECONDS),
    "converting": TooltipField("Converting (s)", _SECONDS),
    "waiting": TooltipField("Waiting (s)", _SECONDS),
    "gc": TooltipField("Collecting garbage (s)", _SECONDS),
    "gc_freq": TooltipField("Batches per collection", _WHOLE),
    "tiledb_config": TooltipField("TileDB options"),
    "read_bytes": TooltipField("Bytes read", _WHOLE),
    "py_buffer_size": TooltipField("Python buffer (bytes)", _WHOLE),
    "soma_buffer_size": TooltipField("SOMA buffer (bytes)", _WHOLE),
    "dataset": TooltipField("Dataset"),
    "read_from": TooltipField("Read from"),
    "uri": TooltipField("URI"),
    "measurement": TooltipField("Measurement"),
    "layer": TooltipField("Layer"),
    "total_rows": TooltipField("Rows of the dataset", _WHOLE),
    "n_cols": TooltipField("Vars", _WHOLE),
    "start_idx": TooltipField("First dataset", _WHOLE),
    "end_idx": TooltipField("Last dataset + 1", _WHOLE),
    "sorted_datasets": TooltipField("Datasets sorted"),
    "collection_id": TooltipField("Collection"),
    "census_uri": TooltipField("Census URI"),
    "census_version": TooltipField("Census version"),
    "machine": TooltipField("Machine"),
    "hardware": TooltipField("Hardware"),
    "device": TooltipField("Device"),
    "host": TooltipField("Host"),
    "hostname": TooltipField("Host name"),
    "instance_type": TooltipField("Instance type"),
    "instance_id": TooltipField("Instance"),
    "user": TooltipField("User"),
    "start_dt": TooltipField("Started"),
    "tiledbsoma_version": TooltipField("tiledbsoma"),
    "libtiledb_version": TooltipField("libtiledb"),
    "pyarrow_version": TooltipField("pyarrow"),
    "numpy_version": TooltipField("numpy"),
    "scipy_version": TooltipField("scipy"),
    "torch_version": TooltipField("torch"),
    "python_version": TooltipField("Python"),
    "sha": TooltipField("Commit of the tool"),
}

#: Columns of the records that are drawn in another form, or say nothing of speed against memory.
NOT_SHOWN = ("max_mem", "first_batch_counted", "oom", "end_dt", "alb_start_dt", "nnz", "checksum")

#: ``first_in_rate`` of a point.
COUNTED, LEFT_OUT, NOT_SAID = "counted", "left out", "not said"

#: ``read_from`` of a point whose URI is known.
LOCAL, S3 = "local files", "S3"

#: Between the parts of a note.
APART = " · "

#: What tells configurations apart that ran out of memory.
_CONFIGURATION = ("chunk_method", "block_spec", "batch_size", "shuffle", "dataset", "machine", "hostname")


def points(table: pa.Table) -> pa.Table:
    """Points of the figure, one for each record that has a rate, a peak and settings."""
    found = _described(table)
    found = found.filter(_drawable(found))
    found = found.sort_by([("block_size", "descending"), ("epoch", "ascending"), ("start_dt", "ascending")])
    started = pc.strftime(found.column("start_dt").cast(pa.timestamp("s"), safe=False), "%Y-%m-%d %H:%M:%S")
    columns = {name: found.column(name) for name in SHOWN}
    columns["start_dt"] = started
    # JavaScript's numbers hold 53 bits.
    columns["seed"] = found.column("seed").cast(pa.string())
    columns.update(_own_columns(found))
    return pa.table({name: column for name, column in columns.items() if column.null_count < len(column)})


def out_of_memory(table: pa.Table) -> list[dict[str, str]]:
    """Configurations that ran out of memory, each once, as texts; a record of one is no point."""
    found = _described(table)
    found = found.filter(_failed(found)).select(_CONFIGURATION)
    rows = ({name: "" if value is None else str(value) for name, value in row.items()} for row in found.to_pylist())
    return [dict(row) for row in dict.fromkeys(tuple(row.items()) for row in rows)]


def notes(table: pa.Table) -> list[str]:
    """Sentences under the title: where and with what the records were measured, and what their rates leave out."""
    described = _described(table)
    drawn = described.filter(_drawable(described))
    size, limit = drawn.column("batch_size"), drawn.column("max_batches")
    batches = f"batches of {_listed(_texts(size))}" if size.null_count < len(size) else "batches of unknown size"
    if limits := [value for value in _texts(limit) if value != "0"]:
        some = "some " if pc.any(pc.equal(pc.fill_null(limit, 0), 0)).as_py() else ""
        batches += f", {some}stopped after {_listed(limits)}"
    number = f"{drawn.num_rows:,} {'record' if drawn.num_rows == 1 else 'records'}"
    where = [_listed(_texts(_machines(drawn))), _datasets(drawn), _cells(drawn), _places(drawn), batches, number]
    said = [APART.join(part for part in where if part), *_on_first(drawn)]
    if failed := out_of_memory(table):
        names = list(dict.fromkeys(f"{row['chunk_method']} {row['block_spec']}" for row in failed))
        ending = "configuration" if len(failed) == 1 else "configurations"
        said.append(f"{len(failed):,} {ending} ran out of memory: {_listed(names)}")
    _, lacking = not_drawn(table)
    if lacking:
        said.append(f"{lacking:,} {'record lacks' if lacking == 1 else 'records lack'} a rate, a peak or a setting")
    return said


def not_drawn(table: pa.Table) -> tuple[int, int]:
    """Count the records that are no points: those that ran out of memory, and those that lack something else."""
    failed = int(pc.sum(_failed(table)).as_py() or 0)
    drawable = int(pc.sum(_drawable(_described(table))).as_py() or 0)
    return failed, table.num_rows - failed - drawable


def _described(table: pa.Table) -> pa.Table:
    """Records with what is derived of them, and their dataset and chunk size filled in."""
    chunks = table.column("chunks_per_block")
    size = pc.divide(table.column("block_size"), pc.if_else(pc.greater(chunks, 0), chunks, None))
    size = pc.coalesce(table.column("chunk_size"), size)
    said = table.column("first_batch_counted")
    derived = {
        "samples_per_second": samples_per_second(table),
        "peak_gib": pc.divide(table.column("max_mem").cast(pa.float64(), safe=False), float(GIB)),
        "block_spec": pc.binary_join_element_wise(chunks.cast(pa.string()), size.cast(pa.string()), "x"),
        "read_from": pc.if_else(pc.starts_with(table.column("uri"), "s3://"), S3, LOCAL),
        "first_in_rate": pc.fill_null(pc.if_else(said, COUNTED, LEFT_OUT), NOT_SAID),
        "dataset": dataset_names(table),
        "chunk_size": size,
    }
    return pa.table({**{name: table.column(name) for name in table.column_names}, **derived})


def _drawable(described: pa.Table) -> pa.ChunkedArray:
    """Mask of the records that are points."""
    mask = pc.invert(_failed(described))
    for name in ("samples_per_second", "peak_gib", "chunks_per_block", "block_size"):
        column = described.column(name).cast(pa.float64(), safe=False)
        mask = pc.and_(mask, pc.fill_null(pc.and_(pc.is_finite(column), pc.greater(column, 0.0)), False))
    for name in ("epoch", "chunk_method"):
        mask = pc.and_(mask, pc.is_valid(described.column(name)))
    return mask


def _failed(table: pa.Table) -> pa.ChunkedArray:
    """Mask of the records that ran out of memory."""
    return pc.fill_null(table.column("oom"), False)


def _own_columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Columns that the user gave to the records, as text; nested ones have none."""
    own = {}
    for name in table.column_names:
        if name in SHOWN or name in COLUMNS or name in NOT_SHOWN:
            continue
        try:
            own[name] = table.column(name).cast(pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    return own


def _machines(drawn: pa.Table) -> pa.ChunkedArray:
    """Name of each record's computer: its machine, else its host; with what it is, where that is said."""
    name = pc.coalesce(*(drawn.column(column) for column in ("machine", "host", "hostname")))
    kind = pc.coalesce(drawn.column("instance_type"), drawn.column("hardware"))
    both = pc.binary_join_element_wise(name, pc.binary_join_element_wise(" (", kind, ")", ""), "")
    return pc.coalesce(both, name, kind)


def _datasets(drawn: pa.Table) -> str:
    """Names of the datasets, or their slices where they have no name."""
    start, end = (drawn.column(name).cast(pa.string()) for name in ("start_idx", "end_idx"))
    order = pc.if_else(pc.fill_null(drawn.column("sorted_datasets"), False), "sorted ", "")
    census = pc.binary_join_element_wise("Census ", order, start, ":", end, "")
    names = _texts(pc.coalesce(drawn.column("dataset"), census))
    return f"{'dataset' if len(names) == 1 else 'datasets'} {_listed(names)}" if names else ""


def _cells(drawn: pa.Table) -> str:
    """Say how many cells of how many an epoch read."""
    counts = drawn.select(["n_rows", "total_rows"]).group_by(["n_rows", "total_rows"]).aggregate([]).to_pylist()
    said = []
    for read, every in sorted((row["n_rows"] or 0, row["total_rows"] or 0) for row in counts):
        said.append(f"all {read:,} cells" if read >= every > 0 else f"{read:,} of {every:,} cells" if every else "")
    return _listed([text for text in said if text])


def _places(drawn: pa.Table) -> str:
    """Say from where cells were read, where records say it; marks of S3 differ only where others are there."""
    places = _texts(drawn.column("read_from"))
    return "from " + (f"{LOCAL} and {S3} (orange rims)" if len(places) > 1 else places[0]) if places else ""


def _on_first(drawn: pa.Table) -> list[str]:
    """Say whether rates leave out the first batch; marks differ only where records do (:func:`is_mixed`)."""
    counts = {row["values"]: row["counts"] for row in pc.value_counts(drawn.column("first_in_rate")).to_pylist()}
    left_out, not_said = counts.get(LEFT_OUT, 0), counts.get(NOT_SAID, 0)
    if left_out == drawn.num_rows:
        return ["Rates leave out the first batch of an epoch"]
    if not_said == drawn.num_rows:
        return ["The records do not say whether their rates leave out the first batch of an epoch"]
    of_all = f"of {drawn.num_rows:,} records"
    said = [f"Hollow: the rate leaves out the first batch of an epoch ({left_out:,} {of_all})"] if left_out else []
    if not_said:
        said.append(f"{not_said:,} {of_all} do not say whether their rates leave out the first batch")
    return said or ["Rates count the first batch of an epoch"]


def is_mixed(drawn: pa.Table) -> bool:
    """Whether some points, and not all, leave out the first batch."""
    return LEFT_OUT in (kinds := set(drawn.column("first_in_rate").to_pylist())) and len(kinds) > 1


def _texts(column: pa.ChunkedArray) -> list[str]:
    """Distinct values, in order, numbers with thousands."""
    values = sorted(value for value in pc.unique(column).to_pylist() if value is not None)
    return [f"{value:,}" if isinstance(value, int) else str(value) for value in values]


def _listed(texts: Sequence[str], most: int = 3) -> str:
    """Return the first few of some texts, and how many more there are."""
    more = len(texts) - most
    if more <= 1:
        most += max(more, 0)
        more = 0
    *front, last = texts[:most] if texts else [""]
    if more:
        return f"{', '.join([*front, last])} and {more:,} more"
    return f"{', '.join(front)} and {last}" if front else last
