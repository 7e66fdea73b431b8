"""From commit to commit: what is measured, skipped, and said."""

import re
import shlex

import pytest
import toy
from recorded import CASES, PEAKS, peaks, quiet

from alb_core.base.errors import AlbError
from alb_core.rounds.cases import Kind
from alb_core.rounds.installed_commits import CouldNotMeasureError
from alb_core.rounds.pairs import Rounds
from alb_core.verdicts import bisect, bisect_search
from alb_core.verdicts.bisect import BisectRequest, BisectResult, between, text
from alb_core.verdicts.bisect_search import Search

COMMITS = [letter * 40 for letter in "0123456789"]
ASKED = BisectRequest("good", "bad", ("time",))


class History:
    """Commits of which some are bad, some cannot be built, and one does not run; rounds come in tens."""

    def __init__(self, first=6, broken=(), failing=(), most=200):
        self.first, self.broken, self.failing, self.most = first, broken, failing, most
        self.kept, self.asked = {}, []

    def rounds_of(self, commit, cases, established):
        place = COMMITS.index(commit)
        rounds = Rounds.of(cases)
        for case in cases:
            rounds.pairs[case] += self.kept.get((commit, case), [])
        if not established(rounds):
            return rounds
        self.asked.append(place)
        if place in self.broken:
            raise CouldNotMeasureError("cannot be built")
        while still := established(rounds):
            for case in still:
                if place in self.failing:
                    rounds.failures[case] = "HEAD: ValueError"
                    continue
                done = len(rounds.pairs[case])
                if done >= self.most:
                    return rounds
                more = 1.4 if place >= self.first else 1.0
                rounds.pairs[case] = quiet(done + 2, more) if case.kind is Kind.TIME else peaks(done + 2)
                self.kept[commit, case] = rounds.pairs[case]
        return rounds


def searched(history, cases=CASES[:1], count=10):
    found = BisectResult(Search(COMMITS[:count]), "m")
    bisect._search(found, cases, bisect_search.error_of_each(count - 1), history.rounds_of)
    return found


@pytest.fixture
def said(monkeypatch):
    monkeypatch.setattr(bisect, "git", lambda *words: f"{words[-1][:7]} title")
    monkeypatch.setattr(bisect, "history_root", lambda: None)
    return lambda found: text(found, ASKED).splitlines()


def test_it_is_found_in_few_tests_and_can_be_seen_again(said):
    history = History()
    found = searched(history)
    assert found.search.candidates == [COMMITS[6]] and found.exit_status == 0
    assert history.asked[0] == 9 and found.search.tests <= 4 and found.error <= bisect_search.ERROR
    lines = said(found)
    assert lines[-1] == "FIRST BAD COMMIT: 6666666 title"
    *command, pattern = shlex.split(lines[-2].removeprefix("to see it again: "))
    assert command == ["alb", "verdict", "5555555555", "6666666666", "-b"]
    assert [case for case in CASES + PEAKS if re.search(pattern, case.name)] == [CASES[0]]


def test_rounds_that_are_there_are_not_measured_again():
    history = History()
    searched(history)
    history.asked.clear()
    assert searched(history).search.candidates == [COMMITS[6]] and history.asked == []


def test_a_commit_that_cannot_be_built_or_does_not_run_is_skipped(said):
    found = searched(History(broken=(4, 5), failing=(6,)))
    assert (
        found.search.candidates == [COMMITS[place] for place in (4, 5, 6, 7)]
        or found.search.candidates[-1] == (COMMITS[6])
    )
    lines = said(found)
    assert "skipped 4444444444: cannot be built" in lines and found.exit_status == 0
    assert lines[-1].startswith("FIRST BAD COMMIT, one of ")
    skipped = {line.split()[1].rstrip(":") for line in lines if line.startswith("skipped")}
    assert {COMMITS[place][:10] for place in (4, 5, 6)} == skipped


def test_where_nothing_is_worse_nothing_is_bisected(said):
    history = History(first=99)
    found = searched(history)
    assert found.regression is None and found.exit_status == 3 and history.asked == [9]
    assert said(found)[-1].startswith("NOT KNOWN: nothing is known to have become worse (read.Read.epoch('table', 64) ")


def test_what_the_budget_leaves_open_is_told(said):
    history = History(most=2)
    found = searched(history)
    assert found.exit_status == 3 and said(found)[-1].endswith("nothing in 2 rounds): give a larger --budget")
    history.most = 200
    searched(history, count=2)
    history.kept[COMMITS[9], CASES[0]] = quiet(20, 1.4)
    history.most = 2
    lines = said(searched(history))
    assert lines[-1].endswith("rounds (nothing): give a larger --budget") and lines[-2].startswith("one of 9: ")


def test_one_of_several_benchmarks_that_became_worse_is_enough():
    history = History()
    found = searched(history, cases=[CASES[0], PEAKS[0]])
    assert found.regression.case == CASES[0] and found.search.candidates == [COMMITS[6]]
    # Only what is bisected is measured on the commits between.
    assert {case for commit, case in history.kept if commit != COMMITS[9]} == {CASES[0]}


@pytest.fixture
def repository(tmp_path):
    made = toy.Repository(tmp_path / "history")
    made.good = made.commit(toy.tree(), "good")
    made.words = made.commit({"README.md": "Other words.\n"}, "words")
    made.python = made.commit(toy.tree(python=toy.PYTHON + "x = 1\n"), "python")
    made.again = made.commit(toy.tree(python=toy.PYTHON + "x = 2\n"), "again")
    made.tests = made.commit({"apis/python/tests/test_toy.py": "y = 1\n"}, "tests")
    return made


def test_commits_between_are_those_that_change_the_package(repository):
    names = ("good", "bad")
    assert between(repository.path, names, repository.good, repository.tests) == [repository.python, repository.again]
    with pytest.raises(AlbError, match="no commit between them changes the package"):
        between(repository.path, names, repository.good, repository.words)
    with pytest.raises(AlbError, match="good and bad are the same commit"):
        between(repository.path, names, repository.good, repository.good)
    with pytest.raises(AlbError, match="expected the first to be an ancestor of the second; are they the wrong way"):
        between(repository.path, names, repository.tests, repository.good)
    repository.git("checkout", "-q", "--orphan", "other")
    other = repository.commit({"README.md": "x"}, "other")
    with pytest.raises(AlbError, match="an ancestor"):
        between(repository.path, names, repository.good, other)
