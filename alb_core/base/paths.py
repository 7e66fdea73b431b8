"""Where things lie: the suite's own directory and its data directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, get_args

from alb_core.base.errors import AlbError

#: Environment variable that moves datasets, history and wheels elsewhere (a larger disk, a shared one).
DATA_VARIABLE = "ALB_DATA"

#: Environment variable that gives one command, and the builds that it starts, another history than the one in use.
HISTORY_VARIABLE = "ALB_HISTORY"


_Environments = Literal["env", "duo", "campaign", "c05", "c10", "c25", "cmb", "cwt", "peers", "writers"]
_Measured = Literal["records", "results", "given", "calibration", "site"]
_Kept = Literal["soma", "tiledb-soma", "histories", "wheels", "numba", "digests", "scratch"]
#: What the suite itself keeps in the data directory: no dataset of a user goes there.
Place = Literal[_Environments, _Measured, _Kept]
#: Locks in the data directory (``.<name>.lock``): one of a user's dataset must be another.
_LOCKS = ("keeping", "measuring", "publishing")


def suite_root() -> Path:
    """Directory that holds ``asv.conf.json``: that of the checkout which this package is imported from."""
    return Path(__file__).resolve().parents[2]


def data_root() -> Path:
    """Directory of datasets, history and wheels: ``$ALB_DATA``, else ``data/`` in the checkout."""
    root = Path(os.environ.get(DATA_VARIABLE) or suite_root() / "data").absolute()
    if root.exists() and not root.is_dir():
        raise AlbError(f"{root} is a file, expected the data directory: move it away, or set {DATA_VARIABLE}")
    return root


def own_place(name: Place) -> Path:
    """Directory of the suite's own in the data directory."""
    return data_root() / name


def is_own_place(path: Path) -> bool:
    """Whether a path is a place of the suite, or inside one; what datasets are called is up to users."""
    real = path.parent.resolve() / path.name
    if real.is_relative_to(history_root().resolve()):
        return True
    for root in (data_root(), suite_root() / "data"):
        first, *inside = real.relative_to(root.resolve()).parts if real.is_relative_to(root.resolve()) else ("",)
        # Some disks tell no capitals from small letters.
        if first.casefold() in {*get_args(Place), *_LOCKS} and not (inside and first == datasets_root().name):
            return True
    return False


def datasets_root() -> Path:
    """Directory of the datasets, one directory each."""
    return own_place("soma")


def environment_roots() -> tuple[Path, Path]:
    """Directories of the benchmark environments: asv's own, and that of the second commit of a verdict.

    Equally long names: a process's speed depends a little on how long the paths in its variables are.
    """
    return own_place("env"), own_place("duo")


def campaign_root() -> Path:
    """Directory of the environments of a campaign: a directory for each release, named by its commit."""
    return own_place("campaign")


def calibration_root() -> Path:
    """Directory of the rounds of ``alb calibrate``: in the checkout, so that they can be kept with what they tell.

    Apart from the results, because asv would publish them as the release's.
    """
    return suite_root() / "data" / "calibration"


def given_root() -> Path:
    """Directory of the results of builds that users gave to verdicts: asv would publish them as a commit's."""
    return data_root() / "given"


def history_root() -> Path:
    """The git repository of tiledb-soma whose commits are measured: ``$ALB_HISTORY``, else the one in use."""
    return Path(os.environ.get(HISTORY_VARIABLE) or own_place("tiledb-soma")).absolute()


def wheels_root() -> Path:
    """Cache of wheels and source distributions."""
    return own_place("wheels")


def scripts_root() -> Path:
    """Cache of the packages whose scripts the published site serves."""
    return own_place("site")
