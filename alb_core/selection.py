"""Which rows and columns: joinids, or a filter over obs or var, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alb_core import read
from alb_core.errors import AlbError

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """What is wanted of obs or var."""

    #: ``obs`` or ``var``.
    dataframe: str
    #: int64, each once, in the order wanted; None for all, ascending.
    joinids: Int64 | None = None
    #: A TileDB value filter, such as ``tissue == 'lung' and is_primary_data == True``. With joinids as well, those of
    #: them that it holds for.
    query: str | None = None

    def of(self, dataframe: Any, uri: str) -> Int64:
        """Joinids that the open dataframe has of those wanted, int64, in the order wanted."""
        if self.joinids is not None:
            unknown = np.setdiff1d(self.joinids, read.joinids(dataframe))
            if len(unknown):
                raise AlbError(f"{self.dataframe} has no soma_joinid {unknown[:5].tolist()} ({len(unknown)} in all)")
        if self.query is None:
            return read.joinids(dataframe) if self.joinids is None else self.joinids
        found = self._found(dataframe, uri)
        selected = found if self.joinids is None else self.joinids[np.isin(self.joinids, found)]
        if not len(selected):
            of = f"row of {self.dataframe} of {uri}" if self.joinids is None else f"of the {len(self.joinids)} joinids"
            raise AlbError(f"{self.dataframe}_query {self.query!r} holds for no {of}, expected one at least")
        return selected

    def _found(self, dataframe: Any, uri: str) -> Int64:
        try:
            return read.joinids(dataframe, self.query)
        # Releases refuse a filter with errors of a dozen kinds, from SyntaxError to those of TileDB.
        except Exception as error:
            names = ", ".join(dataframe.keys())
            raise AlbError(
                f"{self.dataframe}_query {self.query!r} failed on {self.dataframe} of {uri}: {_reason(error)}; "
                f"expected a TileDB value filter over some of: {names}"
            ) from error


def faults(name: str, joinids: npt.ArrayLike | None, query: str | None) -> list[str]:
    """What is wrong with joinids and filter of ``obs`` or ``var`` before anything is read, a sentence each."""
    found = []
    if query is not None and (not isinstance(query, str) or not query.strip()):
        found.append(f"{name}_query is {query!r}, expected a TileDB value filter")
    if joinids is None:
        return found
    ids = np.asarray(joinids)
    if ids.ndim != 1 or len(ids) == 0 or not np.issubdtype(ids.dtype, np.integer):
        return [*found, f"{name}_joinids is {ids.dtype} of shape {ids.shape}, expected one or more whole numbers"]
    repeated = len(ids) - len(np.unique(ids))
    if repeated:
        found.append(f"{name}_joinids repeats {repeated} joinids, expected each once")
    return found


def as_int64(joinids: npt.ArrayLike | None) -> Int64 | None:
    """A copy of joinids that somebody gave."""
    return None if joinids is None else np.array(joinids, dtype=np.int64)


def _reason(error: Exception) -> str:
    """What an error says, in one line, without the places in tiledbsoma's own files that follow in some releases."""
    return " ".join(str(error).split("\n\nAt:\n")[0].split()) or type(error).__name__
