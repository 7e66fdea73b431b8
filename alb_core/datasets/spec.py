"""What a dataset is made of: synthetic cells, a slice of a Census, or a copy. Standard library only."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from alb_core.base.documents import Format
from alb_core.base.errors import AlbError

#: Layouts of X/raw on disk: as the Census writes it, or tiledbsoma's default.
LAYOUTS = ("census", "soma")
#: Calibrations of the counts, see :mod:`alb_core.datasets.synthetic.profile`.
PROFILES = ("slice-2:7", "census")
#: More than the primary human cells of the Census; beyond that a number is a slip of the finger.
MAX_CELLS = 50_000_000
#: A species has 60,000 genes or so. Cells are drawn gene by gene, so memory and time grow with this.
MAX_VARS = 1_000_000
MAX_SEED = 2**63 - 1
#: The collection whose slices loaders have been measured with, and the version of the Census that they come from.
COLLECTION = "283d65eb-dd53-496d-adb7-7570c7caa443"
CENSUS_VERSION = "2023-12-15"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,99}")


def _within(name: str, value: int, low: int, high: int) -> None:
    """Refuse a number outside of its limits."""
    if not low <= value <= high:
        raise AlbError(f"{name} is {value:,}, expected {low:,} to {high:,}")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a word that is not known."""
    if value not in known:
        raise AlbError(f"{name} is {value!r}, expected one of {', '.join(known)}")


@dataclass(frozen=True)
class Spec:
    """Specification of a synthetic dataset: it gives the same cells on every machine."""

    #: Rows of obs and of var.
    cells: int
    vars: int
    #: Calibration of the counts, one of :data:`PROFILES`.
    profile: str = "slice-2:7"
    #: How X/raw lies on disk, one of :data:`LAYOUTS`.
    layout: str = "census"
    #: Fragments of X/raw, each a contiguous range of cells.
    fragments: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        _within("cells", self.cells, 1, MAX_CELLS)
        _within("vars", self.vars, 1, MAX_VARS)
        _within("seed", self.seed, 0, MAX_SEED)
        _one_of("profile", self.profile, PROFILES)
        _one_of("layout", self.layout, LAYOUTS)
        if not 1 <= self.fragments <= self.cells:
            raise AlbError(f"fragments is {self.fragments}, expected 1 to the number of cells ({self.cells:,})")

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Spec:
        """Read what :meth:`as_json` wrote."""
        try:
            return Format(cls, "specification").parse(content)
        except ValueError as error:
            raise AlbError(f"the specification cannot be read: {error}") from error

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return asdict(self)

    def options(self) -> str:
        """Return the options of ``alb data make`` that ask for this specification."""
        return " ".join(f"--{name} {value}" for name, value in self.as_json().items())


@dataclass(frozen=True)
class CensusSlice:
    """A slice of a CELLxGENE Census: the cells of some source datasets of a collection, and the first vars."""

    #: First and last+1 index into the collection's source datasets; the last is theirs if ``end`` is None.
    start: int = 0
    end: int | None = None
    #: Whether they are sorted by ``dataset_total_cell_count`` first.
    sorted_datasets: bool = False
    collection_id: str = COLLECTION
    #: Vars with a ``soma_joinid`` below this; all, where the Census has fewer.
    n_vars: int = 20_000
    #: As ``census_data`` names it.
    organism: str = "homo_sapiens"
    #: One of the two: a version that is published, or a path or URI.
    census_version: str | None = CENSUS_VERSION
    census_uri: str | None = None
    #: How X/raw lies on disk, one of :data:`LAYOUTS`.
    layout: str = "census"

    def __post_init__(self) -> None:
        """Refuse what cannot be in any Census."""
        if self.start < 0:
            raise AlbError(f"--start is {self.start}, expected 0 or more")
        if self.end is not None and self.end <= self.start:
            raise AlbError(f"--end is {self.end}, expected more than --start, which is {self.start}")
        _within("--n-vars", self.n_vars, 1, MAX_VARS)
        _one_of("layout", self.layout, LAYOUTS)
        if (self.census_version is None) == (self.census_uri is None):
            raise AlbError("expected one of --census-version and --census-uri, not both")

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return asdict(self)

    def default_name(self) -> str:
        """Default name of the dataset; ``end`` must be known."""
        return f"census-benchmark_{'s' if self.sorted_datasets else ''}{self.start}:{self.end}"

    def options(self) -> str:
        """Return the options of ``alb download`` that ask for this slice."""
        words = [f"-s {self.start}"]
        words += [] if self.end is None else [f"-e {self.end}"]
        words += ["-S"] if self.sorted_datasets else []
        letters = {"collection_id": "-c", "n_vars": "-v", "organism": "--organism", "layout": "--layout"}
        letters |= {"census_version": "-V", "census_uri": "-u"}
        default = CensusSlice()
        for name, letter in letters.items():
            value = getattr(self, name)
            if value is not None and value != getattr(default, name):
                words.append(f"{letter} {shlex.quote(str(value))}")
        return " ".join(words)


