"""``alb data`` as it is typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command import typed
from tiny import write_tiny

Refused = Callable[..., str]


def alb(*arguments: str) -> int:
    return typed("data", *arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("make", "Missing argument 'NAME'"),
        (
            "make nothing",
            "known are mini, mini-soma, mini-32, small, census-2:7, blocks; 'alb data make nothing --cells N'",
        ),
        ("make mini --cells 5", "mini has cells 4096 (not 5): choose a name of your own"),
        ("make mine --cells 0", "cells is 0"),
        ("make mine --cells many", "'many' is not a valid integer"),
        ("make mine --cells 5 --layout zarr", "'zarr' is not one of"),
        ("make mine --cells 5 --profile none", "'none' is not one of"),
        ("make ../mine --cells 5", "cannot name a dataset"),
        ("retile mini", "Missing argument 'DST'"),
        ("retile mini rows", "alb data make mini makes it"),
        ("retile ../nothing rows", "no dataset at "),
        ("retile s3:// rows", "names no bucket"),
        ("retile s3://bucket/mini rows --tiledb nonsense", "expected KEY=VALUE"),
        ("retile mini .rows", "cannot name a dataset"),
        ("retile mini rows --capacity 1", "--capacity is 1, expected 1,024 to 4,194,304"),
        ("retile mini rows --fragments 0", "--fragments is 0"),
        ("verify census-benchmark_2:7", "alb download -s 2 -e 7 makes it"),
        ("verify census-benchmark_s:7", "alb download -s 0 -e 7 -S makes it"),
        ("verify ../mine", "no dataset at "),
        ("verify s3://bucket/mine", "is a URI, expected the name or the path"),
        ("verify mini", "alb data make mini makes it"),
        ("verify mine", "alb data make mine --cells N makes it"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(arguments: str, words: str, data: Path, refused: Refused) -> None:
    assert words in refused("data", *arguments.split())
    assert not data.exists()


@pytest.mark.parametrize(
    ("source", "name", "words"),
    [
        ("taken", "taken", "taken is the dataset to be copied and the one to be made"),
        ("{data}/soma/taken", "taken", "is the dataset to be copied and the one to be made"),
        ("{data}/soma/taken", "other", "dataset other is there: choose another name, or give --replace"),
        ("taken", "mini", "mini is the name of a synthetic dataset"),
        ("taken", "download", "download is the name of something in "),
        ("taken", "rows --fragments 21", "--fragments is 21, expected 1 to the number of cells (20)"),
        ("{data}/soma/taken/obs", "rows", "no SOMA experiment at "),
        ("{data}/soma", "rows", "no SOMA experiment at "),
    ],
)
def test_a_copy_that_makes_no_sense_is_one_line_and_changes_nothing(
    source: str, name: str, words: str, data: Path, refused: Refused
) -> None:
    write_tiny(data / "soma" / "taken", 20, 10)
    for place in ("soma/other", "download"):
        (data / place).mkdir()
    before = sorted(data.rglob("*"))
    assert words in refused("data", "retile", source.format(data=data), *name.split())
    assert sorted(data.rglob("*")) == before


@pytest.mark.parametrize("command", ["data make mini", "data list", "data verify mini", "history releases"])
def test_a_data_directory_that_is_a_file_is_told(command: str, data: Path, refused: Refused) -> None:
    data.write_text("mine")
    assert "is a file, expected the data directory" in refused(*command.split())
    assert data.read_text() == "mine"


def test_list_names_what_could_be_made_and_tells_why_a_dataset_is_refused(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alb("list") == 0
    header, mini, soma, *more = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header == ["name", "cells", "vars", "non-zeros", "size", "layout", "state"]
    assert mini == ["mini", "4,096", "20,000", "census", "not", "made"]
    assert soma == ["mini-soma", "4,096", "20,000", "soma", "not", "made"]
    assert [line[0] for line in more] == ["mini-32", "small", "census-2:7", "blocks"]
    assert not data.exists()
    (data / "soma" / "mini").mkdir(parents=True)
    (data / "soma" / ".other.partial-1").mkdir()
    assert alb("list") == 0
    said = capsys.readouterr().out
    assert "refused: dataset mini has no manifest.json, so it was never complete: alb data make mini --replace" in said
    assert "partial" not in said


@pytest.mark.e2e
def test_make_list_verify(writable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert alb("make", "mine", "--cells", "200", "--vars", "300", "--layout", "soma", "--fragments", "2") == 0
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()] == ["making", "made"]
    assert said.err == "", "no progress bar in a pipe"
    assert alb("list") == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("mine"))
    assert row.split()[1:3] == ["200", "300"]
    assert row.split()[-2:] == ["soma", "ready"]
    assert alb("verify", "mine") == 0
    assert capsys.readouterr().out.startswith("mine is what its manifest says: 200 cells x 300 vars, ")
    (writable / "soma" / "mine" / "obs" / "stray").write_text("")
    assert alb("verify", "mine") == 2
    assert "--replace makes it again" in capsys.readouterr().err
