"""An experiment opened for loading: which rows and columns, and the reading of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alb_core import read
from alb_core.errors import AlbError

Int64 = npt.NDArray[np.int64]


class Opened:
    """X and obs of an experiment, open in one process.

    Parameters
    ----------
    uri
        Path or URI of the experiment.
    measurement, layer
        Which X.
    obs_joinids, var_joinids
        Rows and columns wanted, int64; None for all, ascending.
    obs_columns
        Columns of obs, besides ``soma_joinid``.
    options
        Of :func:`alb_core.read.open_experiment`.

    Attributes
    ----------
    pid
        The process.
    rows, columns
        Joinids, int64, in the order wanted.

    Raises
    ------
    AlbError
        If the experiment, the measurement, the layer, a column or a joinid asked for is not there, or the layer is
        dense.
    """

    def __init__(
        self,
        uri: str,
        measurement: str,
        layer: str,
        *,
        obs_joinids: Int64 | None,
        var_joinids: Int64 | None,
        obs_columns: Sequence[str],
        options: Mapping[str, Any],
    ) -> None:
        self.pid = os.getpid()
        self._obs_columns = obs_columns
        with contextlib.ExitStack() as stack:
            experiment = stack.enter_context(read.open_experiment(uri, **options))
            found, self._x = read.sparse_x(experiment, measurement, layer, uri)
            self._obs = experiment.obs
            missing = [name for name in obs_columns if name not in self._obs.keys()]  # noqa: SIM118
            if missing:
                names = ", ".join(self._obs.keys())
                raise AlbError(f"obs of {uri} has no column {', '.join(missing)}, expected some of: {names}")
            self.rows = _selected(self._obs, obs_joinids, "obs")
            self.columns = _selected(found.var, var_joinids, "var")
            # Ascending, as TileDB stores them; whoever takes the table puts columns where they are wanted.
            self._read_columns = None if var_joinids is None else read.as_coords(np.sort(self.columns))
            self._stack = stack.pop_all()

    def table(self, joinids: Int64) -> pa.Table:
        """Entries of X in some rows, ascending joinids, and the wanted columns (:func:`alb_core.read.read_table`)."""
        return read.read_table(self._x, joinids, self._read_columns)

    def tables(self, joinids: Int64) -> Iterator[pa.Table]:
        """Return the same a buffer at a time (:func:`alb_core.read.tables`)."""
        tables: Iterator[pa.Table] = read.tables(self._x, joinids, self._read_columns)
        return tables

    def obs(self, joinids: Int64) -> pa.Table:
        """Rows of obs, in the order of the joinids, which may repeat."""
        distinct, places = np.unique(joinids, return_inverse=True)
        if len(distinct) == len(joinids):
            return read.read_dataframe(self._obs, joinids, self._obs_columns)
        return read.read_dataframe(self._obs, distinct, self._obs_columns).take(places)

    def close(self) -> None:
        """Close the experiment, in the process that opened it."""
        if self.pid == os.getpid():
            self._stack.close()


def _selected(dataframe: Any, wanted: Int64 | None, what: str) -> Int64:
    """Joinids to read: those wanted, if the dataframe has them all."""
    present = read.joinids(dataframe)
    if wanted is None:
        return present
    unknown = np.setdiff1d(wanted, present)
    if len(unknown):
        raise AlbError(f"{what} has no soma_joinid {unknown[:5].tolist()} ({len(unknown)} in all)")
    return wanted
