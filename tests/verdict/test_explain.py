"""Code, dependencies or machine: what follows from measuring one of them changed at a time."""

import contextlib
from types import SimpleNamespace

import pytest
from recorded import CASES, PEAKS, noisy, peaks, quiet, rounds_of

from alb_core.errors import AlbError
from alb_core.verdict import canary, explain
from alb_core.verdict.explain import causes, conclusion, machine, worst
from alb_core.verdict.judge import Judge
from alb_core.verdict.measure import Measured
from alb_core.verdict.sides import CouldNotMeasureError, Side, dependencies
from alb_core.verdict.statistics import Word

WORSE, SAME, UNKNOWN, BETTER = Word.WORSE, Word.SAME, Word.UNKNOWN, Word.BETTER
QUIET = canary.seen({"numpy": [1.0] * 9, "read": [1.0] * 9}, {})


def judged(rounds):
    return Judge().verdict(rounds)


def test_the_worst_come_first_and_few_of_them():
    pairs = {f"CASES_{n}": quiet(20, ratio) for n, ratio in enumerate([1.2, 1.0, 1.5, 1.3])}
    rounds = rounds_of(**pairs, PEAKS_1=peaks(4, 500e6))
    assert worst(judged(rounds), rounds) == [PEAKS[1], CASES[2], CASES[3]]


@pytest.mark.parametrize(
    ("dependencies_alone", "code_alone", "said"),
    [
        (WORSE, SAME, "the dependencies are the cause"),
        (WORSE, UNKNOWN, "the dependencies are a cause"),
        (SAME, WORSE, "the commit's code is the cause"),
        (BETTER, WORSE, "the commit's code is the cause"),
        (UNKNOWN, WORSE, "the code is a cause"),
        (WORSE, WORSE, "both are causes"),
        (SAME, SAME, "neither is by itself: they are the cause together"),
        (SAME, UNKNOWN, "not known"),
        (UNKNOWN, UNKNOWN, "not known"),
    ],
)
def test_what_follows_from_either_alone(dependencies_alone, code_alone, said):
    assert conclusion(dependencies_alone, code_alone) == said


def test_each_case_is_told_with_its_figures():
    slower, same = judged(rounds_of(CASES_0=quiet(20, 1.4))), judged(rounds_of(CASES_0=quiet(20)))
    [line] = causes(CASES[:1], dependencies_alone=same, code_alone=slower)
    assert line.startswith("read.Read.epoch('table', 64), time: old code with new dependencies ")
    assert line.endswith("the commit's code is the cause") and "no change; new code with old dependencies +4" in line


def test_a_mix_that_does_not_run_is_not_known():
    broken = rounds_of(CASES_0=[])
    broken.failures[CASES[0]] = "HEAD: ImportError: no tiledb"
    [line] = causes(CASES[:1], dependencies_alone=judged(broken), code_alone=judged(rounds_of(CASES_0=quiet(20, 1.4))))
    assert "old code with new dependencies does not run (ImportError: no tiledb)" in line
    assert line.endswith("the code is a cause")


def test_the_machine_is_the_cause_only_where_it_changed_more_than_it_varies():
    slower = canary.seen({"numpy": [1.3] * 9, "read": [1.05] * 9}, {})
    assert "it is not the cause" in machine(QUIET, QUIET)
    assert "numpy +30 %, read +5 %" in machine(QUIET, slower) and "the machine itself changed" in machine(QUIET, slower)


def side(**packages):
    return SimpleNamespace(packages={"tiledbsoma": "1", **packages}, commit="c")


def test_dependencies_are_those_that_differ_and_tiledbsoma_is_none():
    assert dependencies(side(numpy="1", somacore="1"), SimpleNamespace(packages={"tiledbsoma": "2"})) == [
        "dependencies differ: numpy 1 -> none, somacore 1 -> none"
    ]
    assert dependencies(side(numpy="1"), side(numpy="1")) == []


