"""Which results are published, and which are not and why; nothing of them is changed.

asv reads results through a directory of what it is to draw: one damaged file would end it with a traceback. The files
there have the cases that the commits of a machine share (:mod:`~alb_core.rounds.results.shared`), and the list has the
benchmarks of those: the grid asks for a graph of each benchmark in its list, and draws nothing where one has none.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asv.benchmarks import Benchmarks
from asv.machine import Machine
from asv.results import Results
from asv.util import UserError, load_json, write_json

from alb_core.base.errors import AlbError, one_line
from alb_core.base.files import scratch_directory
from alb_core.rounds.results import shared
from alb_core.rounds.results.carried_versions import carry, same
from alb_core.rounds.results.machines import BESIDE_RESULTS, check_name
from alb_core.rounds.results.shared import Line

#: Within a directory of what is drawn: the results directory itself.
_ORIGIN = ".results"
#: And what is drawn of each machine, as the site says it.
DRAWN = ".drawn"
_MACHINE = "machine.json"
_PLAIN = str.maketrans({"<": "\u2039", ">": "\u203a", "&": "+"})
_BENCHMARK = re.compile(r"[\w.]+")
_NAMED = 8  # of many things that are said in one line


@dataclass
class Examined:
    """What was found in a results directory."""

    valid: list[Path] = field(default_factory=list)
    #: What these files have, by machine and environment.
    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    #: What is wrong with each file that cannot be read, a line each.
    damaged: list[str] = field(default_factory=list)
    #: Commits that the history does not have, with the machines that have results of them.
    unknown: dict[str, list[str]] = field(default_factory=dict)
    #: Results of other versions of a benchmark: its name, theirs (and whether only a part of it) and its own, and in
    #: how many files.
    old: dict[tuple[str, str, str], int] = field(default_factory=dict)
    #: Benchmarks that the suite has no more.
    gone: set[str] = field(default_factory=set)

    def not_published(self, where: str) -> Iterator[str]:
        """Say what is not published, in lines; ``where`` names the history's branches."""
        for line in self.damaged:
            yield f"not published: {line}; it stays as it is: restore it or move it away"
        if self.unknown:
            named = [f"{commit[:8]} ({', '.join(names)})" for commit, names in self.unknown.items()]
            yield f"kept and not published: results of commits that are neither on {where} nor a tag: {_listed(named)}"
        if self.old:
            named = [
                f"{name} version {theirs} (now {own}; {number} {'file' if number == 1 else 'files'})"
                for (name, theirs, own), number in sorted(self.old.items())
            ]
            yield f"kept and not published: results of other versions: {_listed(named)}"
        if self.gone:
            yield f"kept and not published: benchmarks that the suite has no more: {_listed(sorted(self.gone))}"


@contextmanager
def drawn_alone(results: Path, examined: Examined) -> Iterator[Path]:
    """Make a results directory of what is drawn of the valid files; it lasts for the block."""
    with scratch_directory("results") as place:
        _fill(place, results, examined)
        yield place


def _fill(place: Path, results: Path, examined: Examined) -> None:
    for path in examined.valid:
        made = place / path.relative_to(results)
        made.parent.mkdir(exist_ok=True)
        if path.name == _MACHINE:
            made.write_text(json.dumps(plain(load_json(str(path)))))
            continue
        content = carry(Results.load(str(path)))
        line = examined.lines.get((path.parent.name, content.env_name))
        shared.drawn(content, line.cases if line else set()).save(str(place))
    every = benchmarks_of(results)
    cases = {case for line in examined.lines.values() for case in line.cases}
    # Without any results the list stays as it is.
    narrowed = shared.narrowed(every, cases) if examined.lines else every
    # asv shows code as HTML, and names both as HTML and as text.
    shown = ("pretty_name", "type", "unit")
    listed = {
        name: {
            **one,
            **{key: plain(one[key]) for key in shown if key in one},
            "code": html.escape(str(one.get("code", ""))),
        }
        for name, one in narrowed.items()
    }
    write_json(Benchmarks.get_benchmark_file_path(str(place)), listed, Benchmarks.api_version)
    about = [line.about() for line in examined.lines.values()]
    (place / DRAWN).write_text(json.dumps(about))
    (place / _ORIGIN).symlink_to(results.absolute())


def plain(content: Any) -> Any:
    """Return what JSON holds with nothing that a page takes for HTML: asv's pages put it in as it stands."""
    if isinstance(content, Mapping):
        return {plain(key): plain(value) for key, value in content.items()}
    if isinstance(content, list):
        return [plain(value) for value in content]
    return content.translate(_PLAIN) if isinstance(content, str) else content


def every_result(results: Path) -> Iterator[Results]:
    """Yield all that the valid files hold, drawn or not, of a directory made of them."""
    for path in sorted(results.glob("*/*.json")):
        if path.name != _MACHINE and path.parent.name != _ORIGIN:
            yield carry(Results.load(str(origin(results) / path.relative_to(results))))


def origin(results: Path) -> Path:
    """Return the results directory that a directory of what is drawn was made of; any other is its own."""
    link = results / _ORIGIN
    return link.resolve() if link.is_symlink() else results


def benchmarks_of(results: Path) -> dict[str, dict[str, Any]]:
    """Read asv's list of benchmarks."""
    path = Path(Benchmarks.get_benchmark_file_path(str(results)))
    try:
        content = load_json(str(path), api_version=Benchmarks.api_version)
        for name, benchmark in content.items():
            if not _BENCHMARK.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a benchmark")
            if not isinstance(benchmark["params"], list) or not isinstance(benchmark["version"], str):
                raise ValueError(f"{name} has no parameters or no version")
    except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AlbError(
            f"{path} cannot be read as asv's list of benchmarks ({one_line(error)}): restore it, or move it away and "
            "it is made anew"
        ) from error
    return dict(content)


def examine(results: Path, benchmarks: Mapping[str, Mapping[str, Any]], commits: Collection[str]) -> Examined:
    """Look at every file of a results directory, and change none."""
    found = Examined()
    for directory in sorted(path for path in results.iterdir() if path.is_dir() and not path.name.startswith(".")):
        files = [path for path in sorted(directory.glob("*.json")) if path.name not in (_MACHINE, *BESIDE_RESULTS)]
        if not files and not (directory / _MACHINE).exists():
            continue
        try:
            machine = _machine(directory)
        except AlbError as error:
            found.damaged.append(str(error))
            continue
        found.valid.append(directory / _MACHINE)
        for path in files:
            _examine_file(found, path, machine, benchmarks, commits)
    return found


def _examine_file(
    found: Examined, path: Path, machine: str, benchmarks: Mapping[str, Mapping[str, Any]], commits: Collection[str]
) -> None:
    try:
        content = Results.load(str(path), machine_name=machine)
        old = _old(content, benchmarks)
        _require_valid(carry(content), benchmarks)
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
    line = found.lines.setdefault((path.parent.name, content.env_name), Line(machine))
    if cases := shared.cases_of(content, benchmarks):
        line.commits[content.commit_hash] = cases
    found.valid.append(path)


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
        name = str(load_json(str(path), api_version=Machine.api_version)["machine"])
        check_name(name)
    except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, AlbError) as error:
        raise AlbError(
            f"{path}, without which no results beside it count, cannot be read: {one_line(error)}"
        ) from error
    return name


def _require_valid(content: Results, benchmarks: Mapping[str, Mapping[str, Any]]) -> None:
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


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
