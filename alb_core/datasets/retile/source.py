"""The experiment that is copied into a dataset: what a dataset can hold of it, read in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alb_core.base.errors import AlbError
from alb_core.datasets.census.cells import MAX_NNZ, RowReader
from alb_core.datasets.census.census import BOUNDED, with_smaller_buffers
from alb_core.datasets.content import ExactTotals
from alb_core.datasets.obs_var_reader import TableReader
from alb_core.datasets.retry import Retry
from alb_core.loader.soma import open_experiment, sparse_x

Int64 = npt.NDArray[np.int64]

#: What a dataset calls the measurement and the layer that are chosen of its source.
MEASUREMENT, RAW = "RNA", "raw"

#: Non-zeros of a batch for the writer.
_BATCH_NNZ = 1_000_000


class SourceLayer:
    """A layer of X; what it holds is counted while it is read."""

    def __init__(self, x: Any, name: str, obs: Int64, var: Int64) -> None:
        self.name = name
        self.type: pa.DataType = x.schema.field("soma_data").type
        self.entries = int(x.nnz)
        self._x, self._obs, self._var = x, obs, var
        #: Of what was read, as float32.
        self.totals = ExactTotals()

    def batches(self, retry: Retry, advance: Callable[[int], object]) -> Iterator[pa.RecordBatch]:
        """Read all of it, by row and column; ``advance`` takes the number of entries as they are read.

        Zeros that are stored are left out: epochs, which are held against the copy's manifest, count none.
        """
        self.totals, zeros = ExactTotals(), 0
        schema = pa.schema([("soma_dim_0", pa.int64()), ("soma_dim_1", pa.int64()), ("soma_data", self.type)])
        height, width = (int(length) for length in self._x.shape)
        reader = RowReader(self._x, min(int(self._var[-1]) + 1, width), retry, MAX_NNZ)
        for joinids, rows, columns, values in reader.batches(self._obs[self._obs < height]):
            if not (stored := values != 0).all():
                zeros += len(values) - int(stored.sum())
                rows, columns, values = rows[stored], columns[stored], values[stored]
            for start in range(0, len(values), _BATCH_NNZ):
                part = slice(start, start + _BATCH_NNZ)
                coordinates = joinids[rows[part]], columns[part].astype(np.int64), values[part]
                self._add(*coordinates)
                yield pa.RecordBatch.from_arrays([pa.array(column) for column in coordinates], schema=schema)
                advance(len(coordinates[0]))
        found = self.totals.nnz + zeros
        if found != self.entries:
            raise AlbError(
                f"{self._x.uri} holds {self.entries:,} entries, of which {found:,} have rows in obs and var: a dataset "
                "holds no others"
            )

    def _add(self, rows: Int64, columns: Int64, values: npt.NDArray[Any]) -> None:
        # Without gaps, which is the rule, every column below the last one is a var's.
        if int(self._var[-1]) != len(self._var) - 1 and not np.isin(columns, self._var).all():
            raise AlbError(f"{self._x.uri} holds columns that are not in var: a dataset holds no others")
        # The loader and the checksum take float32.
        with np.errstate(over="ignore"):
            as_float = values.astype(np.float32, copy=False)
        if not np.isfinite(as_float).all():
            raise AlbError(f"{self._x.uri} holds values beyond those of float32: a dataset cannot hold them")
        self.totals.add(rows, columns, as_float)


@dataclass(frozen=True)
class SourceExperiment:
    """What a dataset can hold of an experiment."""

    obs: TableReader
    var: TableReader
    #: Of X, ``raw`` first.
    layers: tuple[SourceLayer, ...]
    #: Names of the other members.
    left_out: tuple[str, ...]
    #: Where obs, var and the layers lie.
    places: tuple[str, ...]


@contextmanager
def opened(
    uri: str, config: Mapping[str, str], measurement: str = MEASUREMENT, layer: str = RAW
) -> Iterator[SourceExperiment]:
    """Open an experiment, to be copied: the layer becomes ``raw`` of the copy, the measurement its ``RNA``."""
    with open_experiment(uri, config={**BOUNDED, **config}) as experiment:
        rna, _ = sparse_x(experiment, measurement, layer, uri)
        for name, parent in (("obs", experiment), ("var", rna)):
            if name not in parent:
                raise AlbError(f"{uri} has no {name}, expected an experiment with obs and ms/{measurement}/var")
        with with_smaller_buffers(experiment.obs, config) as obs, with_smaller_buffers(rna.var, config) as var:
            tables = TableReader(obs, "obs"), TableReader(var, "var")
            layers = []
            # Another layer that is called raw would have the place of the one that was chosen.
            kept = [layer, *sorted(name for name in rna.X if name not in (layer, RAW))]
            for name in kept:
                x = sparse_x(experiment, measurement, name, uri)[1]
                one = SourceLayer(x, RAW if name == layer else name, tables[0].joinids, tables[1].joinids)
                if not (pa.types.is_integer(one.type) or pa.types.is_floating(one.type)):
                    raise AlbError(f"X layer {name!r} of {uri} holds {one.type}, expected integers or floats")
                layers.append(one)
            left_out = [
                *sorted(set(experiment) - {"obs", "ms"}),
                *(f"ms/{name}" for name in sorted(set(experiment.ms) - {measurement})),
                *(f"ms/{measurement}/X/{name}" for name in sorted(set(rna.X) - set(kept))),
                *(f"ms/{measurement}/{name}" for name in sorted(set(rna) - {"var", "X"})),
            ]
            places = (experiment.obs.uri, rna.var.uri, *(rna.X[name].uri for name in kept))
            yield SourceExperiment(*tables, tuple(layers), tuple(left_out), places)
