import json
import os
from pathlib import Path

import pytest
from filelock import FileLock

from alb_core.base import certificate
from alb_core.base.errors import AlbError
from alb_core.base.files import sha256_of
from alb_core.commits.builds import cache
from alb_core.commits.builds.cache import CachedBuild

KIB = 1024


@pytest.fixture
def wheels(place):
    root = place / "wheels"
    root.mkdir(parents=True)
    return root


def fetched(wheels, name, age):
    path = wheels / name
    path.write_bytes(b"x" * KIB)
    os.utime(path, (2e9 - age, 2e9 - age))
    return path


def built(key, age, commit="c" * 40):
    place = cache.place_of(key * 20)
    place.mkdir(parents=True)
    wheel = place / f"tiledbsoma-{key}-py3-none-any.whl"
    wheel.write_bytes(b"x" * KIB)
    made = CachedBuild(commit, "overlay", key * 20, "n", "2.3.0", key, wheel.name, sha256_of(wheel), ())
    cache.record(made, place)
    os.utime(place, (2e9 - age, 2e9 - age))
    return made


def test_a_build_is_found_again(wheels):
    made = built("1", 0)
    assert cache.cached_builds() == [made] and cache.verified(made)


def test_a_build_for_another_python_is_none(wheels, under):
    under("3.11")
    made = built("1", 0)
    under("3.12")
    assert cache.cached_builds() == []
    built("1", 0)
    under("3.11")
    assert cache.cached_builds() == [made]


@pytest.mark.parametrize("fault", ["cut", "no wheel", "other meaning"])
def test_what_is_not_whole_is_no_build(wheels, fault):
    made = built("1", 0)
    record = made.path.with_name(cache.RECORD)
    if fault == "cut":
        record.write_text(record.read_text()[:-9])
    elif fault == "no wheel":
        made.path.unlink()
    else:
        record.write_text(json.dumps({**json.loads(record.read_text()), "fingerprint": 0}))
    assert cache.cached_builds() == []


def test_what_was_used_least_recently_goes_first(wheels):
    old, middle, new = (
        fetched(wheels, f"{name}-1-py3-none-any.whl", age) for name, age in (("a", 9), ("b", 5), ("c", 1))
    )
    made = built("1", 7)
    assert cache.prune(3 * KIB) == [old, made.path.parent]
    assert middle.exists() and new.exists() and cache.size() == 2 * KIB
    assert cache.prune(2 * KIB) == []


def test_using_something_makes_it_recent(wheels):
    old, new = (fetched(wheels, f"{name}-1-py3-none-any.whl", age) for name, age in (("a", 9), ("b", 5)))
    os.utime(new, (1e9, 1e9))
    cache.mark_used(old)
    assert cache.prune(KIB) == [new]


def test_what_is_installed_being_made_or_kept_stays(wheels, place):
    installed, companion, held, kept, free = (
        fetched(wheels, f"{name}-1-py3-none-any.whl", 9) for name in ("a", "b", "c", "d", "e")
    )
    environment = place / "env" / "one"
    environment.mkdir(parents=True)
    content = {"wheel": installed.name, "companion_wheels": [companion.name]}
    (environment / certificate.CERTIFICATE).write_text(json.dumps(content))
    with FileLock(wheels / f".{held.name}.lock"):
        assert cache.prune(0, keep=kept.name) == [free]
    assert set(cache.prune(0)) == {held, kept}
    assert installed.exists() and companion.exists()


def test_leftovers_of_killed_processes_go_and_those_of_living_ones_stay(wheels):
    dead, alive = wheels / ".a.whl.part", wheels / ".b.whl.part"
    stage = cache.place_of("1" * 20).with_name(f".{cache.place_of('1' * 20).name}.partial-1")
    stage.mkdir(parents=True)
    for path in (dead, alive):
        path.write_bytes(b"x")
    with FileLock(wheels / ".b.whl.lock"):
        cache.prune(10 * KIB)
        assert not dead.exists() and alive.exists() and not stage.exists()


def test_the_limit_is_ten_gib_unless_said(monkeypatch, wheels, capsys):
    monkeypatch.delenv(cache.LIMIT_VARIABLE, raising=False)
    assert cache.limit() == 10 * 2**30
    monkeypatch.setenv(cache.LIMIT_VARIABLE, "0.000001")
    fetched(wheels, "a-1-py3-none-any.whl", 1)
    fetched(wheels, "b-1-py3-none-any.whl", 2)
    cache.trim()
    assert "removed 1 items" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["much", "-1", "nan"])
def test_a_limit_that_is_no_size_is_refused(monkeypatch, text):
    monkeypatch.setenv(cache.LIMIT_VARIABLE, text)
    with pytest.raises(AlbError, match=f"ALB_WHEEL_CACHE is '{text}', expected the size"):
        cache.limit()


def test_what_does_not_fit_is_remembered(wheels):
    assert cache.unfit("p", "l") is None
    cache.mark_unfit("p", "l", "no symbol")
    assert cache.unfit("p", "l") == "no symbol" and cache.unfit("p", "m") is None
    next(Path(wheels / "builds" / "unfit").iterdir()).write_text("{")
    assert cache.unfit("p", "l") is None
