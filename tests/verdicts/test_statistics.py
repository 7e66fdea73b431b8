"""The rates that a verdict promises, by simulation with fixed seeds, and what holds whatever the numbers are."""

import itertools
import math

import numpy as np
import pytest
from asv._stats import mann_whitney_u_cdf
from hypothesis import given
from hypothesis import strategies as st
from noise import ratios, times
from scipy import stats

from alb_core.rounds import pairs as pairs_module
from alb_core.rounds.pairs import LEAST_ROUNDS, Pair
from alb_core.rounds.pairs import log_ratios as ratios_of
from alb_core.verdicts import statistics
from alb_core.verdicts.statistics import ALPHA, Word

RUNS = 20_000

log_ratios = st.lists(st.floats(-2, 2), min_size=LEAST_ROUNDS, max_size=30)


def crossings(sequences, alpha):
    """Which of many sequences some analysis finds a difference in: all at once what ``crossed`` does one by one."""
    hit = np.zeros(len(sequences), bool)
    for rounds in (count for count in pairs_module.INTERIM_ROUNDS if count <= sequences.shape[1]):
        mean, error = statistics.trimmed(sequences[:, :rounds])
        hit |= np.abs(mean) / error > stats.t.isf(statistics.level_at(alpha, rounds) / 2, statistics.freedom(rounds))
    return hit


def found(sequences, alpha):
    return crossings(np.asarray(sequences), alpha).mean()


def test_many_at_once_are_as_one_by_one():
    sequences = ratios(np.random.default_rng(0), 60, 25, slower=0.08)
    assert 0.1 < found(sequences, 0.05) < 0.99
    assert list(crossings(sequences, 0.05)) == [statistics.crossed(list(one), 0.05) for one in sequences]


def at_most(rate, allowed, runs=RUNS):
    """Whether a simulated rate is compatible with at most an allowed one (three standard errors)."""
    return rate <= allowed + 3 * math.sqrt(allowed * (1 - allowed) / runs)


@pytest.mark.parametrize("alpha", [0.05, 0.005])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, shape: ratios(rng, *shape),
        lambda rng, shape: rng.normal(0, 0.1, shape),
        lambda rng, shape: rng.standard_t(1.5, shape),
        lambda rng, shape: rng.exponential(0.1, shape) - rng.exponential(0.1, shape),
        lambda rng, shape: rng.choice([-0.3, 0.3], shape) * (rng.random(shape) < 0.2) + rng.normal(0, 0.01, shape),
    ],
    ids=["machine", "normal", "heavy tails", "two-sided exponential", "bursts"],
)
def test_equal_commits_are_called_different_as_rarely_as_promised_whatever_the_noise(draw, alpha):
    assert at_most(found(draw(np.random.default_rng(2), (RUNS, 25)), alpha), alpha)


@pytest.mark.parametrize(("slower", "rounds", "least"), [(0.50, 13, 0.95), (0.25, 20, 0.95), (0.10, 61, 0.95)])
def test_slower_commits_are_found(slower, rounds, least):
    # At a tenth of the error: what the first of ten benchmarks is held to.
    sequences = ratios(np.random.default_rng(3), 2000, rounds, slower=slower)
    assert found(sequences, ALPHA / 10) >= least


def test_a_burst_in_one_side_of_a_few_rounds_moves_nothing():
    quiet = [0.10 + 0.01 * (-1) ** n for n in range(20)]
    burst = [1.5 if n in {3, 11} else ratio for n, ratio in enumerate(quiet)]
    assert statistics.estimate(burst).log_ratio == pytest.approx(statistics.estimate(quiet).log_ratio, abs=0.01)


def test_the_estimate_is_the_textbooks():
    values = list(np.random.default_rng(6).standard_t(2, 17))
    mine = statistics.estimate(values)
    assert mine.log_ratio == pytest.approx(stats.trim_mean(values, 0.2))
    winsorised = stats.mstats.winsorize(np.array(values), (0.2, 0.2))
    assert mine.error == pytest.approx(np.std(winsorised, ddof=1) / ((1 - 2 * 3 / 17) * math.sqrt(17)))
    assert mine.freedom == 10


