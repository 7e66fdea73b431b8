"""Which records of a table are meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from alb_core.base.errors import AlbError

#: Indices fit an int64.
_SLICE = re.compile(r"(s?)(\d{0,18}):(\d{1,18})", re.ASCII)
#: What was meant as a slice; a name may hold colons, too.
_LIKE_SLICE = re.compile(r"s?[-\d]*:[-\d]*", re.ASCII)


@dataclass(frozen=True)
class DatasetSlice:
    """Datasets ``start`` to ``end`` (exclusive) of a collection, as they come or sorted by their cells."""

    start: int
    end: int
    in_order: bool

    def __str__(self) -> str:
        """As typed: ``s2:7``."""
        return f"{'s' if self.in_order else ''}{self.start}:{self.end}"


@dataclass(frozen=True)
class Filters:
    """What a record must be to be kept; None keeps any."""

    #: Slice (:func:`parse_dataset`), or name: the record's dataset, its URI or the last part of that.
    dataset: DatasetSlice | str | None = None
    #: Pattern found in host or hostname.
    host: re.Pattern[str] | None = None
    #: As the record has them.
    instance_type: str | None = None
    #: Limit of an epoch; 0 for none.
    max_batches: int | None = None
    #: Earliest start, local time as in the records.
    since: datetime | None = None
    #: Read from S3, or not.
    s3: bool | None = None
    machine: str | None = None


def parse_dataset(text: str) -> DatasetSlice | str:
    """Slice or name that a text means."""
    found = _SLICE.fullmatch(text)
    if found:
        start, end = int(found[2] or 0), int(found[3])
        if start < end:
            return DatasetSlice(start, end, bool(found[1]))
    if not text or found or _LIKE_SLICE.fullmatch(text):
        raise AlbError(f"-D {text!r}: expected START:END with START below END (2:7, :7, sorted s2:7), or a name")
    return text


def parse_host(text: str) -> re.Pattern[str]:
    """Pattern of a host."""
    try:
        return re.compile(text)
    except re.error as error:
        raise AlbError(f"-H {text!r} is no regular expression: {error}") from error


def parse_since(text: str) -> datetime:
    """Local time, with or without its time of day."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise AlbError(f"--since {text!r}: expected a date or a time, 2024-06-07 or '2024-06-07 11:00'") from error
    if found.tzinfo is not None:
        raise AlbError(f"--since {text!r}: expected no time zone, records have the local time of their machine")
    return found


def select(table: pa.Table, filters: Filters) -> pa.Table:
    """Records that pass all filters, in their order."""
    if not table.num_rows:
        raise AlbError("the table of records is empty: `alb data-loader` fills it")
    kept, left = table, []
    for words, value, passes in _steps(filters):
        if value is None:
            continue
        kept = kept.filter(passes(kept, value))
        left.append(f"{words} leaves {kept.num_rows:,}")
    if not kept.num_rows:
        raise AlbError(f"no record matches: of {table.num_rows:,} records, {', '.join(left)}")
    return kept


def dataset_names(table: pa.Table) -> pa.ChunkedArray:
    """Name of each record's dataset: as recorded, else the last part of its URI, else null."""
    return pc.coalesce(table.column("dataset"), _last_part(table.column("uri")))


def _steps(filters: Filters) -> list[tuple[str, Any, Callable[[pa.Table, Any], pa.ChunkedArray]]]:
    """Return all filters: as typed, what is wanted, and the mask of the records that have it."""
    host = filters.host and filters.host.pattern
    return [
        (f"-D {filters.dataset}", filters.dataset, _of_dataset),
        (f"-H {host}", filters.host, _on_host),
        (f"-i {filters.instance_type}", filters.instance_type, partial(_equal, "instance_type")),
        (f"-n {filters.max_batches}", filters.max_batches, _limited),
        (f"--since {filters.since}", filters.since, _since),
        ("--s3" if filters.s3 else "--no-s3", filters.s3, _on_s3),
        (f"--machine {filters.machine}", filters.machine, partial(_equal, "machine")),
    ]


def _equal(name: str, table: pa.Table, value: str) -> pa.ChunkedArray:
    return pc.equal(table.column(name), value)


def _limited(table: pa.Table, batches: int) -> pa.ChunkedArray:
    """Mask of the records of epochs with a limit, as text: a number may be larger than a column's."""
    return pc.equal(pc.fill_null(table.column("max_batches"), 0).cast(pa.string()), str(batches))


def _since(table: pa.Table, since: datetime) -> pa.ChunkedArray:
    return pc.greater_equal(table.column("start_dt"), pa.scalar(since, pa.timestamp("us")))


def _last_part(uri: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(uri, r"^(?:.*/)?([^/]+)/*$", r"\1")


def _of_dataset(table: pa.Table, wanted: DatasetSlice | str) -> pa.ChunkedArray:
    """Mask of the records of a slice; or of those whose dataset, URI or last part of it is a name."""
    if isinstance(wanted, DatasetSlice):
        return _in_slice(table, wanted)
    mask = pa.scalar(False)
    for names in (table.column("dataset"), table.column("uri"), _last_part(table.column("uri"))):
        mask = pc.or_(mask, pc.fill_null(pc.equal(names, wanted), False))
    return mask


def _in_slice(table: pa.Table, wanted: DatasetSlice) -> pa.ChunkedArray:
    """Mask of the records of a slice; a record that has none in its columns may have it in its dataset's name."""
    columns = pc.and_(
        pc.and_(pc.equal(table.column("start_idx"), wanted.start), pc.equal(table.column("end_idx"), wanted.end)),
        pc.equal(pc.fill_null(table.column("sorted_datasets"), False), wanted.in_order),
    )
    name = rf"(?:^|_){'s' if wanted.in_order else ''}{wanted.start or '0?'}:{wanted.end}$"
    by_name = pc.match_substring_regex(dataset_names(table), name)
    return pc.if_else(pc.is_valid(table.column("end_idx")), pc.fill_null(columns, False), pc.fill_null(by_name, False))


def _on_host(table: pa.Table, pattern: re.Pattern[str]) -> pa.ChunkedArray:
    """Mask of the records whose host or hostname has the pattern; the regular expressions are Python's."""
    masks = []
    for name in ("host", "hostname"):
        column = table.column(name)
        found = [value for value in pc.unique(column).to_pylist() if value is not None and pattern.search(value)]
        masks.append(pc.is_in(column, pa.array(found, pa.string())))
    return pc.or_(*masks)


def _on_s3(table: pa.Table, wanted: bool) -> pa.ChunkedArray:
    """Mask of the records read from S3, or not; without a URI, those of a Census that is nowhere else are."""
    in_place = pc.starts_with(pc.fill_null(table.column("census_uri"), "s3://"), "s3://")
    of_census = pc.or_(
        pc.is_valid(table.column("census_version")),
        pc.or_(pc.is_valid(table.column("collection_id")), pc.is_valid(table.column("census_uri"))),
    )
    there = pc.coalesce(pc.starts_with(table.column("uri"), "s3://"), pc.and_(in_place, of_census))
    return pc.equal(there, wanted)
