"""Design rule 5: parameters are literal and append-only, and timed code does not change under a version."""

import ast
import inspect
import json
import textwrap

import pytest
import timed_code
from asv._stats import is_different

from alb_core.rounds.prepare import DATASETS
from alb_core.rounds.results import carried_versions
from alb_core.rounds.selections import PROFILES

RECORDED = json.loads(timed_code.RECORD.read_text())
CLASSES = timed_code.classes()
ADVICE = "decide with `python tests/benchmarks/timed_code.py` (its docstring says how)"


def test_every_benchmark_class_is_recorded():
    assert set(CLASSES) == set(RECORDED["classes"]) and set(timed_code.FOLDERS) == set(RECORDED["folders"])


@pytest.mark.parametrize("folder", timed_code.FOLDERS)
def test_code_of_a_timed_folder_changes_only_with_a_decision(folder):
    assert timed_code.folder_fingerprint(folder) == RECORDED["folders"][folder], ADVICE


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_changes_only_with_its_version(name):
    now, recorded = timed_code.state()["classes"][name], RECORDED["classes"][name]
    assert (now["version"], now["fingerprint"]) == (recorded["version"], recorded["fingerprint"]), ADVICE


@pytest.mark.parametrize("name", CLASSES)
def test_parameters_are_append_only(name):
    now, recorded = timed_code.state()["classes"][name], RECORDED["classes"][name]
    assert now["param_names"] == recorded["param_names"]
    for values, before in zip(now["params"], recorded["params"], strict=True):
        assert values[: len(before)] == before
        assert values == before, ADVICE


@pytest.mark.parametrize("name", CLASSES)
def test_parameters_and_version_are_literal(name):
    module, _, cls = name.partition(".")
    tree = ast.parse((timed_code.ROOT / "benchmarks" / f"{module}.py").read_text())
    [body] = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls]
    assignments = [node for node in body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    assigned = {node.targets[0].id: node.value for node in assignments}
    for attribute in ("version", "params", "param_names"):
        ast.literal_eval(assigned[attribute])


@pytest.mark.parametrize(("name", "said"), carried_versions.declared(timed_code.ROOT / "benchmarks").items())
def test_what_is_the_same_as_before_is_of_an_earlier_version_and_of_what_there_is(name, said):
    cls = timed_code.benchmark_class(name)
    assert (said.version, list(said.param_names)) == (cls.version, list(cls.param_names))
    for version, part in said.same_as.items():
        assert int(version) < int(cls.version) and set(part) <= set(cls.param_names)
        for parameter, values in part.items():
            assert set(values) < set(cls.params[cls.param_names.index(parameter)])


#: Those of ``benchmarks/counters.py`` and ``benchmarks/instructions.py`` count one run, and time nothing.
TIMED = [name for name in CLASSES if not name.startswith(("counters.", "instructions."))]


def test_a_folder_is_taken_whole_but_for_what_is_not_timed(tmp_path):
    (tmp_path / "loader" / "training").mkdir(parents=True)
    (tmp_path / "loader" / "packing").mkdir()
    seen = []
    for name in ("order.py", "packing/kernels.py", "training/ranks.py"):
        (tmp_path / "loader" / name).write_text("x = 1\n")
        seen.append(timed_code.folder_fingerprint("loader", tmp_path))
    assert len(set(seen)) == 2 and seen[1] == seen[2]


def test_the_fingerprint_sees_code_and_not_comments():
    plain = timed_code.normalised("def f(a):\n    return a + 1\n")
    assert plain == timed_code.normalised('def f(a):\n    """Say."""\n    # why\n    return (a + 1)\n')
    assert plain != timed_code.normalised("def f(a):\n    return a + 2\n")


def test_a_change_is_undecided_until_a_version_changes():
    def state(version, own, loader):
        return {"folders": {"loader": loader}, "classes": {"C": {"version": version, "fingerprint": own}}}

    assert timed_code.undecided(state("1", "x", "a"), state("1", "y", "a")) == ["C"]
    assert timed_code.undecided(state("1", "x", "a"), state("1", "x", "b")) == ["loader"]
    assert timed_code.undecided(state("1", "x", "a"), state("2", "y", "b")) == []


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
    for name in CLASSES:
        cls = timed_code.benchmark_class(name)
        # What is counted opens its dataset in a method of its own, once for all that is counted.
        opening = inspect.getsource(getattr(cls, "case", None) or getattr(cls, "opened", None) or cls.setup)
        for node in ast.walk(ast.parse(textwrap.dedent(opening))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first = node.args[0]
                # A name is a parameter's; anything else is the dataset itself.
                read |= {first.value} if isinstance(first, ast.Constant) else datasets_of(cls, first.id)
    assert read == {*DATASETS, *(name for profile in PROFILES.values() for name in profile.datasets)}
