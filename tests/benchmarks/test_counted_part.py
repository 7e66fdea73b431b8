"""The part of the grid that is counted, and asv's way to its figures."""

import itertools
import re

import pytest
import timed_code

from alb_core.cases import counters
from alb_core.rounds.selections import VERDICT

#: Where the class of each counted one is.
EFFECTS = {"ReadChunks": "read_chunks", "DataLoader": "data_loader", "LoaderContexts": "contexts", "Peers": "peers"}


def names(cls, combinations):
    return {counters.name_of(f"{EFFECTS[cls]}.{cls}.time_epoch", one) for one in combinations}


@pytest.mark.parametrize("cls", EFFECTS)
def test_what_is_counted_is_part_of_what_is_timed(cls):
    effect = timed_code.benchmark_class(f"{EFFECTS[cls]}.{cls}")
    counted = timed_code.benchmark_class(f"counters.{cls}")
    skipped = set(getattr(effect, "skip_params", ()))
    assert counted.param_names == effect.param_names
    timed = set(itertools.product(*effect.params)) - skipped
    assert set(itertools.product(*counted.params)) <= timed


@pytest.mark.parametrize(("cls", "count"), [("ReadChunks", 3), ("DataLoader", 2)])
def test_what_a_verdict_looks_at_by_itself_is_counted(cls, count):
    everything = names(cls, itertools.product(*timed_code.benchmark_class(f"{EFFECTS[cls]}.{cls}").params))
    standard = {name for name in everything if any(re.search(pattern, name) for pattern in VERDICT.patterns)}
    counted = names(cls, itertools.product(*timed_code.benchmark_class(f"counters.{cls}").params))
    assert len(standard) == count and standard <= counted


@pytest.mark.parametrize("cls", EFFECTS)
def test_it_is_counted_with_the_settings_that_are_timed(cls, monkeypatch):
    """The case that is opened is the one that the timed class opens."""
    opened = []
    effect = timed_code.benchmark_class(f"{EFFECTS[cls]}.{cls}")
    counted = timed_code.benchmark_class(f"counters.{cls}")
    for namespace in (effect.setup.__globals__, counted.case.__globals__):
        for case in ("ReadCase", "LoadCase", "PeerCase"):
            monkeypatch.setitem(namespace, case, lambda *args, **named: opened.append((args, named)))
    for one in itertools.product(*counted.params):
        effect().setup(*one)
        counted.case(*one)
        assert opened[-1] == opened[-2]
