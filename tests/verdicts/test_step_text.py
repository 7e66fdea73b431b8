"""Steps of work as a user reads them, between those of time."""

import json

import pytest

from alb_core.cases.work import Work
from alb_core.cli.main import main
from alb_core.verdicts import campaign

ROW = "read.Read.epoch('table', 64)"
WORK = {
    ROW: {
        "2.1.2": [Work(678_959_552, {"libtiledb unshuffle_generic": 284_700_000, "libc memcpy": 50_000_000})],
        "2.2.0": [
            Work(406_012_969, {"libtiledb unshuffle8_avx2": 6_000_000, "libc memcpy": 50_000_000}),
            Work(405_007_301, {"libtiledb unshuffle8_avx2": 6_000_000, "libc memcpy": 50_000_000}),
        ],
        "2.3.0": [Work(405_007_305)],
    }
}


@pytest.fixture
def said(monkeypatch, capsys):
    monkeypatch.setattr(campaign, "recorded_work", lambda asked: WORK)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(["history", "steps", "--by", "work", *words])
        assert ended.value.code == 0
        return capsys.readouterr().out

    return run


def test_a_step_of_work_has_its_functions(said):
    assert said().splitlines() == [
        f"2.2.0    {ROW}: 678,959,552 -> 405,007,301 instructions (-40.35 %), since 2.1.2",
        "           libtiledb unshuffle_generic: 284.7 M -> 0 (-41.9 %)",
        "           libtiledb unshuffle8_avx2: 0 -> 6.0 M (+0.9 %)",
    ]
    assert said("--threshold", "50%").startswith("no step")


def test_a_table_and_json_have_them_too(said):
    *_, row = said("--markdown").splitlines()
    assert row.split(" | ")[:4] == ["| 2.2.0", f"`{ROW}`", "-40.3%", "679.0 M, 405.0 M"] and row.count("<br>") == 1
    found = json.loads(said("--json"))
    assert found["rounds"] == [] and found["work"][0]["version"] == "2.2.0"
    assert found["work"][0]["work"]["functions"][0]["name"] == "libtiledb unshuffle_generic"


def test_results_without_any_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(campaign, "recorded_work", lambda asked: {})
    with pytest.raises(SystemExit) as ended:
        main(["history", "steps", "--by", "work", "--machine", "nobody"])
    assert ended.value.code == 2
    assert "machine nobody has no rounds or counts" in capsys.readouterr().err
