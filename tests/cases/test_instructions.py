"""Instructions counted by a real valgrind, of functions that are known."""

import os
import platform
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from alb_core.cases import counter, instructions
from alb_core.cases.counter import NoCounterError
from alb_core.cases.work import name_of

try:
    kind = counter.counter_here().kind
except NoCounterError:
    kind = None

FILE = "ob=(1) /a/b.so\nfn=(1) f\n0 100\nfn=(2) g\n+3 7\nob=(1)\nfn=(1)\n* 30\n\ntotals: 137\n"

pytestmark = pytest.mark.skipif(kind != "valgrind", reason="valgrind is not installed")


def count(tmp_path, *combinations):
    scratch = tmp_path / "counted"
    python = Path(sys.executable)
    with instructions.counting(python, scratch, combinations, os.environ, "tests.cases.counted_samples") as process:
        outcomes = process.outcomes()
    assert not scratch.exists()
    return [outcomes[name_of(cls, parameters)] for cls, parameters in combinations]


def test_a_count_is_of_the_epoch_alone_and_exact(tmp_path):
    one, two, native, threaded = count(
        tmp_path, ("Loop", (10_000,)), ("Loop", (20_000,)), ("Native", (2**20,)), ("InThread", (20_000,))
    )
    # What is imported, opened and run before is not in it: twice the work is twice the count.
    assert two.work.instructions == pytest.approx(2 * one.work.instructions, rel=0.02)
    assert threaded.work.instructions == pytest.approx(two.work.instructions, rel=0.1)
    [again] = count(tmp_path, ("Loop", (20_000,)))
    assert again.work.instructions == pytest.approx(two.work.instructions, rel=0.003)
    name, most = next(iter(native.work.functions.items()))
    assert "crc32" in name and most > native.work.instructions / 2


def test_bytecodes_are_counted_by_python_function_in_all_threads(tmp_path):
    one, two, threaded = count(tmp_path, ("Loop", (1000,)), ("Loop", (2000,)), ("InThread", (2000,)))
    name = "tests/cases/counted_samples.py:loop"
    each = (two.work.bytecodes[name] - one.work.bytecodes[name]) / 1000
    assert each == int(each) and 0 < each < 20
    assert threaded.work.bytecodes[name] == two.work.bytecodes[name]


def test_a_case_that_cannot_be_counted_stops_no_other(tmp_path):
    absent, failing, good = count(tmp_path, ("Absent", ()), ("Failing", ()), ("Loop", (10,)))
    assert absent.absent == "this release has no such reader" and absent.work is None
    assert "KeyError" in failing.failed and good.work is not None


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        ("Killed", "more memory than there is"),
        pytest.param(
            "Unknown",
            "does not know an instruction",
            marks=pytest.mark.skipif(platform.machine() != "x86_64", reason="the instruction is x86-64's"),
        ),
    ],
)
def test_a_process_that_dies_keeps_what_it_counted_and_says_why(tmp_path, cls, words):
    good, bad, after = count(tmp_path, ("Loop", (10,)), (cls, ()), ("Loop", (20,)))
    assert good.work is not None and words in bad.failed and words in after.failed
    assert f"{cls}()" in after.failed and f"{cls}()" not in bad.failed


def test_an_interrupted_count_leaves_nothing(tmp_path):
    scratch = tmp_path / "counted"
    combinations = [("Loop", (10**9,))]
    with (
        pytest.raises(KeyboardInterrupt),
        instructions.counting(
            Path(sys.executable), scratch, combinations, os.environ, "tests.cases.counted_samples"
        ) as process,
    ):
        assert process.running and process.counted == 0
        raise KeyboardInterrupt
    assert not process.running and not scratch.exists()


def test_what_an_interrupted_count_left_is_swept_by_the_next(tmp_path):
    left = tmp_path / "counted" / "counted.7"
    left.parent.mkdir()
    left.write_text("of a process that was killed")
    assert count(tmp_path, ("Absent", ()))[0].absent


def test_an_answer_or_a_count_that_was_cut_off_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(instructions, "functions_of", lambda file: (0, {}))
    assert "no instructions" in count(tmp_path, ("Loop", (10,)))[0].failed
    monkeypatch.setattr(instructions, "functions_of", lambda file: int("cut off"))
    assert "cannot be read" in count(tmp_path, ("Loop", (10,)))[0].failed


def test_a_file_cut_off_anywhere_or_half_an_answer_is_a_failure(tmp_path):
    (tmp_path / "counted.1").write_text(FILE)
    (tmp_path / "answers").write_text('{"name": "A()", "file": 1, "bytecodes": {}}\n{"name": "B()", "fi')
    ended = SimpleNamespace(wait=lambda: 1, last_line="No space left on device")
    process = instructions.Counting(ended, tmp_path, [("A", ()), ("B", ())], "valgrind")
    assert process.outcomes()["A()"].work.instructions == 137
    assert "No space left" in process.outcomes()["B()"].failed
    for end in range(len(FILE) - 1):
        (tmp_path / "counted.1").write_text(FILE[:end])
        assert "cannot be read" in process.outcomes()["A()"].failed
    (tmp_path / "counted.1").unlink()
    assert "cannot be read" in process.outcomes()["A()"].failed


def test_memory_that_valgrind_lacks_is_told_as_such(tmp_path):
    (tmp_path / "answers").touch()
    (tmp_path / "said").write_text(
        "==7==     Valgrind's memory management: out of memory:\n==7==  newSuperblock's request"
    )
    ended = SimpleNamespace(wait=lambda: 1, last_line="")
    [outcome] = instructions.Counting(ended, tmp_path, [("A", ())], "valgrind").outcomes().values()
    assert "valgrind ran out of memory" in outcome.failed
