"""What parameters mean is read from a benchmark's own code."""

import inspect
import json

import pytest

from alb_core.base.paths import suite_root
from alb_core.cases.epochs import LoadCase, ReadCase
from alb_core.peers.case import PeerCase
from alb_core.site.epoch_settings import CASES, EpochSettings, epoch_settings


def benchmark(call, **parameters):
    code = f"class C:\n    def setup(self, {', '.join(parameters)}):\n        self.case = {call}"
    texts = [[repr(value) for value in values] for values in parameters.values()]
    return {"code": code, "param_names": list(parameters), "params": texts}


@pytest.mark.parametrize("case", [ReadCase, LoadCase, PeerCase])
def test_arguments_are_those_of_the_cases(case):
    names = tuple(inspect.signature(case.__init__).parameters)[1:]
    assert names == CASES[case.__name__]


@pytest.mark.parametrize(
    ("call", "parameters", "meant"),
    [
        (
            "LoadCase('mini', method, spec, 'block', batch_size=1024, buffer_size=64 * 2**20)",
            {"method": ["np.array", "numba"], "spec": ["8x64", "8192 / 2"]},
            [
                EpochSettings("mini", method, size, chunks, "block", 1024, None, 64 * 2**20)
                for method in ("np.array", "numba")
                for size, chunks in ((64, 8), (4096, 2))
            ],
        ),
        (
            # A reader's pass is blocks of one chunk.
            "ReadCase(dataset, 'table', 1024, shuffle, buffer_size=1)",
            {"dataset": ["a", "b"], "shuffle": ["none"]},
            [EpochSettings(name, "table", 1024, 1, "none", buffer_size=1) for name in ("a", "b")],
        ),
        (
            "PeerCase('mini', peer, '8x64', shuffle, batch_size=9)",
            {"peer": ["annloader"], "shuffle": ["block"]},
            [EpochSettings("mini", "annloader", 64, 8, "block", 9)],
        ),
        ("OpenCase('mini', x)", {"x": ["np.array"]}, None),
        ("LoadCase('mini', x, cut(x), 'block')", {"x": ["np.array"]}, None),
        ("LoadCase('mini', x, '7 / 2', 'block')", {"x": ["np.array"]}, None),
        ("LoadCase('mini', x)", {"x": ["np.array"]}, None),
        ("LoadCase(", {"x": ["np.array"]}, None),
    ],
)
def test_a_case_has_its_settings_and_anything_else_has_none(call, parameters, meant):
    assert epoch_settings(benchmark(call, **parameters)) == meant


def test_the_suites_own_epochs_are_understood():
    """Every benchmark whose setup makes one of these cases."""
    listed = json.loads((suite_root() / "data" / "results" / "benchmarks.json").read_text())
    known = {name: one for name, one in listed.items() if name != "version"}
    understood = {name for name, one in known.items() if epoch_settings(one)}
    assert understood == {name for name, one in known.items() if any(f"{case}(" in one["code"] for case in CASES)}
    assert {"data_loader.DataLoader.time_epoch", "read_chunks.ReadChunks.peakmem_epoch"} <= understood
