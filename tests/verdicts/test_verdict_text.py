"""A verdict as text, Markdown and JSON."""

import json

import pytest
from recorded import BASE, CASES, HEAD, PEAKS, peaks, quiet, rounds_of, saying, works

from alb_core.cases.work import Work
from alb_core.rounds import canary
from alb_core.rounds.pairs import Pair
from alb_core.verdicts import verdict_text
from alb_core.verdicts.calibration_file import Calibration, Rate, VerdictRates
from alb_core.verdicts.judge import Judge
from alb_core.verdicts.verdict_text import Context
from alb_core.verdicts.work_changes import ComparedWork, change_of


def context(**other):
    plain = {"base": "main", "head": "HEAD", "base_commit": BASE, "head_commit": HEAD, "machine": "m"}
    return Context(**{**plain, "seconds": 61.0, "budget": 600.0, "recorded": 0, **other})


@pytest.fixture
def worse():
    pairs = {f"CASES_{n}": quiet(20, ratio) for n, ratio in enumerate([1.3, 1.0, 1.3, 40.0])}
    rounds = rounds_of(**pairs, PEAKS_0=peaks(4, 200e6), COUNTS_0=[Pair((7.0,), (9.0,))] * 2)
    rounds.failures[PEAKS[1]] = "HEAD: ValueError: no"
    rounds.pairs[PEAKS[1]] = []
    return Judge().verdict(rounds)


def test_text_ends_with_one_line_for_the_whole(worse):
    lines = verdict_text.text(worse, context(recorded=12)).splitlines()
    assert lines[0].split()[:2] == ["benchmark", "work"] and "visible" in lines[0]
    assert lines[-1] == (
        "WORSE by time and memory: HEAD (bbbbbbbb) against main (aaaaaaaa) on m: 4 worse, 1 no change; together: "
        "read.Read.epoch, 4 together"
    )
    row = next(line for line in lines if line.startswith("read.Read.epoch('table', 64)"))
    assert "+200 MB" in row and row.count("worse") == 2 and " .. " in row
    assert any("> +999 %" in line for line in lines) and "12 pairs of earlier calls count" in lines
    assert any("failed on HEAD: ValueError: no" in line for line in lines)
    assert any(line.startswith("machine m is not calibrated") for line in lines)
    assert "a counter moved: read.Read.track_tiles('table', 64): 7 -> 9" in lines


def test_a_build_is_named_with_what_proves_it(worse):
    said = "wheel x.whl (sha256 dddddddddddd, not proven to be a commit)"
    build = context(head="wheel x.whl", head_commit="d" * 64, head_build=said)
    assert f": {said} against main (aaaaaaaa) on m" in verdict_text.text(worse, build).splitlines()[-1]
    assert json.loads(verdict_text.as_json(worse, build))["head_build"] == said


def test_markdown_is_a_table_under_the_line_for_the_whole(worse):
    lines = verdict_text.markdown(worse, context(interrupted=True)).splitlines()
    assert lines[0].startswith("### WORSE by time and memory: HEAD (bbbbbbbb)") and lines[2].startswith("| benchmark")
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(worse.rows) and len({line.count("|") for line in table}) == 1
    assert any("**worse**" in line and "`read.Read.epoch('table', 64)`" in line for line in table)
    assert lines[-1] == "- interrupted: the rounds are kept, and the same command goes on"


def test_json_holds_everything(worse):
    seen = canary.seen({"numpy": [1.0, 1.0, 1.1], "read": [2.0, 2.0, 9.0]}, {"read": 0.4})
    content = json.loads(verdict_text.as_json(worse, context(canary=seen)))
    assert (content["verdict"], content["exit_status"]) == ("worse", 1)
    assert content["headline"].startswith("WORSE by time and memory: ") and content["counts"]["no change"] == 1
    assert (content["base_commit"], content["machine"]) == (BASE, "m")
    row = next(row for row in content["rows"] if row["name"] == "read.Read.epoch('table', 64)")
    assert row["time"]["word"] == "worse" and row["time"]["low"] < row["time"]["change"] < row["time"]["high"]
    assert row["memory"]["unit"] == "bytes" and content["canary"]["expected"]["read"] == 0.4


def test_what_could_not_be_measured_says_why():
    few = Judge().verdict(rounds_of(CASES_0=quiet(3)))
    assert verdict_text.headline(few, context()).startswith("COULD NOT MEASURE HEAD (bbbbbbbb)")
    assert "6 rounds; give a larger --budget" in verdict_text.text(few, context())
    rounds = rounds_of(CASES_0=[])
    rounds.failures[CASES[0]] = "BASE: ImportError: torch"
    assert verdict_text.headline(Judge().verdict(rounds), context()).endswith("BASE: ImportError: torch")
    assert json.loads(verdict_text.as_json(few, context()))["verdict"] == "could not measure"


