"""From what is recorded to a machine's file."""

import os
from dataclasses import replace

import numpy as np
import pytest
from recorded import BASE, BENCHMARKS, CASES, MACHINE, PEAKS
from streams import streams

from alb_core.base.paths import HISTORY_VARIABLE, data_root, history_root
from alb_core.base.processes import variable_set
from alb_core.rounds.cases import Kind
from alb_core.rounds.installed_commits import CouldNotMeasureError
from alb_core.rounds.measure import MeasuringSummary
from alb_core.rounds.pairs import Rounds
from alb_core.rounds.schedules import injected_cases
from alb_core.verdicts import calibration_file, verdict
from alb_core.verdicts.calibration import calibrate, calibration_text
from alb_core.verdicts.calibration.injected import CHANGES, NOTHING, SHARES
from alb_core.verdicts.calibration.machine_state import MachineState
from alb_core.verdicts.calibration_file import Calibration, Rate, VerdictRates, WaitingRates, WorkCalibration, WorkRates


def recorded(tmp_path, count, openings=(3.0, 4.0, 50.0)):
    """Rounds of two cases, as a call leaves them."""
    known = streams(np.random.default_rng(0), count)
    rounds = Rounds.of(injected_cases([*CASES[:2], *PEAKS[:2]], SHARES))
    for case in rounds.pairs:
        rounds.pairs[case] = known[case.size][case.case]
    seconds = {Kind.TIME: 10.0, Kind.MEMORY: 8.0, Kind.COUNT: 0.0}
    state = MachineState(
        list(openings), [{"numpy": 0.1, "read": 0.3}, {"numpy": 0.2, "read": 0.3}, {"numpy": 0.12, "read": 0.9}]
    )
    benchmarks = {name: {**benchmark, "rounds": 4} for name, benchmark in BENCHMARKS.items()}
    return calibrate._Recorded(
        MACHINE, BASE, tmp_path, rounds, seconds, state, benchmarks, MeasuringSummary(120.0, 8, 4)
    )


def calibrated(tmp_path, count, monkeypatch, **asked):
    found = recorded(tmp_path, count)
    monkeypatch.setattr(calibrate, "_recorded", lambda _: found)
    return calibrate.run(calibrate.CalibrationRequest(by="time", resamples=10, **asked))


def test_a_machine_s_file_holds_counts_of_verdicts_of_the_budget(tmp_path, monkeypatch, capsys):
    done = calibrated(tmp_path, 60, monkeypatch, budget=300.0)
    assert done.path == tmp_path / MACHINE / "calibration.json" and done.failures == ()
    known = calibration_file.load(tmp_path, MACHINE)
    assert known == done.known and (known.commit, known.budget) == (BASE, 300.0)
    # (300 - 4 * 8) / (4 + 10) rounds; the median of what was seen.
    assert (known.rounds, known.verdict_rounds) == (60, 19) and known.canary == {"numpy": 0.12, "read": 0.3}
    assert set(known.benchmarks) == {case.name for case in [*CASES[:2], *PEAKS[:2]]}
    assert known.whole.false_alarms.of >= 3 and known.whole.resampled_false_alarms.of == 10
    assert set(known.whole.power) == set(CHANGES) and known.benchmarks[CASES[0].name].step >= 0.05
    # Quiet where nobody looks.
    assert capsys.readouterr() == ("", "")


def test_it_is_judged_as_verdicts_of_the_calibrated_machine_are(tmp_path, monkeypatch):
    judges = []

    def count(streams, judge, *words, **options):
        judges.append(judge)
        return counted(streams, judge, *words, **options)

    counted = calibrate.rates.count
    monkeypatch.setattr(calibrate.rates, "count", count)
    known = calibrated(tmp_path, 60, monkeypatch, budget=300.0).known
    # Of 19 rounds the last look is the 16th.
    assert judges == [verdict.judge_of(None, known)] and judges[0].usual == 16


def test_the_same_rounds_give_the_same_file(tmp_path, monkeypatch):
    one, other = (calibrated(tmp_path / name, 60, monkeypatch, budget=300.0).known for name in "ab")
    assert (one.benchmarks, one.whole) == (other.benchmarks, other.whole)


