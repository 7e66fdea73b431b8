"""Rounds in asv's own results files, written and read by asv."""

import json
from datetime import UTC, datetime

import pytest
from asv._stats import is_different
from asv.results import Results, iter_results_for_machine_and_hash
from asv.runner import BenchmarkResult
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import (
    BASE,
    BENCHMARKS,
    CASES,
    COUNTS,
    HEAD,
    MACHINE,
    OTHER,
    PEAK,
    PEAKS,
    TIME,
    blank,
    empty_results,
    store,
)

from alb_core.base.errors import AlbError
from alb_core.rounds.cases import ProcessResult
from alb_core.rounds.pairs import Pair
from alb_core.rounds.results.store import CommitResults
from alb_core.rounds.schedules import Turn, TurnResult

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def results(tmp_path):
    return empty_results(tmp_path)


def pair(n):
    return Pair((1.0 + n, 1.5 + n), (2.0 + n, 2.5 + n))


def file_of(results, commit):
    [path] = results.glob(f"{MACHINE}/{commit[:8]}-env.json")
    return path


def samples_of(results, commit, name=TIME, index=0):
    loaded = Results.load(str(file_of(results, commit)), MACHINE)
    return loaded.get_result_samples(name, BENCHMARKS[name]["params"])[index]


def measured(results, commit, samples, append=False, name=TIME):
    """What a later ``asv run`` leaves."""
    found = blank(commit)
    found.load_data(str(results))
    made = BenchmarkResult([True] * 4, [list(samples)] * 4, [1] * 4, 0, "", None)
    found.add_result(BENCHMARKS[name], made, record_samples=True, append_samples=append)
    found.save(str(results))


def test_what_a_round_took_is_that_of_both_sides_on_the_average(results):
    assert store(results).seconds(CASES[0]) is None
    for seconds in (4.0, 6.0):
        store(results).add(CASES[0], pair(0), NOW, seconds)
    assert store(results).seconds(CASES[0]) == pytest.approx(5.0)
    # A round with another commit is none of these two's.
    store(results, head=OTHER).add(CASES[0], pair(0), NOW, 90.0)
    store(results, head=BASE).add(CASES[0], pair(0), NOW, 7.0)
    assert store(results).seconds(CASES[0]) == pytest.approx(5.0)
    assert store(results, head=BASE).seconds(CASES[0]) == pytest.approx(7.0)


def test_rounds_of_a_build_that_is_no_commit_stay_apart(results, data):
    digest = "d" * 64
    store(results, head=digest).add(CASES[0], pair(0), NOW, 1.0)
    assert store(results, head=digest).pairs(CASES[0]) == [pair(0)] and store(results).pairs(CASES[0]) == []
    assert [path.name for path in results.rglob("*-env.json")] == [f"{BASE[:8]}-env.json"]
    assert [path.name for path in data.rglob("*.json")] == [f"{digest[:8]}-env.json"]


def test_asv_sees_what_it_would_have_written(results):
    kept = store(results)
    for n in range(4):
        kept.add(CASES[0], pair(n), NOW, 4.0)
    assert samples_of(results, BASE) == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]
    [base] = iter_results_for_machine_and_hash(str(results), MACHINE, BASE)
    [head] = iter_results_for_machine_and_hash(str(results), MACHINE, HEAD)
    params = BENCHMARKS[TIME]["params"]
    assert base.get_result_value(TIME, params)[0] == 2.75
    stats = [found.get_result_stats(TIME, params)[0] for found in (base, head)]
    assert stats[0]["repeat"] == 8 and stats[0]["number"] == 1
    assert not is_different(samples_of(results, BASE), samples_of(results, HEAD), *stats)
    assert base.get_result_value(TIME, params)[1:] == pytest.approx([float("nan")] * 3, nan_ok=True)
    assert base.duration[TIME] == 8.0 and base.benchmark_version[TIME] == "1"
    assert base.params == {"machine": MACHINE, "python": "3.11"} and base.env_vars == {"ALB_STACK": "s"}


def test_peaks_and_counters_keep_their_samples_and_their_median(results):
    kept = store(results)
    for n in range(3):
        kept.add(PEAKS[1], Pair((5e8 + n,), (6e8 + n,)), NOW, 1.0)
        kept.add(COUNTS[0], Pair((7.0,), (9.0,)), NOW, 1.0)
    loaded = Results.load(str(file_of(results, HEAD)), MACHINE)
    assert loaded.get_result_value(PEAK, BENCHMARKS[PEAK]["params"])[1] == 6e8 + 1
    assert loaded.get_result_stats(PEAK, BENCHMARKS[PEAK]["params"])[1] is None
    assert store(results).pairs(PEAKS[1]) == [Pair((5e8 + n,), (6e8 + n,)) for n in range(3)]
    assert store(results).pairs(COUNTS[0]) == [Pair((7.0,), (9.0,))] * 3


