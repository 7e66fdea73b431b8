"""No test runs beside a quiet one, and a quiet one gets its turn."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest
from quiet import in_the_room


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A room and a line of their own."""
    places = tmp_path / "room", tmp_path / "line"
    for place in places:
        place.mkdir()
    return places


class Visitor(threading.Thread):
    """Goes into the room, and out when it is told to."""

    def __init__(self, places: tuple[Path, Path], *, alone: bool) -> None:
        super().__init__(daemon=True)
        self.places, self.alone = places, alone
        self.inside, self.may_go = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with in_the_room(*self.places, alone=self.alone):
            self.inside.set()
            assert self.may_go.wait(20)

    def leave(self) -> None:
        self.may_go.set()
        self.join(20)
        assert not self.is_alive()


def is_locked(place: Path) -> bool:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def test_those_that_need_not_be_alone_are_there_together(places: tuple[Path, Path]) -> None:
    visitors = [Visitor(places, alone=False) for _ in range(3)]
    assert all(visitor.inside.wait(20) for visitor in visitors)
    for visitor in visitors:
        visitor.leave()


@pytest.mark.parametrize("other", [False, True])
def test_nobody_is_there_beside_one_who_is_alone(places: tuple[Path, Path], other: bool) -> None:
    alone = Visitor(places, alone=True)
    assert alone.inside.wait(20)
    late = Visitor(places, alone=other)
    assert not late.inside.wait(0.2)
    alone.leave()
    assert late.inside.wait(20)
    late.leave()


def test_who_comes_later_waits_for_one_who_waits_to_be_alone(places: tuple[Path, Path]) -> None:
    first = Visitor(places, alone=False)
    assert first.inside.wait(20)
    alone = Visitor(places, alone=True)
    while not is_locked(places[1]):
        assert alone.is_alive()
    late = Visitor(places, alone=False)
    assert not late.inside.wait(0.2), "or those that come would keep the room full for ever"
    first.leave()
    assert alone.inside.wait(20) and not late.inside.is_set()
    alone.leave()
    assert late.inside.wait(20)
    late.leave()


def test_a_room_that_was_left_by_an_error_is_free(places: tuple[Path, Path]) -> None:
    with pytest.raises(ZeroDivisionError), in_the_room(*places, alone=True):
        raise ZeroDivisionError
    with in_the_room(*places, alone=True):
        pass
