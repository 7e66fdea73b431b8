import sys
import sysconfig

import pytest
import toy
from local_index import HERE, LocalIndex
from wheels import wheel_of

from alb_core.base.pythons import measured
from alb_core.commits.history import releases_lock


@pytest.fixture
def index(monkeypatch):
    """A package index that has somacore and tiledb in some versions, and no tiledbsoma yet."""
    served = LocalIndex()
    for version in ("1.0.8", "1.0.9"):
        served.add("somacore", f"somacore-{version}-py3-none-any.whl", wheel_of("somacore", version))
    for version in ("0.25.0", "0.25.1", "0.26.0"):
        name = f"tiledb-{version}-{HERE}.whl"
        served.add("tiledb", name, wheel_of("tiledb", version))
    monkeypatch.setenv("PIP_INDEX_URL", served.url)
    yield served
    served.close()


@pytest.fixture
def place(data, tmp_path, monkeypatch):
    """An empty data directory and no lock; returns the data directory."""
    path = tmp_path / "releases.json"
    path.write_text('{"lock_version": 1, "releases": []}')
    monkeypatch.setattr(releases_lock, "lock_path", lambda: path)
    return data


@pytest.fixture
def three_releases(index, place):
    """Two releases in the lock, a third on the index."""
    from alb_core.commits.history.new_releases import new_releases

    index.release("1.7.3", "2024-03-07T15:34:44Z", ["numpy", "somacore==1.0.8", "tiledb~=0.25.0"])
    index.release("1.8.1", "2024-03-19T16:23:49Z", ["numpy", "somacore==1.0.9", "tiledb~=0.26.0"])
    releases_lock.append(new_releases([], place / "wheels"))
    index.release("1.9.5", "2024-04-11T14:54:45Z", ["numpy", "somacore==1.0.9"])
    return index


@pytest.fixture(scope="session")
def toy_wheel(tmp_path_factory):
    """The toy's wheel, compiled."""
    return toy.wheel(tmp_path_factory.mktemp("toy"), "1.7.3", toy.tree())


@pytest.fixture
def toy_release(index, place, toy_wheel):
    """The toy as the only release, with two more somacores on the index than it asks for."""
    from alb_core.commits.history.new_releases import new_releases

    files = toy.distribution(toy.tree(), "1.7.3")
    index.release("1.7.3", "2024-03-07T15:34:44Z", ["numpy", "somacore==1.0.8"], files=files, content=toy_wheel)
    releases_lock.append(new_releases([], place / "wheels"))
    return index


@pytest.fixture
def toy_history(toy_release, place):
    """A clone-like history of the toy in the public layout: its first commit is the release."""
    repository = toy.Repository(place / "tiledb-soma")
    repository.release = repository.commit(toy.tree(), "as released")
    return repository


@pytest.fixture
def environment(tmp_path, monkeypatch, virtual_environment):
    """A virtual environment, and a suite whose stack is empty; pyarrow comes from the Python that runs the tests."""
    from alb_core.commits.builds import install

    if measured() != sys.version_info[:2]:
        pytest.skip("packages of this Python do not fit the one that is measured")
    path = virtual_environment(tmp_path / "env")
    install.site_packages(path).joinpath("host.pth").write_text(sysconfig.get_path("purelib") + "\n")
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "constraints.txt").write_text("# nothing\n")
    monkeypatch.setattr(install, "suite_root", lambda: suite)
    return path


@pytest.fixture(scope="session")
def tiledb_library(tmp_path_factory):
    """A library that tells its version, compiled."""
    return toy.shared_library(tmp_path_factory.mktemp("tiledb"), "libtiledb.so", "int tiledb() { return 1; }")


@pytest.fixture
def tiledb(tmp_path, monkeypatch, tiledb_library):
    """What a source build takes for a local copy of TileDB."""
    path = tmp_path / "tiledb"
    (path / "include" / "tiledb").mkdir(parents=True)
    (path / "include" / "tiledb" / "tiledb_version.h").write_text(
        "".join(f"#define TILEDB_VERSION_{name} {n}\n" for name, n in (("MAJOR", 2), ("MINOR", 30), ("PATCH", 0)))
    )
    (path / "lib").mkdir()
    (path / "lib" / "libtiledb.so").write_bytes(tiledb_library)
    monkeypatch.setenv("TILEDB_PATH", str(path))
    return path