@pytest.mark.parametrize("form", ["plain", "github"])
def test_it_is_printed(tmp_path, monkeypatch, form):
    known = calibrated(tmp_path, 60, monkeypatch, budget=300.0).known
    lines = calibration_text.text(known, form).splitlines()
    row = next(line for line in lines if CASES[0].name in line)
    counts = known.benchmarks[CASES[0].name]
    for apart, drawn in (
        (counts.false_alarms, counts.resampled_false_alarms),
        (counts.power["10%"], counts.resampled_power["10%"]),
    ):
        assert f"{apart.count}/{apart.of} ({drawn.count}/{drawn.of})" in row
    equal = counts.effects["0%"]
    assert f"0%: {100 * equal.change:+.1f} % ({100 * equal.low:+.1f} to {100 * equal.high:+.1f})" in row
    assert "25%: +2" in row and any(line.startswith("It finds 200MB more in ") for line in lines)
    assert f"verdicts of 5 minutes have {known.verdict_rounds} rounds here." in "\n".join(lines)


def test_too_few_rounds_say_how_many_and_leave_the_file_alone(tmp_path, monkeypatch):
    calibrated(tmp_path, 60, monkeypatch, budget=300.0)
    before = (tmp_path / MACHINE / "calibration.json").read_bytes()
    with pytest.raises(CouldNotMeasureError, match=r"one verdict of 19 rounds \(0%: 12 of time, .* 30 s each\)"):
        calibrated(tmp_path, 12, monkeypatch, budget=300.0)
    with pytest.raises(CouldNotMeasureError, match=r"a verdict of 60 s has 2 rounds .* fewer than 6.*--budget"):
        calibrated(tmp_path, 60, monkeypatch, budget=60.0)
    with pytest.raises(CouldNotMeasureError, match=r"nothing is recorded of these benchmarks on m yet: give --minutes"):
        calibrated(tmp_path, 0, monkeypatch)
    assert (tmp_path / MACHINE / "calibration.json").read_bytes() == before


def test_what_failed_is_named_and_the_rest_is_judged(tmp_path, monkeypatch):
    found = recorded(tmp_path, 60)
    case = next(case for case in found.rounds.pairs if (case.case, case.size) == (CASES[0], "5%"))
    found.rounds.failures[case] = "HEAD: ValueError: no"
    monkeypatch.setattr(calibrate, "_recorded", lambda _: found)
    done = calibrate.run(calibrate.CalibrationRequest(by="time", resamples=2, budget=300.0))
    assert done.failures == (f"{CASES[0].name}: failed on HEAD: ValueError: no",)
    assert set(done.known.benchmarks) == {case.name for case in [CASES[1], *PEAKS[:2]]}
    for every in found.rounds.pairs:
        found.rounds.failures[every] = "BASE: ImportError: torch"
    with pytest.raises(CouldNotMeasureError, match=r"no benchmark could be measured: .*ImportError: torch"):
        calibrate.run(calibrate.CalibrationRequest(by="time", budget=300.0))


def test_who_is_interrupted_keeps_the_rounds_and_judges_nothing(tmp_path, monkeypatch, capsys):
    found = recorded(tmp_path, 60)
    found.measured.interrupted = True
    monkeypatch.setattr(calibrate, "_recorded", lambda _: found)
    with pytest.raises(KeyboardInterrupt):
        calibrate.run(calibrate.CalibrationRequest(by="time", resamples=2))
    assert not (tmp_path / MACHINE).exists() and "the rounds are kept" in capsys.readouterr().err


WORK = WorkCalibration(
    *("2026-11-28T12:00:00Z", BASE, "valgrind 3.19.0", 0.006, 61, 15),
    {CASES[0].row: WorkRates(Rate(0, 61), {"1% native": Rate(19, 20)}, {}, 0.001, 0.0029, {"1% native": 0.0101})},
    WorkRates(
        Rate(1, 61), {"1% native": Rate(20, 20)}, {"1% native": Rate(18, 20)}, 0.001, 0.0029, {"1% native": 0.01}
    ),
)


