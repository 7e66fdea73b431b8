"""Loaders that are right, wrong, dead or away, measured side by side."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alb_core.base.errors import AlbError
from alb_core.peers import child
from alb_core.peers.compare import loaders, run, run_loader
from alb_core.peers.compare.run import ComparedDataset
from alb_core.peers.compare.workload import Contender, LoaderWorkload
from alb_core.peers.interface import Wanted

PLACE = LoaderWorkload("made up", "nowhere", batch_size=64)


class Told:
    """What the user was told."""

    def __init__(self) -> None:
        self.began: list[tuple[str, int]] = []
        self.said: list[str] = []

    def begin(self, what: str, rows: int) -> None:
        self.began.append((what, rows))

    def rows(self, number: int) -> None:
        pass

    def end(self) -> None:
        pass


def compared(source: ComparedDataset, *contenders: Contender, number: int = 1) -> tuple[list[Any], Told]:
    told = Told()
    module = contenders[0].module
    members = {module: loaders.ask(module, Wanted("", {}, 1, 1))}
    found = run.run(
        contenders, members, {"nowhere": source}, number=number, timeout_seconds=60, progress=told, say=told.said.append
    )
    return found, told


@pytest.mark.usefixtures("importable")
def test_each_is_named_by_what_it_did(made_up: ComparedDataset) -> None:
    settings = ("default", "loses", "swaps values", "exhausts", "says why not", "unheard of")
    found, told = compared(made_up, *(Contender(PLACE, "strange_loader", name) for name in settings))
    states = {one.contender.setting: (one.state, one.reason, len(one.runs)) for one in found}
    assert list(states) == list(settings)
    assert states["default"] == ("measured", None, 1)
    for name, state, reason in (
        (
            "loses",
            "wrong",
            r"1 of 300 rows lost, such as joinid \d+; rows 299, expected 300; non-zeros 4,\d+, expected 4,",
        ),
        ("swaps values", "wrong", "checksum"),
        ("exhausts", "failed", "out of memory: MemoryError: no room for 10 GiB"),
        ("says why not", "n/a", "it cannot"),
        ("unheard of", "n/a", "has no setting unheard of"),
    ):
        assert states[name][0] == state and states[name][2] == 0
        assert re.match(reason, states[name][1] or ""), states[name]
    assert [line.split(":")[0] for line in told.said] == [
        f"strange ({name})" for name in ("loses", "swaps values", "exhausts", "says why not")
    ]
    assert told.began[-1] == ("strange_loader (default): round 1 of 1", 300)
    [right] = found[0].runs
    assert 0.9 < right.quality < 1.1
    assert right.peak > 50 * 2**20
    assert right.cpu > 0


def test_without_a_manifest_the_first_says_what_there_is(
    made_up: ComparedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In this process: what is asked here is not about processes.
    monkeypatch.setattr(run_loader, "run", lambda python, task, **_: {**child._done(task, lambda **_: None), "peak": 0})
    source = replace(made_up, reference=None)
    found, _ = compared(
        source, *(Contender(PLACE, "strange_loader", name) for name in ("default", "swaps values")), number=0
    )
    assert [one.state for one in found] == ["measured", "wrong"]
    assert found[1].reason.endswith("values stand at wrong places (by strange (default))")


def test_a_loader_that_is_not_there_is_away_with_its_reason() -> None:
    away = loaders.ask("alb_core.no_such_loader", Wanted("", {}, 1, 1))
    assert away.reason == "ModuleNotFoundError: No module named 'alb_core.no_such_loader'"


@pytest.mark.parametrize(
    ("word", "module"),
    [("ours", "alb_core.peers.ours"), (" tiledbsoma-ml ", "alb_core.peers.tiledbsoma_ml"), ("my.own", "my.own")],
)
def test_names_of_loaders(word: str, module: str) -> None:
    assert loaders.module_of(word) == module


def test_a_name_that_is_none() -> None:
    with pytest.raises(
        AlbError, match=r"^loader 'theirs' is unknown, expected some of raw_tables, ours, tiledbsoma_ml"
    ):
        loaders.module_of("theirs")


def test_rows_are_those_that_there_are(made_up: ComparedDataset, tmp_path: Path) -> None:
    assert made_up.n_rows(PLACE) == 300
    assert made_up.n_rows(replace(PLACE, rows=20)) == 20
    given = run.wanted(replace(PLACE, rows=20, passes=2), made_up, {"config": {}}, epoch=1)
    assert (given.n_rows, given.epoch, dict(given.options)) == (20, 1, {"config": {}, "rows": 20, "passes": 2})
