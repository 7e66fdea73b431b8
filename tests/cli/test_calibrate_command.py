"""`alb calibrate` as typed: what is refused before anything is made."""

import pytest

from alb_core.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--minutes", "-1"], "--minutes"),
        (["--minutes", "soon"], "'soon' is not a valid float"),
        (["--budget", "soon"], "--budget 'soon'"),
        (["--resamples", "-1"], "--resamples"),
        (["-b", "("], "-b '(' is no regular expression"),
        (["main"], "unexpected extra argument"),
    ],
)
def test_bad_input_is_one_line_and_makes_nothing(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.setenv("ALB_DATA", str(tmp_path / "data"))
    with pytest.raises(SystemExit) as ended:
        main(["calibrate", *words])
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and len(lines) == 1 and said in lines[0]
    assert not (tmp_path / "data").exists()