class Exchanged:
    """Mixes whose rounds are known: the dependencies alone first, then the code alone."""

    def __init__(self, monkeypatch, *pairs, fault=None):
        self.pairs, self.names, self.budgets, self.fault = list(pairs), [], [], fault
        self.interrupted = False
        monkeypatch.setattr(explain, "mixed", self.mixed)
        monkeypatch.setattr(explain, "measure", self.measure)
        monkeypatch.setattr(explain.canary, "look", lambda expected: QUIET)

    @contextlib.contextmanager
    def mixed(self, conf, side, commit, name):
        if self.fault:
            raise self.fault
        self.names.append(name)
        yield SimpleNamespace(name=name)

    def measure(self, bench, keeper, rounds, budget, still_open):
        self.budgets.append(budget)
        rounds.pairs[CASES[0]] = self.pairs.pop(0)
        return Measured(interrupted=self.interrupted)


def explained(base, head, ratio=1.4):
    rounds = rounds_of(CASES_0=quiet(20, ratio))
    return explain.explain(None, (base, head), judged(rounds), rounds, 60.0, Judge(), lambda sides: None, QUIET)


def test_old_code_with_new_dependencies_and_the_reverse(monkeypatch):
    mixes = Exchanged(monkeypatch, quiet(20, 1.4), quiet(20))
    said = explained(side(somacore="1"), side(somacore="2"))
    assert mixes.names == ["the old code with the new dependencies", "the new code with the old dependencies"]
    assert mixes.budgets == [30, 30]
    assert "not the cause" in said[0] and said[1].endswith("the dependencies are the cause")


def test_where_dependencies_are_the_same_nothing_is_exchanged(monkeypatch):
    mixes = Exchanged(monkeypatch)
    assert explained(side(), side())[1:] == ["both commits have the same dependencies: the change is the commit's own"]
    assert mixes.names == []


def test_without_a_regression_there_is_nothing_to_explain(monkeypatch):
    assert explained(side(), side(), ratio=1.0) == ["nothing to explain: nothing is worse"]


@pytest.mark.parametrize("fault", [None, AlbError("pip failed")])
def test_a_mix_is_an_environment_of_its_own_and_gone_afterwards(monkeypatch, tmp_path, fault):
    monkeypatch.setenv("ALB_DATA", str(tmp_path))
    source, left = tmp_path / "env" / "abc", tmp_path / "mix" / "left"
    (source / "lib").mkdir(parents=True)
    (source / "lib" / "stack.py").write_text("x = 1\n")
    left.mkdir(parents=True)
    exchanged = []

    def exchange(environment, commit):
        exchanged.append((environment, commit))
        (environment / "lib" / "stack.py").unlink()
        if fault:
            raise fault

    monkeypatch.setattr(explain, "exchange", exchange)
    monkeypatch.setattr(explain, "environment_at", lambda conf, root: root)
    head = Side("HEAD", "HEAD", "c" * 40, SimpleNamespace(_path=str(source)))
    try:
        with explain.mixed(None, head, "d" * 40, "a mix") as made:
            assert (made.label, made.name, made.commit) == ("HEAD", "a mix", "c" * 40)
            assert made.environment == tmp_path / "mix" and not fault
    except CouldNotMeasureError as error:
        assert str(error) == "a mix: pip failed" and fault
    assert exchanged == [(tmp_path / "mix" / "abc", "d" * 40)]
    assert not (tmp_path / "mix").exists() and (source / "lib" / "stack.py").read_text() == "x = 1\n"


@pytest.mark.parametrize("fault", [CouldNotMeasureError("pip failed"), AlbError("pip failed")])
def test_what_cannot_be_exchanged_leaves_the_verdict(monkeypatch, fault):
    Exchanged(monkeypatch, fault=fault)
    assert explained(side(somacore="1"), side(somacore="2"))[-1] == "not explained: pip failed"


def test_an_interrupt_ends_it(monkeypatch):
    mixes = Exchanged(monkeypatch, quiet(2))
    mixes.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        explained(side(somacore="1"), side(somacore="2"))


def test_noise_explains_nothing(monkeypatch):
    import numpy as np

    rng = np.random.default_rng(3)
    Exchanged(monkeypatch, noisy(rng, 8), noisy(rng, 8))
    assert explained(side(somacore="1"), side(somacore="2"))[-1].endswith("not known")
