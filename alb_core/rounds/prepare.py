"""What must be there before anything is measured: dataset, history, and asv as the suite needs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from asv.config import Config

from alb_core.base.paths import environment_roots, history_root
from alb_core.base.processes import cpus
from alb_core.base.pythons import measured
from alb_core.commits.builds.bridge import HOST_PYTHON
from alb_core.commits.history.active import uncommitted
from alb_core.commits.history.releases import ensure as ensure_history
from alb_core.datasets.copies.copies import ensure_copy
from alb_core.datasets.manifest import load
from alb_core.datasets.synthetic.make import ensure as ensure_dataset
from alb_core.rounds import asv_patches, selections

#: Datasets of the default grid, made where missing before anything is measured.
DATASETS = ("mini", "mini-soma", "mini-32")

#: Formats in which loaders that read no SOMA get the first of them.
COPIES = ("h5ad",)

#: Where libraries read how many threads to start: OpenMP, its makers' own names, numba, and TileDB's two pools.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TILEDB_SM_COMPUTE_CONCURRENCY_LEVEL",
    "TILEDB_SM_IO_CONCURRENCY_LEVEL",
)


def install() -> None:
    """Let asv build by this suite's Python, and treat results as the suite needs it."""
    os.environ[HOST_PYTHON] = sys.executable
    asv_patches.install()


def place(conf: Config) -> None:
    """Let a configuration follow ``ALB_DATA``, and what this system has: launch methods, and one of the Pythons."""
    conf.repo, conf.env_dir = str(history_root()), str(environment_roots()[0])
    conf.pythons = [str(measured())]
    if sys.platform == "darwin":
        conf.launch_method = "spawn"


def ready() -> None:
    """Make the dataset and the history where they are missing, and say what of the history is not measured."""
    path, *_ = [ensure_dataset(name) for name in (*DATASETS, *selections.current().datasets)]
    for form in COPIES:
        ensure_copy(path, load(path), form)
    _warn_of_uncommitted(ensure_history())


def steady() -> None:
    """Give every library of a benchmark as many threads as CPUs may be used, unless its variable says otherwise.

    Most of them count CPUs by themselves, and not all of them those that ``taskset`` or a container left.
    """
    for variable in THREADS:
        os.environ.setdefault(variable, str(cpus()))


def _warn_of_uncommitted(history: Path) -> None:
    """Say which files of the history's checkout are not part of any commit: they are not measured."""
    files = uncommitted(history)
    if files:
        named = ", ".join(files[:10]) + (f" and {len(files) - 10} more" if len(files) > 10 else "")
        print(f"alb: commits are measured, and not what is uncommitted in {history}: {named}", file=sys.stderr)
