"""asv still has what is patched in it, and what is used of it that it does not promise."""

import inspect
import json
from argparse import Namespace

import pytest
from asv import results as results_module
from asv import util
from asv.benchmarks import Benchmarks
from asv.commands import Command
from asv.commands.show import Show
from asv.environment import Environment
from asv.machine import Machine, MachineCollection
from asv.results import Results
from recorded import BASE, blank

from alb_core.asv_plugin import commands
from alb_core.commits.builds import local_tiledb
from alb_core.rounds import asv_patches
from alb_core.rounds.asv_environment import GitObjects, StackEnvironment
from alb_core.rounds.results import carried_versions


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_what_is_patched_has_the_signature_that_the_patch_expects():
    assert parameters(asv_patches._ITER_RESULTS_PATHS) == ["results"]
    assert parameters(asv_patches._SAVE) == ["self", "result_dir"]
    assert parameters(asv_patches._LOAD) == ["path", "machine_name"]
    assert parameters(asv_patches._LOAD_DATA) == ["self", "result_dir"]
    assert parameters(asv_patches._ADD_RESULT)[:3] == ["self", "benchmark", "result"]
    assert parameters(asv_patches._WRITE_JSON) == ["path", "data", "api_version", "compact"]
    assert parameters(Command.run_from_conf_args) == ["conf", "args"]
    assert "machine_name" in parameters(results_module.iter_results_for_machine)


def test_asv_calls_what_is_patched_by_the_name_that_is_patched():
    for caller in (results_module.iter_results, results_module.iter_results_for_machine_and_hash):
        assert "iter_results_paths" in caller.__code__.co_names and "Results" in caller.__code__.co_names
    assert "run_from_conf_args" in Command.run_from_args.__code__.co_names
    for caller in (Results.save, Machine.save, Benchmarks.save, MachineCollection.save):
        assert "write_json" in caller.__code__.co_names, caller
    assert "load" in Results.load_data.__code__.co_names
    assert "plugin_manager" in inspect.getsource(Command.run_from_args), "after the command is chosen"


def test_what_asv_writes_is_whole_or_as_before_and_a_link_stays_a_link(tmp_path, monkeypatch):
    asv_patches.install()
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    link.symlink_to(real)
    util.write_json(str(link), {"b": 1, "a": 2}, 1)
    before = real.read_text()
    assert link.is_symlink() and json.loads(before) == {"a": 2, "b": 1, "version": 1}
    with pytest.raises(TypeError):
        util.write_json(str(link), {"a": object()}, 1)
    assert real.read_text() == before and {path.name for path in tmp_path.iterdir()} == {"real.json", "link.json"}


@pytest.mark.parametrize("name", [*carried_versions.BY_NAME, "_requirements"])
def test_results_have_the_private_attributes_that_are_used(name):
    assert hasattr(blank(BASE), name)


def test_the_environment_overrides_what_asv_calls():
    assert parameters(Environment.__init__)[1:] == ["conf", "python", "requirements", "tagged_env_vars"]
    for name in (
        "create",
        "run",
        "_setup",
        "check_presence",
        "_set_installed_commit_hash",
        "_get_installed_commit_hash",
    ):
        assert hasattr(Environment, name), name
    assert parameters(StackEnvironment.__mro__[1].run) == ["self", "args", "kwargs"]
    assert parameters(GitObjects.__mro__[1].checkout) == ["self", "path", "commit_hash"]
    assert "checkout" in Environment.checkout_project.__code__.co_names


@pytest.mark.parametrize(
    ("patch", "name"), [("versions_saved", "save"), ("versions_saved", "load_data"), ("carried_loaded", "load")]
)
def test_asv_is_as_before_after_a_block(patch, name):
    before = getattr(Results, name)
    with pytest.raises(KeyError), getattr(asv_patches, patch)():
        assert getattr(Results, name) != before
        raise KeyError
    assert getattr(Results, name) == before


@pytest.mark.parametrize(("tiledb", "counts"), [("", True), (local_tiledb.DOWNLOADED, True), ("2.30.0+0123", False)])
def test_what_a_build_with_another_tiledb_gave_is_set_aside(tmp_path, monkeypatch, tiledb, counts):
    monkeypatch.delenv("TILEDB_PATH", raising=False)
    kept = blank(BASE)
    kept._requirements, kept._duration = {"libtiledb": tiledb}, {"<round>": 1.0}
    kept.save(str(tmp_path))
    found = blank(BASE)
    with asv_patches.versions_saved():
        found.load_data(str(tmp_path))
    assert bool(found.duration) is counts
    assert bool(list(tmp_path.glob("*/*.json.other-build"))) is not counts


def test_a_command_runs_within_its_function_once_however_often_it_is_installed(monkeypatch):
    seen = []

    class Own(Show):
        @classmethod
        def run_from_conf_args(cls, conf, args, more=0):
            return seen.append((conf, args, more)) or "done"

    for name in ("first", "second"):
        asv_patches.around(Own, lambda conf, args, run, name=name: (seen.append(name), run())[1])
    assert Own.run_from_conf_args("conf", Namespace(), more=3) == "done"
    assert seen == ["first", ("conf", Namespace(), 3)]


def test_every_command_that_measures_or_shows_is_wrapped():
    commands.install()
    for name in ("Run", "Continuous", "Find", "Profile", "Check", "Compare", "Show", "Publish", "Preview", "Setup"):
        assert hasattr(getattr(commands, name).run_from_conf_args, "around"), name