def test_what_asv_appends_later_leaves_rounds_as_they_are(results):
    store(results).add(CASES[0], pair(0), NOW, 1.0)
    measured(results, BASE, [9.0, 9.0], append=True)
    again = store(results)
    assert again.pairs(CASES[0]) == [pair(0)]
    again.add(CASES[0], pair(1), NOW, 1.0)
    assert store(results).pairs(CASES[0]) == [pair(0), pair(1)]
    assert samples_of(results, BASE) == [1.0, 1.5, 9.0, 9.0, 2.0, 2.5]


def test_rounds_whose_samples_asv_measured_anew_do_not_count(results):
    store(results).add(CASES[0], pair(0), NOW, 1.0)
    measured(results, BASE, [9.0, 9.0, 9.0, 9.0])
    again = store(results)
    assert again.pairs(CASES[0]) == []
    again.add(CASES[0], pair(1), NOW, 1.0)
    assert store(results).pairs(CASES[0]) == [pair(1)]
    entries = [key for key in json.loads(file_of(results, BASE).read_text())["durations"] if "verdict" in key]
    assert len(entries) == 1


def test_a_call_killed_between_the_two_files_loses_that_round_and_shifts_none(results, monkeypatch):
    kept = store(results)
    kept.add(CASES[0], pair(0), NOW, 1.0)
    save = CommitResults.save
    monkeypatch.setattr(CommitResults, "save", lambda self: save(self) if "aaaa" in self.path.name else killed())
    with pytest.raises(KeyboardInterrupt):
        kept.add(CASES[0], pair(1), NOW, 1.0)
    monkeypatch.setattr(CommitResults, "save", save)
    again = store(results)
    again.add(CASES[0], pair(2), NOW, 1.0)
    assert store(results).pairs(CASES[0]) == [pair(0), pair(2)]


def killed():
    raise KeyboardInterrupt


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2}', '{"version": 1, "results": {}}', "\x00\x01"])
def test_a_corrupt_file_is_named_set_aside_and_never_deleted(results, content, capsys):
    store(results).add(CASES[0], pair(0), NOW, 1.0)
    path = file_of(results, BASE)
    path.write_text(content)
    fresh = store(results)
    said = capsys.readouterr().err
    assert str(path) in said and "cannot be read" in said
    # Looking changes nothing.
    assert path.read_text() == content and not list(path.parent.glob("*.corrupt*"))
    fresh.add(CASES[0], pair(5), NOW, 1.0)
    assert "set aside as" in capsys.readouterr().err
    [aside] = path.parent.glob("*.corrupt*")
    assert aside.read_text() == content
    assert store(results).pairs(CASES[0]) == [pair(5)]
    path.write_text("{")
    store(results).add(CASES[0], pair(6), NOW, 1.0)
    assert len(list(path.parent.glob("*.corrupt*"))) == 2 and aside.read_text() == content
    # asv passes over what is set aside.
    assert len(list(iter_results_for_machine_and_hash(str(results), MACHINE, BASE))) == 1


def test_results_of_another_machine_are_refused(results):
    store(results).add(CASES[0], pair(0), NOW, 1.0)
    path = file_of(results, BASE)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "params": {**content["params"], "machine": "g4dn"}}))
    with pytest.raises(AlbError, match=r"on machine g4dn, expected a{40} on m"):
        store(results)
    assert path.exists()


def test_a_failure_never_takes_the_place_of_a_result(results):
    kept = store(results)
    crashed, absent, measured = ProcessResult(said="it crashed"), ProcessResult(absent=True), ProcessResult((1.0, 1.5))
    for case, head in ((1, crashed), (3, absent), (0, measured), (0, crashed)):
        kept.keep_pair(BASE, HEAD, TurnResult(Turn(CASES[case], (BASE, HEAD), ""), (measured, head), NOW, 1.0, 0.5))
    values = Results.load(str(file_of(results, HEAD)), MACHINE).get_result_value(TIME, BENCHMARKS[TIME]["params"])
    assert values[0] == 1.25 and values[1] is None and values[3] != values[3]
    assert [store(results).pairs(case) for case in CASES] == [[Pair((1.0, 1.5), (1.0, 1.5))], [], [], []]
    # What starting a commit took is no part of a pair.
    assert store(results).seconds(CASES[0]) == 1.0


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from([HEAD, OTHER, BASE]), st.integers(0, 1), st.integers(1, 3)), max_size=8)
)
def test_any_sequence_of_calls_is_read_back(tmp_path_factory, steps):
    results = tmp_path_factory.mktemp("r")
    (results / MACHINE).mkdir()
    expected = {}
    for session, (head, case, count) in enumerate(steps):
        kept = store(results, head=head)
        for n in range(count):
            made = pair(100 * session + n)
            kept.add(CASES[case], made, NOW, 1.0)
            expected.setdefault((head, case), []).append(made)
    for head in (HEAD, OTHER, BASE):
        for case in (0, 1):
            made = expected.get((head, case), [])
            assert store(results, head=head).pairs(CASES[case]) == made
            if head != BASE:
                # Seen from the other side it is the same pairing.
                assert store(results, head, BASE).pairs(CASES[case]) == [Pair(one.head, one.base) for one in made]