def test_a_calibration_and_a_noisy_machine_are_told(worse):
    drawn = {"resampled_false_alarms": Rate(7, 200), "resampled_power": {"10%": Rate(190, 200)}}
    known = VerdictRates(Rate(1, 100), {"10%": Rate(19, 20)}, **drawn, visible=0.062)
    calibration = Calibration("m", "2026-11-22", BASE, 600.0, {}, {}, known)
    seen = canary.seen({"numpy": [1.0, 2.0, 3.0]}, {})
    text = verdict_text.text(worse, context(calibration=calibration, canary=seen))
    lines = [
        "by calibration (2026-11-22), verdicts of m give a false alarm in 1 of 100 (0.0 to 5.4 %); resampled 7 of 200",
        "they find 10% more in 19 of 20 (75.1 to 99.9 %); resampled 190 of 200",
        "the smallest change that they show in 95 of 100 is about 6 %",
    ]
    assert set(lines) <= set(text.splitlines())
    assert json.loads(verdict_text.as_json(worse, context(calibration=calibration)))["calibration"]["visible"] == 0.062
    short = verdict_text.text(worse, context(calibration=calibration, budget=120.0))
    assert "verdicts of m of 10 min (this one: 2 min) give a false alarm in" in short
    assert "too noisy right now" in text


def names(prefix, count, size):
    return {f"lib {prefix}|{n}": size for n in range(count)}


@pytest.fixture
def other_work():
    """A case that does more work in a dozen functions, one whose threads make its counts vary, and one as before."""
    more = change_of([Work(10**8, names("f", 12, 10**6))] * 2, [Work(112 * 10**6, names("f", 12, 2 * 10**6))] * 2)
    varying = change_of([Work(10**8), Work(101 * 10**6)], [Work(10**8)])
    changes = {CASES[0].row: more, CASES[1].row: varying, **works(CASES_2=1.0).changes}
    rounds = rounds_of(**{f"CASES_{n}": saying(quiet(4)) for n in range(3)})
    return Judge().verdict(rounds, ComparedWork("valgrind 3.19.0", changes))


def test_other_work_is_told_with_the_functions_that_took_it(other_work):
    lines = verdict_text.text(other_work, context()).splitlines()
    assert lines[-1].startswith("WORSE by work: HEAD (bbbbbbbb)")
    place = lines.index("read.Read.epoch('table', 64): 100.0 M -> 112.0 M instructions (+12.00 %)")
    assert lines[place + 1] == "  lib f|0: 1.0 M -> 2.0 M (+1.0 %)"
    assert lines[place + 11] == "  and 2 more" and not any(" instructions (+0" in line for line in lines)
    assert any("+0.00 % (counts of one commit: 1.00 % apart)" in line for line in lines)
    assert any("valgrind 3.19.0" in line for line in lines)
    assert any("4 rounds exclude 10 % of a benchmark" in line for line in lines)


def test_markdown_folds_the_functions_and_json_has_them_all(other_work):
    lines = verdict_text.markdown(other_work, context()).splitlines()
    begin, end = lines.index("<details>"), lines.index("</details>")
    assert sum(line.startswith("| `lib f¦") for line in lines[begin:end]) == 12
    table = [line for line in lines[:begin] if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1 and any("**worse**" in line for line in table)
    content = json.loads(verdict_text.as_json(other_work, context()))
    assert (content["by"], content["counter"]) == (["work"], "valgrind 3.19.0")
    work = next(row["work"] for row in content["rows"] if row["name"] == CASES[0].row)
    assert work["change"] == pytest.approx(0.12) and len(work["functions"]) == 12 and work["word"] == "worse"


def test_what_work_and_clock_contradict_is_told():
    found = Judge().verdict(rounds_of(CASES_0=quiet(20, 0.7)), works(CASES_0=1.3))
    assert verdict_text.headline(found, context()).startswith("BETTER by time: ")
    said = f"{CASES[0].row}: work is worse and time better: the clock's word counts"
    assert said in verdict_text.text(found, context())


def test_no_change_says_by_what():
    found = Judge().verdict(rounds_of(CASES_0=saying(quiet(4)), PEAKS_0=peaks(4)), works(CASES_0=1.0))
    assert verdict_text.headline(found, context()).startswith("NO CHANGE by work, time and memory: ")
