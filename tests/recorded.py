"""asv's benchmarks and empty results, and rounds, without asv's environments."""

import json
from functools import partial

from asv.results import Results
from noise import times

from alb_core.cases.epoch_seconds import EpochSeconds
from alb_core.cases.work import Work
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.pairs import Pair, Rounds
from alb_core.rounds.results.store import Store
from alb_core.verdicts.work_changes import ComparedWork, change_of

BASE, HEAD, OTHER = "a" * 40, "b" * 40, "c" * 40
MACHINE = "m"


def empty_results(root):
    """asv's directory of results, with a machine and nothing that it measured."""
    place = root / "results" / MACHINE
    place.mkdir(parents=True)
    (place / "machine.json").write_text(json.dumps({"machine": MACHINE, "version": 1}))
    return root / "results"


def benchmark(name, kind, unit, version="1"):
    return {
        "name": name,
        "params": [["'table'", "'csr'"], ["64", "128"]],
        "param_names": ["method", "chunk_size"],
        "unit": unit,
        "type": kind,
        "version": version,
        "code": "",
    }


TIME, PEAK, COUNT = "read.Read.time_epoch", "read.Read.peakmem_epoch", "read.Read.track_tiles"
BENCHMARKS = {
    TIME: benchmark(TIME, "time", "seconds"),
    PEAK: benchmark(PEAK, "peakmemory", "bytes"),
    COUNT: benchmark(COUNT, "track", "tiles"),
}
COMBINATIONS = [("'table'", "64"), ("'table'", "128"), ("'csr'", "64"), ("'csr'", "128")]
CASES = [BenchmarkCase(TIME, index, parameters, Kind.TIME) for index, parameters in enumerate(COMBINATIONS)]
PEAKS = [BenchmarkCase(PEAK, index, parameters, Kind.MEMORY) for index, parameters in enumerate(COMBINATIONS)]
COUNTS = [BenchmarkCase(COUNT, index, parameters, Kind.COUNT) for index, parameters in enumerate(COMBINATIONS)]


def blank(commit):
    """Empty results of a commit, as asv makes them."""
    return Results({"machine": MACHINE, "python": "3.11"}, {}, commit, 1000, "3.11", "env", {"ALB_STACK": "s"})


class PairStore(Store):
    """asv's results of two commits."""

    def __init__(self, results, base, head, benchmarks):
        super().__init__(results, MACHINE, blank, benchmarks, (base, head))
        self.pairs = partial(super().pairs, base, head)
        self.add = partial(self.add_pair, base, head)
        self.seconds = partial(self.pair_seconds, base, head)


def store(results, base=BASE, head=HEAD, benchmarks=BENCHMARKS):
    return PairStore(results, base, head, benchmarks)


def noisy(rng, rounds, slower=0.0, repeats=2):
    """Rounds of one case on the machine of the tests."""
    base, head = times(rng, (rounds,), repeats), times(rng, (rounds,), repeats, slower)
    return [Pair(tuple(map(float, one)), tuple(map(float, other))) for one, other in zip(base, head, strict=True)]


def quiet(rounds, ratio=1.0, seconds=1.0):
    """Rounds with a spread of a percent."""
    wiggles = [1 + 0.01 * ((n * 7) % 5 - 2) for n in range(rounds)]
    return [Pair((seconds * w, seconds * w * 1.3), (seconds * ratio / w, seconds * ratio / w * 1.3)) for w in wiggles]


def saying(pairs, waits=0.0):
    """Rounds of one case whose processes say their processor seconds; HEAD waits for a share of what it takes else."""
    return [
        Pair(
            pair.base,
            tuple(x * (1 + waits) for x in pair.head),
            tuple(EpochSeconds(x, 1.5 * x) for x in pair.base),
            tuple(EpochSeconds(x * (1 + waits), 1.5 * x) for x in pair.head),
        )
        for pair in pairs
    ]


def peaks(rounds, more=0.0):
    return [Pair((5e8 + n * 1e6,), (5e8 + n * 1e6 + more,)) for n in range(rounds)]


def rounds_of(**pairs):
    """Rounds by the name of a list and an index: ``CASES_0=[...]``."""
    known = {"CASES": CASES, "PEAKS": PEAKS, "COUNTS": COUNTS}
    return Rounds({known[name.partition("_")[0]][int(name.partition("_")[2])]: list(v) for name, v in pairs.items()})


def works(**changes):
    """Compared work of cases, by index: ``CASES_0=1.01`` is a percent more."""
    counts = {CASES[int(name.partition("_")[2])].row: change for name, change in changes.items()}
    return ComparedWork(
        "valgrind 3",
        {
            row: change_of([Work(10**8, {"lib f": 10**8})] * 2, [Work(int(10**8 * x), {"lib f": int(10**8 * x)})] * 2)
            for row, x in counts.items()
        },
    )
