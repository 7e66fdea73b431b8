"""Results of earlier versions of a benchmark that its code says are the same.

asv passes over the results of any version but the present one, and drops them when it measures the benchmark anew. A
new version may change what a part of the grid times, and not the rest. Its class then says so beside it, literally::

    version = "3"
    same_as = {"2": {"method": ["np.array", "scipy.coo"]}}

Of version 2, the combinations with one of these methods are what version 3 times; ``{"2": {}}`` is all of it. Their
results are then published and compared as those of the present version, and stay when asv measures others. The rest of
an old version is passed over as before. Reading changes no file.
"""

from __future__ import annotations

import ast
import copy
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from asv.results import Results

from alb_core.base.paths import suite_root

#: Values by name of a parameter; one that is not named may have any.
Part = Mapping[str, Sequence[Any]]

#: What asv keeps by benchmark, and :func:`carry_one` changes.
BY_NAME = ("_results", "_samples", "_stats", "_benchmark_params", "_benchmark_version")


@dataclass(frozen=True)
class Declared:
    """What a class says of its versions."""

    #: The present one.
    version: str
    param_names: tuple[str, ...]
    #: By earlier version, the part of it that is the same.
    same_as: Mapping[str, Part]


@lru_cache(maxsize=8)
def declared(directory: Path) -> dict[str, Declared]:
    """Return what classes of benchmarks say, by ``module.Class``; those that say nothing are left out.

    Their source is read and not run: it needs the stack.
    """
    found = {}
    for path in sorted(directory.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            declaration = _literals(node) if isinstance(node, ast.ClassDef) else {}
            if isinstance(node, ast.ClassDef) and "same_as" in declaration:
                names = tuple(declaration.get("param_names", ()))
                found[f"{path.stem}.{node.name}"] = Declared(declaration["version"], names, declaration["same_as"])
    return found


def same(results: Results, name: str) -> list[bool] | None:
    """Say which combinations of a benchmark's results are those of the present version, though an earlier one's."""
    declaration = declared(suite_root() / "benchmarks").get(name.rpartition(".")[0])
    part = declaration.same_as.get(results.benchmark_version.get(name)) if declaration else None
    if declaration is None or part is None or name not in results.get_all_result_keys():
        return None
    values = results.get_result_params(name) or []
    if len(values) != len(declaration.param_names):
        return None
    places = {declaration.param_names.index(one): {repr(value) for value in allowed} for one, allowed in part.items()}
    # asv keeps parameters as reprs.
    combinations = itertools.product(*values)
    found = [all(combination[at] in allowed for at, allowed in places.items()) for combination in combinations]
    return found if any(found) else None


def view(results: Results, name: str) -> Results:
    """Return results in which those of a benchmark are of the present version, where they are the same ones."""
    if same(results, name) is None:
        return results
    seen = copy.copy(results)
    for attribute in BY_NAME:
        setattr(seen, attribute, dict(getattr(results, attribute)))
    carry_one(seen, name)
    return seen


def carry(results: Results) -> Results:
    """Let all results of a commit that are the same be of the present version; return them."""
    for name in list(results.get_all_result_keys()):
        carry_one(results, name)
    return results


def carry_one(results: Results, name: str) -> None:
    """Let the results of one benchmark be of the present version, where they are the same."""
    keep = same(results, name)
    if keep is None:
        return
    declaration = declared(suite_root() / "benchmarks")[name.rpartition(".")[0]]
    keep_only(results, name, keep)
    results._benchmark_version[name] = declaration.version


def keep_only(results: Results, name: str, keep: Sequence[bool]) -> None:
    """Leave those combinations of a benchmark's results that are kept."""
    values = results._results[name] or [None] * len(keep)
    # NaN is what asv has where nothing was measured.
    results._results[name] = [value if kept else math.nan for value, kept in zip(values, keep, strict=True)]
    for column in (results._samples, results._stats):
        if column.get(name) is not None:
            column[name] = [value if kept else None for value, kept in zip(column[name], keep, strict=True)]


def _literals(node: ast.ClassDef) -> dict[str, Any]:
    wanted = {"version", "param_names", "same_as"}
    return {
        item.targets[0].id: ast.literal_eval(item.value)
        for item in node.body
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name) and item.targets[0].id in wanted
    }