@given(log_ratios)
def test_the_sides_are_alike(values):
    one, other = statistics.estimate(values), statistics.estimate([-value for value in values])
    assert one.log_ratio == pytest.approx(-other.log_ratio, abs=1e-12)
    assert one.interval(0.01) == pytest.approx(tuple(-end for end in reversed(other.interval(0.01))), abs=1e-9)


@given(log_ratios, st.floats(-1, 1))
def test_a_common_factor_moves_the_interval_and_leaves_its_width(values, shift):
    one, other = statistics.estimate(values), statistics.estimate([value + shift for value in values])
    assert other.log_ratio == pytest.approx(one.log_ratio + shift, abs=1e-9)
    assert other.error == pytest.approx(one.error, abs=1e-8)


@given(st.lists(st.lists(st.floats(0.01, 10), min_size=2, max_size=2), min_size=2, max_size=9), st.floats(0.01, 100))
def test_a_ratio_has_no_unit(processes, factor):
    pairs = [Pair(tuple(process), tuple(factor * seconds for seconds in process)) for process in processes]
    assert ratios_of(pairs) == pytest.approx([math.log(factor)] * len(pairs), abs=1e-9)


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=5), st.floats(0, 1))
def test_a_figure_lies_between_the_least_and_the_mean(repeats, gap):
    logs = np.log(repeats)
    found = pairs_module.log_figure(repeats, gap)
    assert logs.min() - 1e-12 <= found <= min(logs.mean(), logs.min() + gap) + 1e-12
    assert pairs_module.log_figure(repeats, 0) == pytest.approx(logs.min())
    assert pairs_module.log_figure(repeats, 9) == pytest.approx(logs.mean())


def test_a_burst_in_one_repeat_counts_as_what_repeats_usually_lie_apart():
    gap = pairs_module.usual_gap([(1.0, 1.1), (1.0, 1.2), (1.3, 1.0), (1.0, 9.0)])
    assert gap == pytest.approx(np.median(np.log([1.1, 1.2, 1.3, 9.0])))
    assert pairs_module.log_figure((0.5, 40.0), gap) == pytest.approx(math.log(0.5) + gap / 2)
    assert pairs_module.usual_gap([]) == 0


def test_more_rounds_leave_each_ratio_as_it_is():
    seconds = times(np.random.default_rng(12), (2, 20), 2)
    pairs = [Pair(tuple(base), tuple(head)) for base, head in zip(*seconds, strict=True)]
    assert ratios_of(pairs)[:6] == ratios_of(pairs[:6])


def test_ratios_of_many_runs_at_once_are_as_one_by_one():
    many = ratios(np.random.default_rng(15), 3, 8)
    rng = np.random.default_rng(15)
    base, head = times(rng, (3, 8), 2), times(rng, (3, 8), 2)
    for run in range(3):
        pairs = [Pair(tuple(b), tuple(h)) for b, h in zip(base[run], head[run], strict=True)]
        assert ratios_of(pairs) == pytest.approx(list(many[run]))


@pytest.mark.parametrize(
    ("rounds", "analysis"), [(0, 25), (5, 6), (6, 6), (14, 13), (18, 16), (21, 20), (24, 20), (30, 25), (119, 25)]
)
def test_a_machine_spends_most_by_the_last_analysis_of_its_ten_minutes(rounds, analysis):
    assert statistics.planned(rounds) == analysis


@given(st.floats(1e-4, 0.2), st.sampled_from([6, 13, 20, statistics.USUAL_ROUNDS]))
def test_interim_analyses_spend_what_is_allowed_most_of_it_by_the_usual_rounds_and_no_more(alpha, usual):
    levels = [statistics.level_at(alpha, count, usual) for count in pairs_module.INTERIM_ROUNDS]
    assert all(0 < level < alpha for level in levels) and sum(levels) < alpha
    assert sum(levels) == pytest.approx(alpha * statistics.alpha_spent(pairs_module.MOST_ROUNDS, usual))
    assert sum(levels[: pairs_module.INTERIM_ROUNDS.index(usual) + 1]) == pytest.approx(0.8 * alpha)


