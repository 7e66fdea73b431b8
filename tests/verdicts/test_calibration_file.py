"""The schema of what is known of a machine's verdicts."""

import json
from dataclasses import replace

import pytest
from recorded import BASE, CASES

from alb_core.base.errors import AlbError
from alb_core.cases.counter import Counter
from alb_core.verdicts import calibration_file, verdict
from alb_core.verdicts.calibration_file import Calibration, Effect, Rate, VerdictRates, WorkCalibration, WorkRates
from alb_core.verdicts.judge import Judge


@pytest.fixture
def known():
    own = VerdictRates(
        *(Rate(0, 200), {"5%": Rate(16, 20), "200MB": Rate(20, 20)}),
        version="1",
        threshold=0.08,
        resampled_false_alarms=Rate(3, 500),
        resampled_power={"5%": Rate(400, 500)},
        visible=0.07,
        effects={"5%": Effect(0.04, 0.03, 0.05)},
        step=0.12,
    )
    other = VerdictRates(Rate(1, 200), {"5%": Rate(3, 20)}, version="1")
    names = {CASES[0].name: own, CASES[1].name: other}
    return Calibration(
        "m", "2026-11-22T12:00:00Z", BASE, 600.0, {"numpy": 0.03}, names, VerdictRates(Rate(4, 200)), 300, 20
    )


def test_it_is_read_as_it_was_written(tmp_path, known):
    path = calibration_file.save(tmp_path, known)
    assert path == tmp_path / "m" / "calibration.json"
    assert calibration_file.load(tmp_path, "m") == known
    assert calibration_file.load(tmp_path, "other") is None
    # Counts, so that anyone may compute another interval.
    assert json.loads(path.read_text())["whole"]["false_alarms"] == {"count": 4, "of": 200}


def test_a_machine_is_judged_by_what_is_known_of_it(known):
    assert verdict.judge_of(None, None) == Judge()
    assert verdict.judge_of(0.1, known) == Judge(0.1, {CASES[0].name: 0.08}, usual=20)


def test_a_rate_has_the_interval_of_clopper_and_pearson():
    assert Rate(0, 200).interval == (0.0, pytest.approx(1 - 0.025 ** (1 / 200)))
    low, high = Rate(19, 20).interval
    assert (round(low, 3), round(high, 4)) == (0.751, 0.9987)
    assert Rate(0, 0).rate is None and Rate(0, 0).interval == (0, 1) and Rate(1, 4).rate == 0.25
    with pytest.raises(ValueError, match="5 of 4"):
        Rate(5, 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: {**c, "machine": "g4dn"}, "calibration of machine g4dn, expected m"),
        (lambda c: {**c, "schema_version": 9}, "is no calibration .schema_version is 9, expected 1"),
        (lambda c: {**c, "whole": {"false_alarms": {"count": 3, "of": 2}, "power": {}}}, "3 of 2"),
    ],
)
def test_another_content_is_refused_and_left_alone(tmp_path, known, change, said):
    path = calibration_file.save(tmp_path, known)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    before = path.read_bytes()
    with pytest.raises(AlbError, match=said):
        calibration_file.load(tmp_path, "m")
    assert path.read_bytes() == before


def test_a_file_of_counts_alone_is_read(tmp_path, known):
    path = calibration_file.save(tmp_path, known)
    content = json.loads(path.read_text())
    for entry in (content["whole"], *content["benchmarks"].values()):
        for name in ("resampled_false_alarms", "resampled_power", "visible", "effects", "step"):
            del entry[name]
    path.write_text(json.dumps(content))
    read = calibration_file.load(tmp_path, "m")
    assert read.whole.false_alarms == Rate(4, 200) and read.benchmarks[CASES[0].name].step is None


def test_what_is_known_of_work_is_said_beside_what_is_known_of_time(tmp_path, known):
    rates = WorkRates(Rate(0, 60), {"1% native": Rate(5, 5)}, {}, 0.0002, 0.0004)
    work = WorkCalibration(
        "2026-11-28T12:00:00Z", BASE, "valgrind 3.19.0", 0.006, 60, 15, {"a": rates, "b": rates}, rates
    )
    both = replace(known, work=work)
    calibration_file.save(tmp_path, both)
    assert calibration_file.load(tmp_path, "m") == both
    counter = Counter("valgrind", both.work.counter)
    assert verdict.judge_of(None, both, counter).work_threshold == 0.006
    assert verdict.judge_of(None, both, replace(counter, name="valgrind 2")).work_threshold == 0.005
    lines = calibration_file.calibration_lines(both, "m", 600.0, "valgrind 3.19.0")
    assert "0 of 120 (0.0 to 3.0 %)" in lines[0] and "0.02 % and 0.04 % under load" in lines[0]
    assert lines[1] == "of more work they find 1% native in 5 of 5"
    assert lines[2:] == calibration_file.calibration_lines(known, "m", 600.0, "valgrind 3.19.0")
    alone = replace(both, benchmarks={}, whole=VerdictRates(Rate(0, 0)))
    assert calibration_file.calibration_lines(alone, "m", 600.0, "valgrind 3.19.0") == lines[:2]
    # Nothing is told of counts of another counter, nor where nothing is counted.
    assert both.work_by("valgrind 3.22.0") is None and both.work_by("valgrind 3.19.0") == work
    other, *rest = calibration_file.calibration_lines(both, "m", 600.0, "valgrind 3.22.0")
    assert "valgrind 3.22.0" in other and "0 of 120" not in other and rest == lines[2:]
    assert calibration_file.calibration_lines(both, "m", 600.0, "") == lines[2:]
    assert calibration_file.calibration_lines(alone, "m", 600.0, "") == []