@dataclass(frozen=True)
class RowLayout:
    """How X lies in a copy for shuffled reads of rows (:mod:`alb_core.datasets.retile.retile`): row by row."""

    #: Non-zeros of a data tile, which are unpacked together: a few whole rows.
    capacity: int = 32_768
    #: Of each layer of X, a contiguous range of cells each.
    fragments: int = 1

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        # Below, tiles cost more to find than to read; above, one holds more than a block takes.
        _within("--capacity", self.capacity, 1_024, 4_194_304)
        _within("--fragments", self.fragments, 1, MAX_CELLS)

    def require_fitting(self, cells: int) -> None:
        """Refuse more fragments than there are cells."""
        if self.fragments > cells:
            raise AlbError(f"--fragments is {self.fragments:,}, expected 1 to the number of cells ({cells:,})")

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON has them, and what :func:`alb_core.datasets.find.list_datasets` shows."""
        return {"layout": "rows", **asdict(self)}

    def options(self) -> str:
        """Return the options of ``alb data retile`` that ask for this layout."""
        default = asdict(RowLayout())
        return "".join(f" --{name} {value}" for name, value in asdict(self).items() if value != default[name])


#: The datasets that have a name of their own.
KNOWN: Mapping[str, Spec] = MappingProxyType(
    {
        "mini": Spec(cells=4_096, vars=20_000),
        # The same cells, laid out otherwise.
        "mini-soma": Spec(cells=4_096, vars=20_000, layout="soma"),
        "mini-32": Spec(cells=4_096, vars=20_000, fragments=32),
        "small": Spec(cells=32_768, vars=20_000),
        # As many cells and vars as datasets 2 to 7 of the collection that loaders have been measured with.
        "census-2:7": Spec(cells=133_790, vars=20_000),
        # Eight of the largest blocks that are measured, 131,072 cells (design rule 8).
        "blocks": Spec(cells=1_048_576, vars=20_000),
    }
)


def differences(found: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Say in which fields what is there differs from what is asked for; empty if in none."""
    names = [name for name in asked if found.get(name) != asked[name]]
    return ", ".join(f"{name} {found.get(name)} (not {asked[name]})" for name in names)


def checked_name(name: str) -> str:
    """Return ``name`` if it can be that of a dataset."""
    # A dataset that is being written lies beside the others, under such a name.
    if not _NAME.fullmatch(name) or ".partial-" in name:
        raise AlbError(
            f"{name!r} cannot name a dataset: expected 1 to 100 letters, digits and . _ : + -, "
            "not starting with a mark, without '.partial-'"
        )
    return name


def resolved(name: str, **options: int | str | None) -> Spec:
    """Specification that a name stands for, with the options given; an unknown name takes at least ``cells``."""
    checked_name(name)
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    if name in KNOWN:
        known = KNOWN[name]
        asked = Spec(**{**known.as_json(), **given})
        if asked != known:
            other = differences(known.as_json(), asked.as_json())
            raise AlbError(f"{name} has {other}: choose a name of your own for other options")
        return known
    if "cells" not in given:
        raise AlbError(
            f"no dataset is known as {name!r}: known are {', '.join(KNOWN)}; "
            f"'alb data make {name} --cells N' makes one of that name"
        )
    return Spec(**{"vars": 20_000, **given})
