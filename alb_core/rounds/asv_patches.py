"""All that is patched in asv, each with the reason: there, asv offers no class to derive from and no hook.

tests/rounds/test_asv_patches.py fails where a new asv has not what is patched, or a private attribute that is used.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asv import results as results_module
from asv import util
from asv.commands import Command, preview
from asv.config import Config
from asv.results import Results, get_filename

from alb_core.base.files import written_beside
from alb_core.rounds.results import carried_versions
from alb_core.rounds.results.machines import BESIDE_RESULTS
from alb_core.rounds.results.resolved_versions import of_another_build, resolved
from alb_core.rounds.results.store import set_aside

_ADD_RESULT, _LOAD, _LOAD_DATA, _SAVE = Results.add_result, Results.load, Results.load_data, Results.save
_ITER_RESULTS_PATHS, _WRITE_JSON = results_module.iter_results_paths, util.write_json


def install() -> None:
    """Patch what holds for as long as this process runs; a second call changes nothing."""
    # asv takes every JSON file beside results for results, and would warn of each of ours.
    results_module.iter_results_paths = _iter_results_paths
    # asv drops what it has of an earlier version, though the version may be the same in part.
    Results.add_result = _add_result
    # asv writes in place: results, benchmarks.json and machine.json would be half there where it is killed meanwhile.
    util.write_json = _write_json


@contextmanager
def versions_saved(*environments: Path) -> Iterator[None]:
    """Within the block, asv saves with results what is installed in the environments, and goes on with no others.

    A commit that is compiled with another TileDB is another build: what the one before gave is set aside.

    asv makes its results itself, with one dictionary for the requirements and for the parameters of graphs: versions
    in that would split every graph at each release.
    """

    def save(self: Results, result_dir: str) -> None:
        self._requirements = {**self._requirements, **resolved(environments, self.commit_hash)}
        _SAVE(self, result_dir)

    def load_data(self: Results, result_dir: str) -> None:
        path = Path(result_dir) / get_filename(self.params["machine"], self.commit_hash, self.env_name)
        if of_another_build(path):
            name = set_aside(path, "other-build").name
            print(f"alb: {path} is of a build with another TileDB; set aside as {name}", file=sys.stderr, flush=True)
        _LOAD_DATA(self, result_dir)

    Results.save, Results.load_data = save, load_data
    try:
        yield
    finally:
        Results.save, Results.load_data = _SAVE, _LOAD_DATA


@contextmanager
def carried_loaded() -> Iterator[None]:
    """Within the block, results that asv reads are of the present version where they are the same.

    asv's publish, compare and show read files themselves. They only show: whoever wrote these results again would
    lose what is not the same, and ``asv run`` would skip it as measured.
    """

    def load(path: str, machine_name: str | None = None) -> Results:
        return carried_versions.carry(_LOAD(path, machine_name))

    # asv calls it on the class, and on results that it fills.
    Results.load = staticmethod(load)
    try:
        yield
    finally:
        Results.load = _LOAD


def around(command: type[Command], run: Callable[[Config, Namespace, Callable[[], Any]], Any]) -> None:
    """Run a command of asv's within a function, which gets its configuration, its arguments and what runs it.

    asv imports plugins after it has chosen the command, so that a class of the same name would come too late.
    """
    unpatched = command.run_from_conf_args
    if hasattr(unpatched, "around"):
        return

    def run_from_conf_args(cls: type[Command], /, conf: Config, args: Namespace, **options: Any) -> Any:
        return run(conf, args, lambda: unpatched(conf, args, **options))

    run_from_conf_args.around = unpatched  # type: ignore[attr-defined]
    command.run_from_conf_args = classmethod(run_from_conf_args)


def serve_by(create: Callable[[Any, int], tuple[Any, str]]) -> None:
    """Let asv's preview make its server by a function: asv's own listens at all addresses of the computer."""
    preview.create_httpd = create


def _iter_results_paths(root: str) -> Iterator[tuple[str, str, str]]:
    return (found for found in _ITER_RESULTS_PATHS(root) if found[1] not in BESIDE_RESULTS)


def _add_result(self: Results, benchmark: dict[str, Any], *args: Any, **options: Any) -> Any:
    carried_versions.carry_one(self, benchmark["name"])
    return _ADD_RESULT(self, benchmark, *args, **options)


def _write_json(path: str, data: Any, api_version: int | None = None, compact: bool = False) -> None:
    # What is a link in a user's home stays one.
    with written_beside(Path(os.path.realpath(path)), durable=False) as stage:
        _WRITE_JSON(str(stage), data, api_version, compact)
