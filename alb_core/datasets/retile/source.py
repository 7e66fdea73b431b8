"""An experiment that is copied into a dataset: which parts of it a dataset keeps, and these read in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alb_core.base.checksum import combined, coo_checksum
from alb_core.base.errors import AlbError
from alb_core.datasets.census.cells import MAX_NNZ, WINDOW, Stride, read_rows
from alb_core.datasets.census.census import BOUNDED, with_smaller_buffers
from alb_core.datasets.content import ExactSum
from alb_core.datasets.obs_var_reader import Frame
from alb_core.datasets.retry import Patience
from alb_core.loader.soma import open_experiment, sparse_x

Int64 = npt.NDArray[np.int64]

MEASUREMENT, RAW = "RNA", "raw"

#: Non-zeros that are handed on at once.
_PIECE = 1_000_000


class Layer:
    """A layer of X, and what was counted while it was read."""

    def __init__(self, x: Any, name: str, obs: Int64, var: Int64) -> None:
        self.name = name
        self.type: pa.DataType = x.schema.field("soma_data").type
        self.entries = int(x.nnz)
        self._x, self._obs, self._var = x, obs, var
        self._begin()

    def _begin(self) -> None:
        self.nnz = self._checksum = 0
        self._total = ExactSum()

    @property
    def checksum(self) -> str:
        """Of what was read, 16 hex digits."""
        return f"{self._checksum:016x}"

    @property
    def total(self) -> int | float:
        """Sum of what was read, as float32."""
        return self._total.value()

    def batches(self, patience: Patience, advance: Callable[[int], object]) -> Iterator[pa.RecordBatch]:
        """Read all of it, by row and column; ``advance`` takes the number of entries as they are read."""
        self._begin()
        schema = pa.schema([("soma_dim_0", pa.int64()), ("soma_dim_1", pa.int64()), ("soma_data", self.type)])
        height, width = (int(length) for length in self._x.shape)
        rows, n_vars = self._obs[self._obs < height], min(int(self._var[-1]) + 1, width)
        stride, place = Stride(MAX_NNZ), 0
        while place < len(rows):
            wanted = rows[place : place + min(stride.rows, WINDOW)]
            read = read_rows(self._x, wanted, n_vars, patience, MAX_NNZ)
            if read is None:
                stride.too_long(len(wanted))
                continue
            places, columns, values = read
            place += len(wanted)
            stride.fitted(len(wanted), len(values))
            for start in range(0, len(values), _PIECE):
                piece = slice(start, start + _PIECE)
                part = wanted[places[piece]], columns[piece].astype(np.int64), values[piece]
                self._add(*part)
                yield pa.RecordBatch.from_arrays([pa.array(column) for column in part], schema=schema)
                advance(len(part[0]))
        if self.nnz != self.entries:
            raise AlbError(
                f"{self._x.uri} holds {self.entries:,} entries, of which {self.nnz:,} have rows in obs and var: "
                "a dataset holds no others"
            )

    def _add(self, rows: Int64, columns: Int64, values: npt.NDArray[Any]) -> None:
        # Without gaps, which is the rule, every column below the last one is a var's.
        if int(self._var[-1]) != len(self._var) - 1 and not np.isin(columns, self._var).all():
            raise AlbError(f"{self._x.uri} holds columns that are not in var: a dataset holds no others")
        # As the loader hands them out, and as the checksum takes them.
        with np.errstate(over="ignore"):
            as_float = values.astype(np.float32, copy=False)
        self.nnz += len(values)
        if not np.isfinite(as_float).all():
            raise AlbError(f"{self._x.uri} holds values beyond those of float32: a dataset cannot hold them")
        self._total.add(as_float)
        self._checksum = combined(self._checksum, coo_checksum(rows, columns, as_float))


@dataclass(frozen=True)
class Original:
    """What a dataset keeps of an experiment."""

    #: The tables.
    obs: Frame
    var: Frame
    #: Of X, ``raw`` first.
    layers: tuple[Layer, ...]
    #: Names of members that are no part of a dataset.
    left_out: tuple[str, ...]


@contextmanager
def opened(uri: str, config: Mapping[str, str]) -> Iterator[Original]:
    """Open an experiment, to be copied."""
    with open_experiment(uri, config={**BOUNDED, **config}) as experiment:
        rna, _ = sparse_x(experiment, MEASUREMENT, RAW, uri)
        for name, place in (("obs", experiment), ("var", rna)):
            if name not in place:
                raise AlbError(f"{uri} has no {name}, expected an experiment with obs and ms/{MEASUREMENT}/var")
        with with_smaller_buffers(experiment.obs, config) as obs, with_smaller_buffers(rna.var, config) as var:
            frames = Frame(obs, "obs"), Frame(var, "var")
            names = sorted(rna.X, key=lambda name: (name != RAW, name))
            layers = []
            for name in names:
                x = sparse_x(experiment, MEASUREMENT, name, uri)[1]
                layer = Layer(x, name, frames[0].joinids, frames[1].joinids)
                if not (pa.types.is_integer(layer.type) or pa.types.is_floating(layer.type)):
                    raise AlbError(f"X layer {name!r} of {uri} holds {layer.type}, expected integers or floats")
                layers.append(layer)
            left_out = [
                *sorted(set(experiment) - {"obs", "ms"}),
                *(f"ms/{name}" for name in sorted(set(experiment.ms) - {MEASUREMENT})),
                *(f"ms/{MEASUREMENT}/{name}" for name in sorted(set(rna) - {"var", "X"})),
            ]
            yield Original(*frames, tuple(layers), tuple(left_out))
