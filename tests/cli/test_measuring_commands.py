"""Commands that measure commits, as typed: what is refused before anything is made."""

import pytest
from wheels import wheel_of

from alb_core.base.errors import AlbError
from alb_core.cli.main import main
from alb_core.cli.options import duration, percent


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
    ("command", "words", "said"),
    [
        ("verdict", ["--budget", "soon"], "--budget 'soon'"),
        ("verdict", ["--threshold", "none"], "--threshold 'none'"),
        ("verdict", ["-b", "(", "main", "HEAD"], "-b '(' is no regular expression"),
        ("verdict", ["a", "b", "c"], "unexpected extra argument"),
        ("verdict", ["--head-wheel", "none.whl"], "--head-wheel none.whl: there is no such file"),
        ("verdict", ["main", "--base-env", "none"], "--base-env none has no bin/python"),
        ("verdict", ["--head-wheel", "x", "--head-env", "y"], "are both given"),
        ("verdict", ["main", "HEAD", "--head-wheel", "WHEEL"], "commit 'HEAD' is too many beside wheel tiledbsoma-1.0"),
        ("verdict", ["nosuch", "HEAD"], "no release is nosuch, expected one commit"),
        ("verdict", ["--", "--help", "HEAD"], "no release is --help"),
        ("verdict", ["2.0.0..2.3.0", "1.17.1"], "no release is 2.0.0..2.3.0"),
        ("verdict", ["", "HEAD"], "nothing stands after verdict"),
        ("verdict", ["-b", "no_such_thing"], "no benchmark matches 'no_such_thing'"),
        ("verdict", ["2.3.0", "1.17.1", "--machine", "-x"], "'-x' is no machine name"),
        ("verdict", ["--machine="], "nothing stands after --machine"),
        ("bisect", ["nosuch", "HEAD", "-b", "read"], "no release is nosuch"),
        ("download", ["-e", "1", "-d", ""], "nothing stands after -d"),
        ("download", ["-e", "1", "-n", ""], "nothing stands after -n"),
        ("bisect", ["a"], "Missing argument 'BAD'"),
        ("bisect", ["a", "b"], "Missing option '-b'"),
        ("bisect", ["a", "b", "-b", "("], "-b '(' is no regular expression"),
        ("bisect", ["a", "b", "-b", "x", "--budget", "soon"], "--budget 'soon'"),
        ("campaign", ["--budget", "soon"], "--budget 'soon'"),
        ("campaign", ["--rounds", "0"], "--rounds is 0, expected 1 or more"),
        ("campaign", ["-b", "("], "-b '(' is no regular expression"),
        ("campaign", ["0.1..0.2"], "no release 0.1 in the lock"),
        ("campaign", ["-n", "--machine", "../x"], "'../x'"),
        ("campaign", ["-n", "-b", "no_such_thing"], "no benchmark matches 'no_such_thing'"),
        ("history", ["steps", "--machine", "nobody"], "machine nobody has no rounds or counts of a campaign"),
        ("calibrate", ["--minutes", "-1"], "--minutes"),
        ("calibrate", ["--minutes", "soon"], "'soon' is not a valid float"),
        ("calibrate", ["--budget", "soon"], "--budget 'soon'"),
        ("calibrate", ["--resamples", "-1"], "--resamples"),
        ("calibrate", ["-b", "("], "-b '(' is no regular expression"),
        ("calibrate", ["main"], "unexpected extra argument"),
    ],
)
def test_bad_input_is_one_line_and_makes_nothing(tmp_path, monkeypatch, capsys, command, words, said):
    monkeypatch.setenv("ALB_DATA", str(tmp_path / "data"))
    wheel = tmp_path / "tiledbsoma-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel_of("tiledbsoma", "1.0"))
    with pytest.raises(SystemExit) as ended:
        main([command, *(str(wheel) if word == "WHEEL" else word for word in words)])
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and len(lines) == 1 and said in lines[0], lines
    assert not (tmp_path / "data").exists()