def test_a_word_is_said_at_interim_analyses_alone():
    analysed = [count for count, _ in statistics.interim_estimates([0.1] * 30)]
    assert analysed == [6, 8, 10, 13, 16, 20, 25] and statistics.USUAL_ROUNDS in analysed


def test_the_spending_ends_at_one_and_never_sinks():
    shares = [statistics.alpha_spent(n) for n in range(200)]
    assert shares[LEAST_ROUNDS - 1] == 0 and shares[statistics.USUAL_ROUNDS] == pytest.approx(0.8)
    assert all(one <= other for one, other in itertools.pairwise(shares)) and 0.95 < shares[-1] < 1


A = ALPHA
CLEAR, WEAK = [1.0, 1.01, 0.99] * 4, [0.0, 0.01, -0.01] * 4


@pytest.mark.parametrize(
    ("sequences", "weights", "held"),
    [
        # What differs leaves its share to the rest.
        ([CLEAR, WEAK, WEAK], None, [A / 3, A / 2, A / 2]),
        ([WEAK] * 4, None, [A / 4] * 4),
        ([CLEAR, []], None, [A / 2, A]),
        ([], None, []),
        ([WEAK, WEAK, WEAK], [1, 1, 2], [A / 4, A / 4, A / 2]),
        ([WEAK, WEAK, CLEAR], [1, 1, 2], [A / 2] * 3),
        ([CLEAR, WEAK, WEAK], [1, 1, 2], [A / 4, A / 3, 2 * A / 3]),
    ],
)
def test_holm(sequences, weights, held):
    assert statistics.holm(sequences, weights=weights) == pytest.approx(held)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.01, 0.30, Word.WORSE),
        (-0.30, -0.01, Word.BETTER),
        (-0.04, 0.04, Word.SAME),
        (0.01, 0.04, Word.SAME),
        (-0.01, 0.06, Word.UNKNOWN),
        (-0.06, 0.01, Word.UNKNOWN),
    ],
)
def test_words(low, high, word):
    assert statistics.word(low, high, 0.05) is word


@pytest.mark.parametrize(
    "draw", [lambda rng, shape: rng.normal(0, 0.05, shape), lambda rng, shape: ratios(rng, *shape)]
)
def test_visible_is_what_is_found_in_95_of_100(draw):
    rng = np.random.default_rng(9)
    level = 0.0018
    visible = np.median([statistics.visible(list(one), level) for one in draw(rng, (200, 20))])
    mean, error = statistics.trimmed(draw(rng, (5000, 20)) + visible)
    assert np.mean(mean / error > stats.t.isf(level / 2, 11)) == pytest.approx(0.95, abs=0.03)


def test_fewer_rounds_say_nothing():
    assert statistics.estimate([0.5] * (LEAST_ROUNDS - 1)) is None
    assert not statistics.crossed([5.0] * (LEAST_ROUNDS - 1), 0.5)


def test_equal_ratios_do_not_divide_by_zero():
    assert statistics.estimate([0.0] * 8).interval(0.01) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))


@pytest.mark.parametrize(("m", "n"), [(4, 4), (4, 8), (5, 3)])
def test_the_rank_sum_is_asvs(m, n):
    mine = statistics._rank_sum_cdf(m, n)
    assert mine == pytest.approx([mann_whitney_u_cdf(m, n, u) for u in range(m * n + 1)])


def test_a_shift_of_memory_and_its_interval():
    base, head = [500.0, 502.0, 501.0, 499.0], [700.0, 702.0, 701.0, 699.0]
    found = statistics.shift(base, head)
    assert found.change == 200 and (found.low, found.high) == (197, 203)
    assert statistics.shift(base[:3], head) is None


def test_its_interval_holds_the_truth_as_often_as_promised():
    rng = np.random.default_rng(10)
    for count in (4, 8):
        inside = 0
        for _ in range(1000):
            found = statistics.shift(rng.gumbel(size=count), 3 + rng.gumbel(size=count))
            inside += found.low <= 3 <= found.high
        assert inside / 1000 >= 0.93
