"""Data directories of tests, with one real writer environment for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from census import Census
from slices import downloaded

from alb_core.base.paths import DATA_VARIABLE, data_root
from alb_core.datasets.manifest import Manifest, load
from alb_core.datasets.writer.environment import ensure_writer


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory that is not even made yet."""
    place = tmp_path / "data"
    monkeypatch.setenv(DATA_VARIABLE, str(place))
    return place


@pytest.fixture(scope="session")
def writers() -> Path:
    """Where the writer's environment is: installed once in the checkout, and kept."""
    ensure_writer()
    return data_root() / "writers"


@pytest.fixture
def writable(writers: Path, data: Path) -> Path:
    """A data directory with the writer's environment in it."""
    data.mkdir()
    (data / "writers").symlink_to(writers)
    return data


@pytest.fixture(scope="session")
def whole(writers: Path, census: Census, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """What the slice of these tests is, downloaded at one go."""
    return load(downloaded(census.uri, tmp_path_factory.mktemp("whole")))
