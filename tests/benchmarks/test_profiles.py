"""Profiles choose of the grid, and change none of it."""

import itertools
import re
from argparse import Namespace
from types import SimpleNamespace

import pytest
import timed_code
from asv.benchmarks import Benchmarks
from asv.util import load_json

from alb_core.asv_plugin import commands
from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.datasets.spec import KNOWN
from alb_core.loader.block_spec import parse
from alb_core.rounds import selections

LISTED = load_json(str(suite_root() / "data" / "results" / "benchmarks.json"))
LISTED.pop("version", None)


def chosen(name):
    """What asv runs of the committed list: names with parameters."""
    conf = SimpleNamespace(benchmark_dir="benchmarks")
    found = Benchmarks(conf, LISTED.values(), regex=list(selections.PROFILES[name].patterns))
    return {
        f"{name}{parameters}"
        for name, entry in found.items()
        for index, parameters in enumerate(itertools.product(*entry["params"]))
        if not entry["params"] or index in found.benchmark_selection[name]
    }


def test_each_profile_is_a_part_of_the_next():
    quick, default, full = (chosen(name) for name in ("quick", "default", "full"))
    assert quick < default < full
    assert {name.split(".")[0] for name in full - default} == {"full"}
    assert all(not name.startswith("full.") for name in default)


def test_the_committed_list_is_that_of_the_classes():
    assert {name.rpartition(".")[0] for name in LISTED} == set(timed_code.classes())


def test_the_full_grid_is_the_fields():
    loader, reader = timed_code.benchmark_class("full.LoaderBlocks"), timed_code.benchmark_class("full.ReaderChunks")
    words = ["8192 / [1,512]", "16384 / [1,1024]", *(f"{size} / [1,2048]" for size in (32768, 65536, 131072))]
    wanted = [spec for word in words for spec in parse(word)]
    assert [spec for word in loader.params[1] for spec in parse(word)] == wanted and len(wanted) == 57
    assert reader.params[1] == [2**n for n in range(10, 16)]
    # An epoch has eight blocks at least.
    assert KNOWN["blocks"].cells == 8 * 131072


@pytest.mark.parametrize(
    ("profile", "given", "expected"),
    [
        (None, None, ["^(?!full\\.)"]),
        ("full", None, ["."]),
        ("quick", ["mine"], ["mine"]),
        ("quick", [], list(selections.PROFILES["quick"].patterns)),
    ],
)
def test_a_profile_is_for_those_who_say_nothing_else(monkeypatch, profile, given, expected):
    class EnoughError(Exception):
        pass

    def enough():
        raise EnoughError

    monkeypatch.setattr(commands.machines, "settle", lambda *_: enough())
    monkeypatch.delenv(selections.VARIABLE, raising=False)
    if profile:
        monkeypatch.setenv(selections.VARIABLE, profile)
    args = Namespace(bench=given)
    with pytest.raises(EnoughError):
        commands._measuring(SimpleNamespace(results_dir="results"), args, lambda: None)
    assert args.bench == expected and all(re.compile(pattern) for pattern in args.bench)


def test_an_unknown_profile_is_named(monkeypatch):
    monkeypatch.setenv(selections.VARIABLE, "fast")
    with pytest.raises(AlbError, match="ALB_PROFILE is 'fast', expected one of quick, default, full"):
        selections.current()
