"""Fixtures that several rooms share."""

from __future__ import annotations

import gc
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from census import Census, write_census
from hypothesis import HealthCheck, settings
from lingering import reads_linger
from s3 import ENVIRONMENT, S3, Proxy, proxied, served
from suite_copy import SmallSuite, Suite
from tiny import Tiny, write_tiny
from xdist.scheduler import LoadScopeScheduling

from alb_core.base import pythons
from alb_core.base.paths import DATA_VARIABLE, data_root

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

reads_linger()


class FileScheduling(LoadScopeScheduling):
    """A file in one process; the files that share a copy of the suite together in one.

    xdist 3.8 has groups of its own (``--dist loadgroup``), which have no effect under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "suite" if Path(file).name.startswith("test_e2e") else file


def pytest_configure() -> None:
    """Heed Ctrl-C: what the background of a shell starts ignores it, and so would all that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    """Distribute files."""
    return FileScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that share a copy of the suite: they take longest."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


def pytest_collection_finish() -> None:
    """Leave what the imports made alone: a million objects, through which each collection in a test would look."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def under(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Let this machine have one Python alone."""

    def only(name: str) -> None:
        monkeypatch.setattr(pythons, "executable", lambda python: sys.executable if str(python) == name else None)
        pythons.measured.cache_clear()

    yield only
    pythons.measured.cache_clear()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory that is not even made yet."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(scope="session")
def writers() -> Path:
    """Where the writer's environment is: installed once in the checkout, and kept."""
    from alb_core.datasets.writer.environment import ensure_writer

    ensure_writer()
    return data_root() / "writers"


@pytest.fixture
def writable(writers: Path, data: Path) -> Path:
    """A data directory with the writer's environment in it."""
    data.mkdir()
    (data / "writers").symlink_to(writers)
    return data


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A small experiment with gaps in its joinids; for reading only."""
    return write_tiny(tmp_path_factory.mktemp("tiny") / "experiment")


@pytest.fixture(scope="session")
def tiny_without_gaps(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The same with consecutive joinids; for reading only."""
    return write_tiny(tmp_path_factory.mktemp("tiny") / "without_gaps", gaps=False)


@pytest.fixture(scope="session")
def s3_process() -> Iterator[S3]:
    """One S3 for all tests; to write into it, take a bucket of your own."""
    with served() as s3:
        yield s3


@pytest.fixture
def s3_server(s3_process: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The same, with credentials for it in the environment."""
    for key, value in ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    for key in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(key, raising=False)
    return s3_process


@pytest.fixture
def s3_proxy(s3_server: S3) -> Iterator[Proxy]:
    """A proxy before it that has faults on demand."""
    with proxied(s3_server) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def census(tmp_path_factory: pytest.TempPathFactory) -> Census:
    """A collection in the shape of the Census; for reading only."""
    return write_census(tmp_path_factory.mktemp("census") / "census")


@pytest.fixture(scope="session")
def s3_census(census: Census, s3_process: S3) -> str:
    """URI of the same on S3; for reading only."""
    return s3_process.upload(census.path, "census-bucket", "census")


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A copy of the suite for the tests of the files test_e2e*.py: making its environment takes a minute."""
    return Suite(tmp_path_factory.mktemp("e2e"))


@pytest.fixture(scope="session")
def small(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> SmallSuite:
    """The same with one benchmark that is imported and run in a moment."""
    return SmallSuite(suite, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def virtual_environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Make a virtual environment at a path: a copy of one that was made once, which takes a fifth of the time."""
    made = tmp_path_factory.mktemp("environment") / "made"
    subprocess.run([sys.executable, "-m", "virtualenv", "-q", str(made)], check=True)
    return lambda path: Path(shutil.copytree(made, path, symlinks=True))
