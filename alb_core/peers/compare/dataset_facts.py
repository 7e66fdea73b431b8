"""What loaders must deliver, read from the experiment before they run, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from alb_core.base import processes

#: Column of obs whose entropy within a batch says how good a shuffle is.
GROUP_COLUMN = "dataset_id"


@dataclass(frozen=True)
class DatasetFacts:
    """What an experiment holds."""

    #: Of its joinids and groups (:class:`alb_core.peers.counting.ExpectedRows`), for the processes of the loaders.
    directory: Path
    #: Rows and columns.
    n_rows: int
    n_vars: int

    def group_sizes(self, rows: int | None = None) -> npt.NDArray[np.int64] | None:
        """Rows of each source dataset among the first ``rows`` (None for all); None where obs does not say."""
        path = self.directory / "groups.npy"
        return np.bincount(np.load(path)[:rows]) if path.exists() else None


def find(location: str, directory: Path) -> DatasetFacts:
    """Read what an experiment holds; ``directory`` keeps it for the processes of the loaders."""
    directory.mkdir(parents=True, exist_ok=True)
    [(n_rows, n_vars)] = processes.iterate("alb_core.peers.compare.dataset_facts:read", location, str(directory))
    return DatasetFacts(directory, n_rows, n_vars)


def read(location: str, directory: str) -> Iterator[tuple[int, int]]:
    """Write what an experiment holds into a directory (in a process of its own); yields its rows and columns."""
    from alb_core.loader import soma
    from alb_core.peers.counting import ExpectedRows

    with soma.open_experiment(location) as experiment:
        measurement, _ = soma.sparse_x(experiment, "RNA", "raw", location)
        rows, columns = soma.joinids(experiment.obs), soma.joinids(measurement.var)
        groups = None
        if GROUP_COLUMN in experiment.obs.keys():  # noqa: SIM118 - a dataframe is no dict
            column = soma.read_dataframe(experiment.obs, rows, [GROUP_COLUMN]).column(GROUP_COLUMN)
            words = column.to_numpy(zero_copy_only=False) if hasattr(column, "to_numpy") else np.asarray(column)
            groups = np.unique(words.astype(str), return_inverse=True)[1].astype(np.int32)
    ExpectedRows(rows, columns, groups).save(Path(directory))
    yield len(rows), len(columns)
