"""`alb verdict` as typed: what is refused before anything is made."""

import pytest

from alb_core.base.errors import AlbError
from alb_core.cli.main import main
from alb_core.cli.verdict import duration, percent


@pytest.mark.parametrize(("words", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("45", 45), (" 2 m ", 120)])
def test_durations(words, seconds):
    assert duration(words) == seconds


@pytest.mark.parametrize("words", ["", "m", "-5m", "10 minutes", "0s", "1d", "nan", "1e3"])
def test_what_is_no_duration_is_refused(words):
    with pytest.raises(AlbError, match=r"--budget .* expected a time such as 90s, 10m or 1h"):
        duration(words)


@pytest.mark.parametrize(("words", "share"), [("5%", 0.05), ("5", 0.05), (" 2.5 % ", 0.025), ("100%", 1.0)])
def test_percentages(words, share):
    assert percent(words) == share


@pytest.mark.parametrize("words", ["", "%", "0", "-3%", "101%", "five"])
def test_what_is_no_percentage_is_refused(words):
    with pytest.raises(AlbError, match=r"--threshold .* expected percent, such as 5%"):
        percent(words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--budget", "soon"], "--budget 'soon'"),
        (["--threshold", "none"], "--threshold 'none'"),
        (["-b", "(", "main", "HEAD"], "-b '(' is no regular expression"),
        (["a", "b", "c"], "unexpected extra argument"),
    ],
)
def test_bad_input_is_one_line_and_makes_nothing(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.setenv("ALB_DATA", str(tmp_path / "data"))
    with pytest.raises(SystemExit) as ended:
        main(["verdict", *words])
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and len(lines) == 1 and said in lines[0]
    assert not (tmp_path / "data").exists()
