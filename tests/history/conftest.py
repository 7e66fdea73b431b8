import pytest
from local_index import LocalIndex
from wheels import wheel_of

from alb_core.history import lock


@pytest.fixture
def index(monkeypatch):
    """A package index that has somacore and tiledb in some versions, and no tiledbsoma yet."""
    served = LocalIndex()
    for version in ("1.0.8", "1.0.9"):
        served.add("somacore", f"somacore-{version}-py3-none-any.whl", wheel_of("somacore", version))
    for version in ("0.25.0", "0.25.1", "0.26.0"):
        name = f"tiledb-{version}-cp311-cp311-manylinux_2_17_x86_64.whl"
        served.add("tiledb", name, wheel_of("tiledb", version))
    monkeypatch.setenv("PIP_INDEX_URL", served.url)
    yield served
    served.close()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty data directory and no lock; returns the data directory."""
    monkeypatch.setenv("ALB_DATA", str(tmp_path / "data"))
    path = tmp_path / "releases.json"
    path.write_text('{"lock_version": 1, "releases": []}')
    monkeypatch.setattr(lock, "lock_path", lambda: path)
    return tmp_path / "data"


@pytest.fixture
def three_releases(index, place):
    """Two releases in the lock, a third on the index."""
    from alb_core.history.resolve import new_releases

    index.release("1.7.3", "2024-03-07T15:34:44Z", ["numpy", "somacore==1.0.8", "tiledb~=0.25.0"])
    index.release("1.8.1", "2024-03-19T16:23:49Z", ["numpy", "somacore==1.0.9", "tiledb~=0.26.0"])
    lock.append(new_releases([], place / "wheels"))
    index.release("1.9.5", "2024-04-11T14:54:45Z", ["numpy", "somacore==1.0.9"])
    return index
