import pytest

from alb_core.base import pythons
from alb_core.base.errors import AlbError
from alb_core.base.pythons import Python, executable


def program(directory, name, line):
    path = directory / name
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A PATH of two directories, and nothing else on it."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    monkeypatch.setenv("PATH", f"{one}:{other}")
    return one, other


def test_what_does_not_run_or_is_another_is_passed_over(path):
    program(path[0], "python3.98", "exit 127")
    program(path[0], "python3.97", "echo 3.96")
    good = program(path[1], "python3.98", "echo 3.98")
    assert executable(Python(3, 98)) == good
    assert executable(Python(3, 97)) is None


def test_the_first_that_is_here_is_measured(path, monkeypatch):
    monkeypatch.setattr(pythons, "pythons", lambda: [Python(3, 99), Python(3, 98), Python(3, 97)])
    choose = pythons.measured.__wrapped__
    with pytest.raises(AlbError, match=r"one of Python 3\.99, 3\.98, 3\.97 on PATH"):
        choose()
    program(path[0], "python3.97", "echo 3.97")
    assert choose() == (3, 97)
    program(path[0], "python3.98", "echo 3.98")
    assert choose() == (3, 98) and str(choose()) == "3.98" and choose().tag == "cp398"


def test_headers_are_those_of_the_python_that_is_measured(path):
    line = 'case "$3" in *include*) echo /its/include;; *) echo 3.98;; esac'
    program(path[0], "python3.98", line)
    assert str(pythons.include(Python(3, 98))) == "/its/include"
