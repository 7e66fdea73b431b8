"""The page of steps lists what rounds, counts and asv say."""

import json
from datetime import UTC, datetime

import pytest
from asv.results import Results, iter_results
from asv.util import write_json
from recorded import BASE, BENCHMARKS, CASES, COUNTS, HEAD, MACHINE, PEAK, blank

from alb_core.base.paths import suite_root
from alb_core.commits.history import releases_lock
from alb_core.rounds.results import valid
from alb_core.rounds.results.store import CAMPAIGN, Store
from alb_core.site import steps

NAMES = {BASE: "1.7.3", HEAD: HEAD}
TIME = CASES[0]


@pytest.fixture
def results(tmp_path):
    """Twelve rounds of two commits, of which the second takes half as long."""
    place = tmp_path / "results"
    (place / MACHINE).mkdir(parents=True)
    write_json(str(place / MACHINE / "machine.json"), {"machine": MACHINE}, 1)
    store = Store(place, MACHINE, blank, BENCHMARKS, NAMES)
    now = datetime.now(UTC)
    for number in range(12):
        for commit, seconds in ((BASE, 2.0), (HEAD, 1.0)):
            store.of(commit).append(CAMPAIGN, 7, TIME, (seconds + number / 1000,), now, 1.0)
    return place


def listed(results, tmp_path, guesses=()):
    lines = steps.shown(iter_results(str(results)), BENCHMARKS, BENCHMARKS, NAMES)
    number = steps.write(tmp_path / "site", results, lines, lambda line: guesses)
    found = json.loads((tmp_path / "site" / steps.INDEX).read_text())["steps"]
    assert len(found) == number
    return found


def test_a_step_has_its_size_its_interval_and_both_commits(results, tmp_path):
    [step] = listed(results, tmp_path)
    assert (step["machine"], step["case"], step["kind"]) == (MACHINE, TIME.name, "time")
    assert (step["before"], step["version"]) == ("1.7.3", HEAD)
    assert step["change"] == pytest.approx(-0.5, abs=0.01) and step["low"] < step["change"] < step["high"] < 0


def test_asvs_steps_are_taken_where_no_round_was_measured(results, tmp_path):
    other = steps.Guess(COUNTS[0], HEAD, "1.7.3", 4.0, 6.0)
    rounds, guess = listed(results, tmp_path, [steps.Guess(TIME, HEAD, "1.7.3", 2.0, 1.0), other])
    assert (rounds["case"], guess["case"], guess["change"]) == (TIME.name, COUNTS[0].name, 0.5)
    assert "low" not in guess


def test_a_step_of_work_names_its_functions(tmp_path):
    """As counted for the releases before and after libtiledb's faster byte unshuffle."""
    committed = suite_root() / "data" / "results"
    names = {one.commit: one.version for one in releases_lock.load() if one.version in ("2.1.2", "2.2.0")}
    paths = [next((committed / "ref2").glob(f"{commit[:8]}-*.json")) for commit in names]
    benchmarks = valid.benchmarks_of(committed)
    lines = steps.shown(map(Results.load, map(str, paths)), benchmarks, {}, names)
    steps.write(tmp_path, committed, lines, lambda line: ())
    found = json.loads((tmp_path / steps.INDEX).read_text())["steps"]
    [step] = [one for one in found if one["case"] == "read_chunks.ReadChunks.epoch('table', 1024, 'none')"]
    assert (step["kind"], step["before"], step["version"]) == ("work", "2.1.2", "2.2.0")
    assert -0.45 < step["change"] < -0.35 and "blosc_internal_unshuffle_generic" in step["functions"][0]


class Graph:
    """As asv has it: two commits, the second one at another level of the first combination alone."""

    benchmark_name, scalar_series = PEAK, False

    def __init__(self, machine, stack):
        self.params = {"machine": machine, "env-ALB_STACK": stack}

    def get_steps(self):
        return [[(3, 4, 2e8, 2e8, 0), (4, 5, 3e8, 3e8, 0)], *3 * [[(3, 5, 2e8, 2e8, 0)]]]


@pytest.mark.parametrize(
    ("machine", "stack", "threshold", "number"),
    [
        (MACHINE, "s", 0.05, 1),
        (MACHINE, "s", 0.6, 0),
        ("n", "s", 0.05, 0),
        (MACHINE, "t", 0.05, 0),
    ],
)
def test_asvs_steps_are_those_of_its_graphs(results, machine, stack, threshold, number):
    [line] = steps.shown(iter_results(str(results)), BENCHMARKS, BENCHMARKS, NAMES)
    graphs = {"path": Graph(machine, stack)}.items()
    guess = steps.by_graphs(graphs, BENCHMARKS, {BASE: 3, HEAD: 4}, {f"{PEAK}": threshold})
    found = [(one.case.index, one.version, one.before, one.old, one.new) for one in guess(line)]
    assert found == number * [(0, HEAD, "1.7.3", 2e8, 3e8)]
