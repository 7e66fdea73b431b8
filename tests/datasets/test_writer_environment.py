from pathlib import Path

import pytest

from alb_core.base.errors import AlbError
from alb_core.datasets.writer.environment import ensure_writer


def test_an_environment_that_cannot_be_installed_leaves_nothing(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A port that nobody listens on.
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    with pytest.raises(AlbError, match=r"cannot get .* from the package index"):
        ensure_writer()
    assert [path.suffix for path in (data / "writers").iterdir()] == [".lock"]
    assert "installing the writer of datasets in " in capsys.readouterr().err


@pytest.mark.e2e
def test_an_environment_without_its_mark_is_made_again(writable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = ensure_writer().parent.parent
    (writable / "writers").unlink()
    half = writable / "writers" / place.name
    (half / "bin").mkdir(parents=True)
    (half / "bin" / "python").write_text("not a python")
    python = ensure_writer()
    assert python == half / "bin" / "python"
    assert (half / "complete").exists()
    assert python.resolve().stat().st_size > 1_000
    assert ensure_writer() == python
