"""`alb campaign` as typed: what is refused before anything is made, and what a plan says."""

import itertools
import json
import re
from types import SimpleNamespace

import pytest

from alb_core.base.paths import suite_root
from alb_core.cli.main import main
from alb_core.commits.history import releases_lock
from alb_core.rounds.campaign_rounds import Measured, in_words
from alb_core.rounds.cases import Case, Kind, check
from alb_core.rounds.schedule import Grid
from alb_core.rounds.selections import STANDARD
from alb_core.verdicts import campaign as campaign_module

CASE = Case("read.Read.time_epoch", 0, ("'table'",), Kind.TIME)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--budget", "soon"], "--budget 'soon'"),
        (["--rounds", "0"], "--rounds is 0, expected 1 or more"),
        (["-b", "("], "-b '(' is no regular expression"),
        (["0.1..0.2"], "no release 0.1 in the lock"),
        (["-n", "--machine", "../x"], "'../x'"),
        (["-n", "-b", "no_such_thing"], "no benchmark matches 'no_such_thing'"),
    ],
)
def test_bad_input_is_one_line_and_makes_nothing(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.setenv("ALB_DATA", str(tmp_path / "data"))
    with pytest.raises(SystemExit) as ended:
        main(["campaign", *words])
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and len(lines) == 1 and said in lines[0], lines
    assert not (tmp_path / "data").exists()


def test_a_plan_changes_nothing_and_tells_what_there_is_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ALB_DATA", str(tmp_path / "data"))
    with pytest.raises(SystemExit) as ended:
        main(["campaign", "-n", "--machine", "nobody", "--rounds", "5", "1.12.0..1.12.3"])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and not (tmp_path / "data").exists()
    assert "machine    nobody\nreleases   4, 1.12.0 to 1.12.3\nrounds     0 of 5 for each of " in said
    assert "to install 4 releases" in said and "for an unknown time: nothing is measured yet" in said


def test_every_part_of_the_standard_is_a_benchmark_of_the_committed_list():
    check(STANDARD)
    listed = json.loads((suite_root() / "data" / "results" / "benchmarks.json").read_text())
    names = [
        f"{name}({', '.join(parameters)})"
        for name, entry in listed.items()
        if name != "version"
        for parameters in itertools.product(*entry["params"])
    ]
    for pattern in STANDARD:
        assert any(re.search(pattern, name) for name in names), f"{pattern}: `asv run --bench just-discover` lists anew"


def campaign(grid, **changes):
    return campaign_module.Campaign(
        "m", grid, **{"missing": [], "installing": 60.0, "measured": Measured(600.0, 3), **changes}
    )


def test_a_report_says_where_it_stands():
    grid = Grid(["1", "2", "3"], [CASE], 3, counts={("1", CASE): 2}, cost={("1", CASE): 30.0})
    grid.out["3"] = "it cannot be imported"
    grid.failures["2", CASE] = "ValueError: no"
    found = list(campaign_module.lines(campaign(grid, missing=["0"])))
    assert found == [
        "machine    m",
        "releases   3, 1 to 3",
        "rounds     2 of 3 for each of 1 benchmarks of time",
        "this call  3 processes in 10 min, after 60 s of installing",
        "left out   0, which cannot be installed (above)",
        "left out   3: it cannot be imported",
        "failed     read.Read.time_epoch('table') at 2: ValueError: no",
        "left       1 processes are left, about 30 s; the same command goes on",
    ]
    assert campaign_module.exit_status(campaign(grid)) == 1


def test_exit_statuses():
    whole = Grid(["1"], [CASE], 1, counts={("1", CASE): 1})
    assert campaign_module.exit_status(campaign(whole)) == 0
    assert campaign_module.exit_status(campaign(whole, measured=Measured(1.0, 0, interrupted=True))) == 130
    assert campaign_module.exit_status(campaign(whole, measured=None)) == 0
    assert campaign_module.exit_status(campaign(Grid(["1"], [CASE], 1))) == 3
    assert campaign_module.exit_status(campaign(whole, missing=["2"])) == 1


def test_another_history_is_named_with_what_to_type(monkeypatch):
    shown = SimpleNamespace(is_release_history=False, path="/mine", kind="clone")
    monkeypatch.setattr(campaign_module.active, "show", lambda: shown)
    with pytest.raises(
        campaign_module.AlbError, match=r"history in use is /mine \(clone\).*`alb history releases` first"
    ):
        campaign_module._require_releases()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89, "89 s"), (95, "2 min"), (3599, "1 h 00 min"), (9000, "2 h 30 min")]
)
def test_times_in_words(seconds, words):
    assert in_words(seconds) == words


def test_the_environments_of_releases_have_paths_of_one_length():
    from alb_core.rounds.sides import root_of

    places = {str(root_of(release)) for release in releases_lock.load()}
    assert len(places) == len(releases_lock.load()) and len({len(place) for place in places}) == 1