def test_what_is_known_of_waiting_is_said(tmp_path, monkeypatch):
    known = calibrated(tmp_path, 60, monkeypatch, budget=300.0).known
    assert known.waiting is None and "only to exclude waiting" not in calibration_text.text(known)
    said = calibration_text.text(
        replace(known, waiting=WaitingRates(Rate(1, 30), Rate(28, 30), Rate(7, 9), Rate(0, 9)))
    )
    line = next(line for line in said.splitlines() if "only to exclude waiting" in line)
    assert all(words in line for words in ("28 of 30", "1 of 30", "7 of 9", "0 of 9"))


def test_both_kinds_are_in_one_file_and_each_keeps_the_other(tmp_path, monkeypatch):
    known = calibrated(tmp_path, 60, monkeypatch, budget=300.0).known
    calibration_file.save(tmp_path, replace(known, work=WORK))
    assert calibrated(tmp_path, 60, monkeypatch, budget=300.0).known.work == WORK
    assert calibration_file.load(tmp_path, MACHINE).work == WORK


def test_work_goes_first_with_half_of_the_time_and_what_it_found_stays(tmp_path, monkeypatch, capsys):
    asked = []
    found = recorded(tmp_path, 0)

    def work(request, counter):
        asked.append(request.seconds)
        known = Calibration(MACHINE, "", BASE, 300.0, {}, {}, VerdictRates(Rate(0, 0)), work=WORK)
        return calibrate.CalibrationResult(known, calibration_file.save(tmp_path, known), ())

    def time(request):
        asked.append(request.seconds)
        return found

    monkeypatch.setattr(calibrate, "counter_for", lambda by: None if by == "time" else "valgrind")
    monkeypatch.setattr(calibrate, "_work", work)
    monkeypatch.setattr(calibrate, "_recorded", time)
    with pytest.raises(CouldNotMeasureError, match="nothing is recorded"):
        calibrate.run(calibrate.CalibrationRequest(seconds=100.0))
    assert asked == [50, 50] and calibration_file.load(tmp_path, MACHINE).work == WORK
    done = calibrate.run(calibrate.CalibrationRequest(seconds=100.0, by="work"))
    assert asked == [50, 50, 100] and done.known.work == WORK

    def none(request, counter):
        raise calibrate._NoPairError("no pair yet")

    # Without a pair the clock is asked all the same.
    monkeypatch.setattr(calibrate, "_work", none)
    found = recorded(tmp_path, 60)
    assert calibrate.run(calibrate.CalibrationRequest(budget=300.0, resamples=2, seconds=70.0)).known.rounds == 60
    assert asked[-1] == 70
    with pytest.raises(CouldNotMeasureError, match="no pair yet"):
        calibrate.run(calibrate.CalibrationRequest(by="work"))


@pytest.mark.parametrize("form", ["plain", "github"])
def test_work_is_printed_alone_where_it_alone_is_known(form):
    known = Calibration(MACHINE, "", BASE, 300.0, {}, {}, VerdictRates(Rate(0, 0)), work=WORK)
    said = calibration_text.text(known, form)
    row = next(line for line in said.splitlines() if CASES[0].row in line)
    assert "0/61" in row and "0.100 %, 0.290 % (busy)" in row and "19/20 (+1.01 %)" in row
    assert "61 pairs of equal commits, 15 of them beside eight busy" in said and "from 0.6 %" in said
    assert "first in 18 of 20" in said and "rounds" not in said


def test_the_history_in_use_is_another_one_for_as_long_as_it_takes(tmp_path, monkeypatch):
    monkeypatch.delenv(HISTORY_VARIABLE, raising=False)
    with variable_set(HISTORY_VARIABLE, "outer"), variable_set(HISTORY_VARIABLE, str(tmp_path / "inner")):
        assert history_root() == tmp_path / "inner"
    assert HISTORY_VARIABLE not in os.environ and history_root() == data_root() / "tiledb-soma"
    assert NOTHING not in CHANGES
