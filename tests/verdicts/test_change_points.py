"""Steps: those that are there are found, and no others."""

import json

import numpy as np
import pytest
from recorded import CASES, COUNTS, PEAKS

from alb_core.cli.main import main
from alb_core.verdicts import campaign
from alb_core.verdicts.change_points import find_steps

VERSIONS = [release.version for release in campaign.releases_lock.load()]


def history(rng, shares, rounds=12, repeats=2, machine=0.3):
    """Rounds of a case whose releases differ by shares from a second, on a machine as noisy as a shared one."""
    slow = np.exp(machine * rng.normal(size=rounds))
    found = {}
    for version, share in zip(VERSIONS, shares, strict=False):
        process = np.exp(0.06 * rng.normal(size=(rounds, 1)) + 0.05 * rng.exponential(size=(rounds, repeats)))
        taken = (1 + share) * slow[:, None] * process
        found[version] = {(7, number): tuple(map(float, taken[number])) for number in range(rounds)}
    return found


def stepped(*pieces):
    """Shares of releases from (how many, share) pairs."""
    return [share for count, share in pieces for _ in range(count)]


def test_steps_are_found_with_size_interval_and_release():
    rng = np.random.default_rng(1)
    [line] = find_steps({CASES[0]: history(rng, stepped((10, 0.0), (12, 0.3), (12, 0.15)))})
    assert [(step.version, step.before) for step in line.steps] == [
        (VERSIONS[10], VERSIONS[9]),
        (VERSIONS[22], VERSIONS[21]),
    ]
    up, down = line.steps
    assert up.low < 0.3 < up.high and up.low > 0.2 and up.high < 0.4 and up.releases == (10, 12)
    assert down.low < 1.15 / 1.3 - 1 < down.high < 0 and down.new == pytest.approx(up.old * 1.15, rel=0.05)
    assert 0.03 < line.noise < 0.15 and line.rounds == 12


def test_equal_releases_have_no_steps_in_more_than_a_few_histories():
    rng = np.random.default_rng(2)
    found = sum(bool(line.steps) for _ in range(60) for line in find_steps({CASES[0]: history(rng, [0.0] * 34)}, 1e-6))
    # 5 % are promised, though the boundaries are chosen by looking; 8 of 60 would be beyond chance (p < 1 %).
    assert found < 8


def test_five_percent_between_levels_of_several_releases_are_found():
    rng = np.random.default_rng(3)
    shares = stepped((17, 0.0), (17, 0.07))
    found = [find_steps({CASES[0]: history(rng, shares)})[0].steps for _ in range(20)]
    assert sum(any(step.version in VERSIONS[16:19] for step in steps) for steps in found) >= 16


def test_a_slow_hour_is_no_slow_release():
    rng = np.random.default_rng(4)
    assert not any(
        line.steps for _ in range(10) for line in find_steps({CASES[0]: history(rng, [0.0] * 34, machine=1.0)})
    )


def test_a_release_that_was_measured_alone_is_held_against_nothing():
    rng = np.random.default_rng(5)
    by = history(rng, [0.0] * 6)
    by[VERSIONS[6]] = {(8, number): (3.0, 3.0) for number in range(12)}
    [line] = find_steps({CASES[0]: by})
    assert line.steps == ()
    by = history(rng, [0.0] * 5)
    by[VERSIONS[5]] = dict.fromkeys([*by[VERSIONS[0]]][:2], (9.0, 9.0))
    assert find_steps({CASES[0]: by})[0].steps == ()
    assert find_steps({CASES[0]: {VERSIONS[0]: by[VERSIONS[0]]}}) == []


def test_peaks_move_by_bytes_and_share_and_counts_by_themselves():
    blocks = [(7, number) for number in range(4)]
    peaks = {
        v: {b: (5e8 + 1e5 * b[1] + (2e8 if i > 3 else 3e7 if i > 1 else 0),) for b in blocks}
        for i, v in enumerate(VERSIONS[:8])
    }
    counts = {v: {b: (1e3 * (b[1] % 2) + (4e6 if i == 5 else 0),) for b in blocks} for i, v in enumerate(VERSIONS[:8])}
    found = {line.case: line for line in find_steps({PEAKS[0]: peaks, COUNTS[0]: counts})}
    # 30 MB are 6 %, and less than what an allocator may keep.
    [step] = found[PEAKS[0]].steps
    assert step.version == VERSIONS[4] and step.change == pytest.approx(7e8 / 5.3e8 - 1, rel=0.01)
    assert [step.version for step in found[COUNTS[0]].steps] == [VERSIONS[5], VERSIONS[6]]
    assert found[COUNTS[0]].steps[0].change == pytest.approx(4e6, rel=0.01)


def test_equal_figures_have_no_steps_and_raise_nothing():
    same = {v: {(7, n): (1.0, 1.0) for n in range(4)} for v in VERSIONS[:5]}
    assert find_steps({CASES[0]: same})[0].steps == ()


def test_the_command_prints_what_was_found(monkeypatch, capsys):
    rng = np.random.default_rng(1)
    rounds = {CASES[0]: history(rng, stepped((10, 0.0), (24, 0.3)))}
    monkeypatch.setattr(campaign, "recorded", lambda asked: rounds)
    monkeypatch.setattr(campaign, "recorded_work", lambda asked: {})
    with pytest.raises(SystemExit) as ended:
        main(["history", "steps"])
    step, noise = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0
    assert step.startswith(f"{VERSIONS[10]:8} {CASES[0].name}: +3") and step.endswith(f", since {VERSIONS[9]}")
    assert " s -> " in step and noise.startswith("noise    ") and noise.endswith("12 rounds or more")
    with pytest.raises(SystemExit):
        main(["history", "steps", "--json", "--threshold", "50%"])
    [line] = json.loads(capsys.readouterr().out)["rounds"]
    assert line["steps"] == [] and line["case"]["benchmark"] == CASES[0].benchmark
    with pytest.raises(SystemExit):
        main(["history", "steps", "--threshold", "50%"])
    assert capsys.readouterr().out.splitlines()[0] == "no step over the noise"
