"""Comparisons beside a machine's results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from outcomes import WORKLOAD, outcome

from alb_core.base.errors import AlbError
from alb_core.base.paths import DATA_VARIABLE
from alb_core.peers.compare import saved
from alb_core.peers.compare.results import Outcome
from alb_core.peers.compare.table import lines

OUTCOMES = [
    outcome("raw_tables", "16 MiB", (5000, 6000), quality=None),
    outcome("ours", "best", (4000, 6000)),
    outcome("annbatch", "default", state="n/a", reason="not installed"),
]


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))


def document(dataset: str = "small", **changed: Any) -> dict[str, Any]:
    loaders = [one.as_json() for one in OUTCOMES]
    return {"dataset": dataset, "n_rows": 30_000, "rounds": 2, "user": "me", "loaders": loaders, **changed}


def test_an_outcome_is_read_back_as_it_was_written() -> None:
    found = [Outcome.from_json(json.loads(json.dumps(one.as_json()))) for one in OUTCOMES]
    assert lines(found) == lines(OUTCOMES)
    assert [one.as_json() for one in found] == [one.as_json() for one in OUTCOMES]
    assert found[1].contender.workload.batch_size == WORKLOAD.batch_size


def test_the_last_comparison_of_each_dataset_is_kept(tmp_path: Path) -> None:
    assert saved.load(tmp_path, "m") == []
    for dataset, rows in (("small", 1), ("mini", 2), ("small", 3)):
        path = saved.keep(tmp_path, "m", document(dataset, n_rows=rows))
    assert path == tmp_path / "m" / "loaders.json"
    assert [(one.dataset, one.n_rows, one.rounds) for one in saved.load(tmp_path, "m")] == [
        ("mini", 2, 2),
        ("small", 3, 2),
    ]
    assert lines(saved.load(tmp_path, "m")[0].outcomes) == lines(OUTCOMES)
    assert [one.name for one in path.parent.iterdir()] == ["loaders.json"], "what is committed has no lock beside it"


def test_what_is_committed_names_neither_the_user_nor_a_path(tmp_path: Path) -> None:
    given = document("/home/me/secret/small", hostname="mine", instance_id="i-1", instance_type="g4dn.8xlarge")
    for one in given["loaders"]:
        one["workload"]["dataset"] = given["dataset"]
    text = saved.keep(tmp_path, "m", given).read_text()
    assert not any(word in text for word in ('"me"', "mine", "i-1", "secret"))
    [found] = saved.load(tmp_path, "m")
    assert found.dataset == found.outcomes[0].contender.workload.dataset == "small"
    assert "g4dn.8xlarge" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no file of comparisons"),
        ("[]", "is no file of comparisons"),
        ('{"schema_version": 2}', "schema_version is 2, expected 1"),
        ('{"schema_version": 1, "machine": "other", "comparisons": {}}', "of machine other, expected m"),
        ('{"schema_version": 1, "machine": "m", "comparisons": {"a": {"loaders": [{}]}}}', "is no file of comparisons"),
    ],
)
def test_a_file_that_is_something_else_is_named_and_stays(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "m" / "loaders.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(AlbError, match=said):
        saved.load(tmp_path, "m")
    with pytest.raises(AlbError, match=said):
        saved.keep(tmp_path, "m", document())
    assert path.read_text() == content
