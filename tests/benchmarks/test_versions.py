"""Design rule 5: parameters are literal and append-only, and timed code does not change under a version."""

import ast
import inspect
import json
import textwrap

import pytest
import timed_code
from asv._stats import is_different

from alb_core.asv_plugin import continuity
from alb_core.asv_plugin.commands import DATASETS
from alb_core.asv_plugin.profiles import PROFILES

RECORDED = json.loads(timed_code.RECORD.read_text())
ADVICE = "decide with `python tests/benchmarks/timed_code.py` (its docstring says how)"


def test_every_benchmark_class_is_recorded():
    found = {
        f"{path.stem}.{node.name}"
        for path in (timed_code.ROOT / "benchmarks").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    assert found == set(timed_code.CLASSES) == set(RECORDED)


@pytest.mark.parametrize("name", timed_code.CLASSES)
def test_timed_code_changes_only_with_the_version(name):
    now = timed_code.state()[name]
    assert (now["version"], now["fingerprint"]) == (RECORDED[name]["version"], RECORDED[name]["fingerprint"]), ADVICE


@pytest.mark.parametrize("name", timed_code.CLASSES)
def test_parameters_are_append_only(name):
    now = timed_code.state()[name]
    assert now["param_names"] == RECORDED[name]["param_names"]
    for values, recorded in zip(now["params"], RECORDED[name]["params"], strict=True):
        assert values[: len(recorded)] == recorded
        assert values == recorded, ADVICE


@pytest.mark.parametrize("name", timed_code.CLASSES)
def test_parameters_and_version_are_literal(name):
    module, _, cls = name.partition(".")
    tree = ast.parse((timed_code.ROOT / "benchmarks" / f"{module}.py").read_text())
    [body] = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls]
    assignments = [node for node in body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    assigned = {node.targets[0].id: node.value for node in assignments}
    for attribute in ("version", "params", "param_names"):
        ast.literal_eval(assigned[attribute])


@pytest.mark.parametrize(("name", "said"), continuity.declared(timed_code.ROOT / "benchmarks").items())
def test_what_is_the_same_as_before_is_of_an_earlier_version_and_of_what_there_is(name, said):
    cls = timed_code.benchmark_class(name)
    assert (said.version, list(said.param_names)) == (cls.version, list(cls.param_names))
    for version, part in said.same_as.items():
        assert int(version) < int(cls.version) and set(part) <= set(cls.param_names)
        for parameter, values in part.items():
            assert set(values) < set(cls.params[cls.param_names.index(parameter)])


TIMED = [name for name in timed_code.CLASSES if name not in timed_code.COUNTERS]


@pytest.mark.parametrize("name", TIMED)
def test_the_fingerprint_covers_what_is_timed(name):
    covered = set(timed_code.CLASSES[name])
    imported = set()
    for module in covered:
        for node in ast.walk(ast.parse(timed_code.path_of(module).read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "alb_core":
                parts = node.module.split(".")
                # A module of the room of peers stands for itself, any other for its room.
                found = [".".join(parts[1:])] if parts[1:2] == ["peers"] else parts[1:2]
                imported |= set(found) or {alias.name for alias in node.names}
    # suite serves all classes; what a class does not enter is the loader's, or what opens an experiment.
    assert imported - covered - timed_code.UNTIMED <= set(timed_code.LOADING) - {"suite"}
    assert name != "data_loader.DataLoader" or imported <= covered | timed_code.UNTIMED


def test_the_fingerprint_sees_code_and_not_comments():
    plain = timed_code.normalised("def f(a):\n    return a + 1\n")
    assert plain == timed_code.normalised('def f(a):\n    """Say."""\n    # why\n    return (a + 1)\n')
    assert plain != timed_code.normalised("def f(a):\n    return a + 2\n")


def test_a_changed_fingerprint_is_undecided_until_the_version_changes():
    recorded = {"C": {"version": "1", "fingerprint": "x"}}
    assert timed_code.undecided(recorded, {"C": {"version": "1", "fingerprint": "y"}}) == ["C"]
    assert timed_code.undecided(recorded, {"C": {"version": "2", "fingerprint": "y"}}) == []


@pytest.mark.parametrize("name", TIMED)
def test_the_samples_of_a_class_are_enough_for_asvs_own_test(name):
    cls = timed_code.benchmark_class(name)
    count = cls.rounds * cls.repeat
    slow, fast = [2.0 + i / 100 for i in range(count)], [1.0 + i / 100 for i in range(count)]
    assert is_different(slow, fast, None, None)
    # Six a side pass asv's check that there are enough, and can then never differ.
    assert not is_different(slow[:6], fast[:6], None, None)
    # asv swaps the order of two commits from round to round: an even number of rounds is balanced.
    assert cls.rounds % 2 == 0 and cls.number == 1


def datasets_of(cls, name):
    return set(cls.params[cls.param_names.index(name)])


def test_every_dataset_that_a_benchmark_reads_is_made_first():
    read = set()
    for name in timed_code.CLASSES:
        cls = timed_code.benchmark_class(name)
        # What is counted opens its dataset in a method of that name, once for all that is counted.
        opening = inspect.getsource(getattr(cls, "case", None) or cls.setup)
        for node in ast.walk(ast.parse(textwrap.dedent(opening))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first = node.args[0]
                # A name is a parameter's; anything else is the dataset itself.
                read |= {first.value} if isinstance(first, ast.Constant) else datasets_of(cls, first.id)
    assert read == {*DATASETS, *(name for profile in PROFILES.values() for name in profile.datasets)}
