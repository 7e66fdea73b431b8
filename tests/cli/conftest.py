"""A data directory with a small dataset, and ``alb data-loader`` over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import SMALL, dataset, typed
from tiny import Tiny

from alb_core.base.paths import DATA_VARIABLE
from alb_core.cli.main import main
from alb_core.sweeps import records


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Type ``alb``, which refuses; returns the one line in which it says why."""

    def refused(*words: str) -> str:
        capsys.readouterr()
        assert typed(*words) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), err[:5]) == ("", 1, "alb: "), err
        return err

    return refused


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def tried(root: Path) -> Tiny:
    """Its dataset, with a manifest."""
    return dataset(root / "soma" / "tried")


@pytest.fixture
def load(root: Path, tried: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Callable[..., Any]:
    """Run ``alb data-loader`` in this process; returns its status, records, lines on stdout and on stderr."""
    monkeypatch.setenv(DATA_VARIABLE, str(root))
    path = tmp_path / "epochs.parquet"

    def load(*words: str | Path, uri: str = "tried", to: tuple[str | Path, ...] = ("-d", path)) -> Any:
        with pytest.raises(SystemExit) as ended:
            main(["data-loader", uri, "-C", *SMALL, *map(str, (*to, *words))])
        out, err = capsys.readouterr()
        rows = records.load(path).to_pylist() if path.exists() else []
        return ended.value.code, rows, out.splitlines(), err.splitlines()

    return load
