"""What a download has read so far: parts in a hidden directory beside the dataset, so that it can go on from there.

A part is one file, which is complete if it is there. It holds the cells that were kept, one row each: their obs, and
the columns and values of their non-zeros as lists. Its figures lie in the metadata of its schema; they are computed
again when the part is read for writing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from alb_core.base.checksum import combined, coo_checksum
from alb_core.base.documents import DamagedDocumentError, Format
from alb_core.base.errors import AlbError
from alb_core.base.files import write_atomically
from alb_core.datasets.census.cells import Cells
from alb_core.datasets.content import table_checksum
from alb_core.datasets.spec import differences

_REQUEST = "request.json"
_REQUEST_FORMAT = Format(
    dict[str, Any], "request of a download", remedy="-f drops it, -n gives this one another name", indent=2
)
_FIGURES = b"figures"
_COLUMNS, _VALUES = "x columns", "x values"
#: Non-zeros of a batch for the writer.
_BATCH_NNZ = 1_000_000


@dataclass(frozen=True)
class Figures:
    """What a part holds."""

    #: Positions among the slice's cells that were looked at.
    start: int
    stop: int
    #: Row of the dataset at which it begins, and its rows.
    first: int
    n_obs: int
    nnz: int
    #: Of its non-zeros, 16 hex digits.
    checksum: str
    #: 64 hex digits.
    obs_checksum: str


_FIGURES_FORMAT = Format(Figures, "figures of a part")


@dataclass(frozen=True)
class Part:
    """A complete part."""

    path: Path
    figures: Figures

    def x(self) -> Iterator[tuple[Any, Any, Any]]:
        """Rows (of the dataset), columns and values of the non-zeros, row-major, in batches."""
        table = self._read([_COLUMNS, _VALUES])
        columns, values = table.column(_COLUMNS).combine_chunks(), table.column(_VALUES).combine_chunks()
        counts = np.diff(columns.offsets.to_numpy())
        checksums = []
        for batch in _batches(self.figures.first, counts, columns.values.to_numpy(), values.values.to_numpy()):
            checksums.append(coo_checksum(*batch))
            yield batch
        self._require("non-zeros", f"{combined(*checksums):016x}", self.figures.checksum)

    def obs(self, names: Iterable[str] | None = None) -> pa.Table:
        """Read columns of obs by name, all by default."""
        if names is not None:
            return self._read(list(names))
        table = self._read(None).drop_columns([_COLUMNS, _VALUES])
        self._require("obs", table_checksum(table), self.figures.obs_checksum)
        return table

    def _read(self, names: list[str] | None) -> pa.Table:
        try:
            with pa.OSFile(str(self.path)) as file:
                fields = None
                if names is not None:
                    schema = pa.ipc.open_file(file).schema
                    fields = [schema.get_field_index(name) for name in names]
                options = pa.ipc.IpcReadOptions(included_fields=fields)
                return pa.ipc.open_file(file, options=options).read_all()
        except (OSError, pa.ArrowInvalid) as error:
            raise self._damaged(str(error)) from error

    def _require(self, what: str, found: str, expected: str) -> None:
        if found != expected:
            raise self._damaged(f"its {what} have the checksum {found}, expected {expected}")

    def _damaged(self, reason: str) -> AlbError:
        """Remove the part and build the error that says so."""
        self.path.unlink(missing_ok=True)
        return AlbError(f"{self.path} was damaged and is removed ({reason}): the same command reads it again")


class Parts:
    """The directory of a download's parts. The caller holds the dataset's lock."""

    def __init__(self, path: Path, request: Mapping[str, Any], *, replace: bool = False) -> None:
        self.path = path
        try:
            found = _REQUEST_FORMAT.read(path / _REQUEST)
        except DamagedDocumentError:
            if not replace:
                raise
            found = None
        if found is not None and found != request and not replace:
            raise AlbError(
                f"{path} holds the first part of another download of this name ({differences(found, request)}): "
                f"{_REQUEST_FORMAT.remedy}"
            )
        if found != request:
            # Parts without a request, too: they are what a removal has left.
            self.remove()
            _REQUEST_FORMAT.write(path / _REQUEST, dict(request))
        for torn in path.glob(".part-*"):
            torn.unlink()
        self.parts = list(self._complete())

    @property
    def stop(self) -> int:
        """Position among the slice's cells at which the next part begins."""
        return self.parts[-1].figures.stop if self.parts else 0

    @property
    def n_obs(self) -> int:
        """Cells kept so far."""
        return sum(part.figures.n_obs for part in self.parts)

    @property
    def nnz(self) -> int:
        """Non-zeros so far."""
        return sum(part.figures.nnz for part in self.parts)

    @property
    def checksum(self) -> str:
        """Checksum of the non-zeros so far, 16 hex digits."""
        return f"{combined(*(int(part.figures.checksum, 16) for part in self.parts)):016x}"

    def add(self, cells: Cells) -> None:
        """Write a part with the cells that come next."""
        first = self.n_obs
        joinids = pa.array(np.arange(first, first + len(cells.obs)), pa.int64())
        obs = cells.obs.set_column(cells.obs.schema.get_field_index("soma_joinid"), "soma_joinid", joinids)
        checksums = [coo_checksum(*batch) for batch in _batches(first, cells.counts, cells.columns, cells.values)]
        figures = Figures(
            start=cells.start,
            stop=cells.stop,
            first=first,
            n_obs=len(obs),
            nnz=len(cells.columns),
            checksum=f"{combined(*checksums):016x}",
            obs_checksum=table_checksum(obs),
        )
        offsets = pa.array(np.concatenate([[0], cells.counts.cumsum()]), pa.int32())
        for name, column in ((_COLUMNS, cells.columns), (_VALUES, cells.values)):
            obs = obs.append_column(name, pa.ListArray.from_arrays(offsets, pa.array(column)))
        table = obs.replace_schema_metadata({_FIGURES: json.dumps(asdict(figures))})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as file:
            file.write_table(table)
        path = self._part_path(len(self.parts))
        write_atomically(path, sink.getvalue().to_pybytes())
        self.parts.append(Part(path, figures))

    def remove(self) -> None:
        """Remove the directory and all that is in it; the request goes first, and nothing is a part without it."""
        try:
            (self.path / _REQUEST).unlink(missing_ok=True)
            if self.path.exists():
                shutil.rmtree(self.path)
        except OSError as error:
            raise AlbError(f"cannot remove {self.path}: {error.strerror}") from error

    def _part_path(self, number: int) -> Path:
        return self.path / f"part-{number:06d}.arrow"

    def _complete(self) -> Iterator[Part]:
        """Yield parts from the first one on, as long as each continues the one before it."""
        stop = first = 0
        for number in range(len(list(self.path.glob("part-*.arrow")))):
            path = self._part_path(number)
            try:
                with pa.OSFile(str(path)) as file:
                    figures = _FIGURES_FORMAT.parse(json.loads(pa.ipc.open_file(file).schema.metadata[_FIGURES]))
            except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
                return
            if (figures.start, figures.first) != (stop, first):
                return
            stop, first = figures.stop, first + figures.n_obs
            yield Part(path, figures)


def _batches(first: int, counts: Any, columns: Any, values: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield rows, columns and values of some cells' non-zeros."""
    rows = np.repeat(np.arange(first, first + len(counts), dtype=np.int32), counts)
    for start in range(0, len(rows), _BATCH_NNZ):
        part = slice(start, start + _BATCH_NNZ)
        yield rows[part].astype(np.int64), columns[part].astype(np.int64), values[part]
