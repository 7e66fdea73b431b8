"""`alb campaign`: its releases, and what a plan and a report say."""

from types import SimpleNamespace

import pytest
from asv.config import Config
from asv.results import get_filename

from alb_core.base import paths
from alb_core.cli.main import main
from alb_core.commits.history import releases_lock
from alb_core.rounds import prepare
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.installed_commits import release_commits, release_root
from alb_core.rounds.measure import MeasuringSummary
from alb_core.rounds.release_schedule import ReleaseSchedule
from alb_core.verdicts import campaign as campaign_module
from alb_core.verdicts.campaign import releases_in
from alb_core.verdicts.campaign_text import lines

RELEASES = releases_lock.load()
CASE = BenchmarkCase("read.Read.time_epoch", 0, ("'table'",), Kind.TIME)


def test_a_plan_changes_nothing_and_tells_what_there_is_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ALB_DATA", str(tmp_path / "data"))
    with pytest.raises(SystemExit) as ended:
        main(["campaign", "-n", "--machine", "nobody", "--rounds", "5", "1.12.0..1.12.3"])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and not (tmp_path / "data").exists()
    assert said.startswith("machine    nobody\nreleases   4, 1.12.0 to 1.12.3\nto install 4 releases\n")
    assert "\nrounds     0 of 5 for each of " in said and "for an unknown time: nothing is measured yet" in said


@pytest.mark.parametrize("words", [["campaign", "-n"], ["history", "steps", "--by", "time"]])
def test_looking_changes_no_damaged_file(tmp_path, monkeypatch, capsys, words):
    monkeypatch.setenv("ALB_DATA", str(tmp_path / "data"))
    listed = (paths.suite_root() / "data" / "results" / "benchmarks.json").read_bytes()
    results = tmp_path / "results"
    (results / "m").mkdir(parents=True)
    (results / "benchmarks.json").write_bytes(listed)
    load = Config.load

    def elsewhere(*args):
        conf = load(*args)
        conf.results_dir = str(results)
        return conf

    monkeypatch.setattr(Config, "load", elsewhere)
    monkeypatch.setattr(releases_lock, "load", lambda: RELEASES[-1:])
    conf = elsewhere(str(paths.suite_root() / "asv.conf.json"))
    prepare.place(conf)
    [release] = release_commits(conf, RELEASES[-1:])
    path = results / get_filename("m", release.commit, release.environment.name)
    path.write_text("{")
    with pytest.raises(SystemExit):
        main([*words, "--machine", "m"])
    assert f"{path} cannot be read" in capsys.readouterr().err
    assert {str(each.relative_to(results)) for each in results.rglob("*")} == {
        *("m", "benchmarks.json"),
        str(path.relative_to(results)),
    }
    (results / "m" / "machine.json").write_text("[1")
    with pytest.raises(SystemExit) as ended:
        main([*words, "--machine", "m"])
    assert ended.value.code == 2 and f"{results / 'm' / 'machine.json'} is no JSON object" in capsys.readouterr().err


def campaign(schedule, **changes):
    known = {
        "machine": "m",
        "releases": schedule.versions,
        "schedule": schedule,
        "work": None,
        "missing": [],
        "ran": True,
    }
    return campaign_module.Campaign(**{**known, "installing": 60.0, "measured": MeasuringSummary(600.0, 3), **changes})


def test_a_report_says_where_it_stands():
    schedule = ReleaseSchedule(["1", "2", "3"], [CASE], 3, counts={("1", CASE): 2}, cost={("1", CASE): 30.0})
    schedule.unusable["3"] = "it cannot be imported"
    schedule.failures["2", CASE] = "ValueError: no"
    found = list(lines(campaign(schedule, missing=["0"])))
    assert found == [
        "machine    m",
        "releases   3, 1 to 3",
        "left out   0, which cannot be installed (above)",
        "rounds     2 of 3 for each of 1 benchmarks of time",
        "this call  3 processes in 10 min, after 60 s of installing",
        "left out   3: it cannot be imported",
        "failed     read.Read.time_epoch('table') at 2: ValueError: no",
        "left       1 processes are left, about 30 s; the same command goes on",
    ]
    assert campaign(schedule).exit_status == 1


def test_exit_statuses():
    whole = ReleaseSchedule(["1"], [CASE], 1, counts={("1", CASE): 1})
    assert campaign(whole).exit_status == 0
    assert campaign(whole, measured=MeasuringSummary(1.0, 0, interrupted=True)).exit_status == 130
    assert campaign(whole, measured=None, ran=False).exit_status == 0
    assert campaign(ReleaseSchedule(["1"], [CASE], 1)).exit_status == 3
    assert campaign(whole, missing=["2"]).exit_status == 1


def test_another_history_is_named_with_what_to_type(monkeypatch):
    shown = SimpleNamespace(path="/mine", kind="clone")
    monkeypatch.setattr(campaign_module.active, "show", lambda: shown)
    with pytest.raises(
        campaign_module.AlbError, match=r"history in use is /mine \(clone\).*`alb history releases` first"
    ):
        campaign_module._require_releases()


def test_the_environments_of_releases_have_paths_of_one_length():
    places = {str(release_root(release)) for release in releases_lock.load()}
    assert len(places) == len(releases_lock.load()) and len({len(place) for place in places}) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "work", "--shard", "0/8"], "--shard '0/8': expected a part and how many there are, such as 2/8"),
        (["--by", "work", "--shard", "9/8"], "--shard '9/8'"),
        (["--by", "work", "--shard", "half"], "--shard 'half'"),
        (["--by", "work", "--shard", "3/8", "2.2.0.."], "--shard 3/8 is empty: there are 2 releases"),
        (["--shard", "2/8"], "--shard 2/8 splits counts, and not measurements of time: add --by work"),
    ],
)
def test_a_shard_that_is_none_is_refused(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["campaign", "-n", *words])
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"alb: {said}")


def versions(words):
    return [release.version for release in releases_in(words, RELEASES)]


def test_a_range_holds_both_of_its_ends():
    everything = [release.version for release in RELEASES]
    assert versions("..") == everything and versions(" .. ") == everything
    assert versions("1.12.0..1.12.3") == ["1.12.0", "1.12.1", "1.12.2", "1.12.3"]
    assert versions("2.3.0") == versions("2.3.0..2.3.0") == ["2.3.0"]
    assert versions("2.2.0..")[:2] == ["2.2.0", "2.3.0"] and versions("..1.8.1") == ["1.7.3", "1.8.1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("1.0.0..", "no release 1.0.0 in the lock, expected one of 1.7.3 to"),
        ("main", "no release main"),
        ("2.0.0..1.8.1", "the range '2.0.0..1.8.1' is empty: 2.0.0 is newer than 1.8.1, so type 1.8.1..2.0.0"),
        ("1.8.1..2.0.0..2.3.0", "no release 2.0.0..2.3.0"),
        ("", "no release  in the lock"),
    ],
)
def test_what_is_no_range_is_refused(words, said):
    with pytest.raises(campaign_module.AlbError) as refused:
        releases_in(words, RELEASES)
    assert said in str(refused.value)
