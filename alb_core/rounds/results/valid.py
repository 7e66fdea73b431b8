"""Which results are published: what cannot be read, and what asv would pass over, is named, and stays where it is.

asv reads results through a view of their directory that holds links to the sound files alone: one damaged file would
end it with a traceback.

What is published: the benchmarks that have results.

asv's list has every benchmark that there is, and its grid asks for a graph of each; one that no machine has measured
(another profile's, or left out by ``--bench``) has none, and the grid then draws nothing at all.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.machine import Machine
from asv.results import Results, iter_results
from asv.util import UserError, load_json

from alb_core.base.errors import AlbError, one_line
from alb_core.rounds.results.carried_versions import carry, same
from alb_core.rounds.results.machines import CALIBRATION, LOADERS


@contextmanager
def only_measured() -> Iterator[None]:
    """Within the block, the list that asv loads has the benchmarks of which there are results, if there are any."""
    original = Benchmarks.load

    def load(cls: type[Benchmarks], conf: Config, regex: Any = None) -> Benchmarks:
        found = original(conf, regex=regex)
        measured = _measured(conf.results_dir, found)
        for name in [name for name in found if measured and name not in measured]:
            del found[name]
        return found

    Benchmarks.load = classmethod(load)
    try:
        yield
    finally:
        Benchmarks.load = original


def _measured(results: str, benchmarks: Benchmarks) -> set[str]:
    found: set[str] = set()
    try:
        for each in iter_results(results):
            found |= set(each.get_result_keys(benchmarks))
    except UserError:
        # asv itself says which file it is, when it comes to it.
        return set()
    return found


#: Files beside results that are none.
OTHERS = (CALIBRATION, LOADERS)

_MACHINE = "machine.json"
_NAMED = 8  # of many things that are said in one line


@dataclass
class Sifted:
    """What was found in a results directory."""

    #: Files that are published.
    sound: list[Path] = field(default_factory=list)
    #: What is wrong with each file that cannot be read, a line each.
    damaged: list[str] = field(default_factory=list)
    #: Commits that the history does not have, with the machines that have results of them.
    unknown: dict[str, list[str]] = field(default_factory=dict)
    #: Results of other versions of a benchmark: its name, theirs (and whether only a part of it) and its own, and in
    #: how many files.
    old: dict[tuple[str, str, str], int] = field(default_factory=dict)
    #: Benchmarks that the suite has no more.
    gone: set[str] = field(default_factory=set)

    def said(self, where: str) -> Iterator[str]:
        """Say what is not published, in lines; ``where`` names the history's branches."""
        for line in self.damaged:
            yield f"not published: {line}; it stays as it is: restore it or move it away"
        if self.unknown:
            named = [f"{commit[:8]} ({', '.join(names)})" for commit, names in self.unknown.items()]
            yield f"kept and not published: results of commits that are neither on {where} nor a tag: {_listed(named)}"
        if self.old:
            named = [
                f"{name} version {theirs} (now {own}; {_files(number)})"
                for (name, theirs, own), number in sorted(self.old.items())
            ]
            yield f"kept and not published: results of other versions: {_listed(named)}"
        if self.gone:
            yield f"kept and not published: benchmarks that the suite has no more: {_listed(sorted(self.gone))}"


@contextmanager
def view(results: Path, known: Sifted) -> Iterator[Path]:
    """Make a directory that shows the sound part of a results directory, by links, as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="alb-results-") as place:
        for path in (Path(Benchmarks.get_benchmark_file_path(str(results))), *known.sound):
            shown = Path(place) / path.relative_to(results)
            shown.parent.mkdir(exist_ok=True)
            shown.symlink_to(path.absolute())
        yield Path(place)


def behind(seen: Path) -> Path:
    """Return the results directory behind a view; one that is no view is its own."""
    return Path(Benchmarks.get_benchmark_file_path(str(seen))).resolve().parent


def benchmarks_of(results: Path) -> dict[str, dict[str, Any]]:
    """Read asv's list of benchmarks."""
    path = Path(Benchmarks.get_benchmark_file_path(str(results)))
    try:
        content = load_json(str(path), api_version=Benchmarks.api_version)
        for name, benchmark in content.items():
            if not isinstance(benchmark["params"], list) or not isinstance(benchmark["version"], str):
                raise ValueError(f"{name} has no parameters or no version")
    except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AlbError(
            f"{path} cannot be read as asv's list of benchmarks ({one_line(error)}): restore it, or move it away and "
            "it is made anew"
        ) from error
    return dict(content)


def sift(results: Path, benchmarks: Mapping[str, Mapping[str, Any]], commits: Collection[str]) -> Sifted:
    """Look at every file of a results directory, and change none."""
    found = Sifted()
    for directory in sorted(path for path in results.iterdir() if path.is_dir() and not path.name.startswith(".")):
        files = [path for path in sorted(directory.glob("*.json")) if path.name not in (_MACHINE, *OTHERS)]
        if not files and not (directory / _MACHINE).exists():
            continue
        try:
            machine = _machine(directory)
        except AlbError as error:
            found.damaged.append(str(error))
            continue
        found.sound.append(directory / _MACHINE)
        for path in files:
            _sift_file(found, path, machine, benchmarks, commits)
    return found


def _sift_file(
    found: Sifted, path: Path, machine: str, benchmarks: Mapping[str, Mapping[str, Any]], commits: Collection[str]
) -> None:
    try:
        content = Results.load(str(path), machine_name=machine)
        old = _old(content, benchmarks)
        _require_sound(carry(content), benchmarks)
    except UserError as error:
        found.damaged.append(f"{path} cannot be read: {one_line(error)}")
        return
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        found.damaged.append(f"{path} is no results file of asv's: {type(error).__name__}: {one_line(error)}")
        return
    if content.commit_hash not in commits:
        found.unknown.setdefault(content.commit_hash, []).append(machine)
        return
    found.gone |= content.get_all_result_keys() - benchmarks.keys()
    for entry in old:
        found.old[entry] = found.old.get(entry, 0) + 1
    found.sound.append(path)


def _old(content: Results, benchmarks: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Name what is of another version of its benchmark, and not said to be the same: name, their version, its own."""
    found = []
    for name in content.get_all_result_keys() & benchmarks.keys():
        theirs, own = content.benchmark_version.get(name), benchmarks[name]["version"]
        kept = same(content, name) or [False]
        if theirs is not None and theirs != own and not all(kept):
            found.append((name, f"{theirs}, in part" if any(kept) else theirs, own))
    return found


def _machine(directory: Path) -> str:
    path = directory / _MACHINE
    try:
        name = load_json(str(path), api_version=Machine.api_version)["machine"]
    except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AlbError(
            f"{path}, without which no results beside it count, cannot be read: {one_line(error)}"
        ) from error
    return str(name)


def _require_sound(content: Results, benchmarks: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse what asv's graphs would stumble over."""
    if not isinstance(content.commit_hash, str) or not isinstance(content.date, int):
        raise ValueError("commit_hash or date is missing")
    for name in content.get_result_keys(benchmarks):
        parameters: Sequence[Any] = benchmarks[name]["params"]
        values = content.get_result_value(name, parameters)
        content.get_result_stats(name, parameters)
        for value in values:
            if value is not None and (not isinstance(value, int | float) or math.isinf(value)):
                raise ValueError(f"{name} has {value!r}, expected numbers")


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
