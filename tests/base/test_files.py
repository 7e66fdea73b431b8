import multiprocessing
import os
import shutil
import subprocess
import sys
import time

import pytest

from alb_core.base.errors import AlbError
from alb_core.base.files import (
    ensure_directory,
    full_disk,
    locked,
    scratch_directory,
    sha256_of,
    staged_directory,
    write_atomically,
    written_beside,
)

CONTEXT = multiprocessing.get_context("fork")


def test_write_atomically_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two" and list(path.parent.iterdir()) == [path]
    assert sha256_of(path) == "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"


def test_a_write_that_fails_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AlbError, match=r"cannot write .*file: No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_way_of_a_directory_is_named(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(AlbError, match="cannot make the directory"):
        ensure_directory(tmp_path / "a" / "b")


def test_a_stage_takes_its_place_when_the_block_ends_well(tmp_path):
    place = tmp_path / "place"
    with staged_directory(place) as stage:
        (stage / "x").write_text("x")
        assert not place.exists()
    assert (place / "x").read_text() == "x" and list(tmp_path.iterdir()) == [place]


def test_a_stage_is_removed_when_it_does_not(tmp_path):
    with pytest.raises(KeyError), staged_directory(tmp_path / "place") as stage:
        (stage / "x").write_text("x")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_counts_as_nothing_and_goes(tmp_path):
    program = (
        "import os, pathlib, sys; from alb_core.base.files import staged_directory\n"
        "with staged_directory(pathlib.Path(sys.argv[1])) as stage:\n"
        "    (stage / 'x').write_text('x'); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "place")], check=False)
    [left] = tmp_path.iterdir()
    assert left.name.startswith(".place.partial-")
    with staged_directory(tmp_path / "place") as stage:
        (stage / "y").write_text("y")
    assert [path.name for path in tmp_path.rglob("*")] == ["place", "y"]


@pytest.mark.parametrize("kind", ["file", "scratch"])
def test_what_a_killed_process_held_goes_with_the_next_and_what_a_live_one_holds_stays(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("ALB_DATA", str(tmp_path))
    held = {"file": lambda: written_beside(tmp_path / "file"), "scratch": lambda: scratch_directory("trial")}[kind]
    program = {
        "file": "files.written_beside(pathlib.Path(sys.argv[1]) / 'file')",
        "scratch": "files.scratch_directory('trial')",
    }[kind]
    root = tmp_path / "scratch" if kind == "scratch" else tmp_path

    def killed():
        words = f"import os, pathlib, sys; from alb_core.base import files\nwith {program}: os.kill(os.getpid(), 9)"
        subprocess.run([sys.executable, "-c", words, str(tmp_path)], check=False)

    with held() as mine:
        killed()
        [left] = set(root.iterdir()) - {mine}
        with held() as another:
            assert set(root.iterdir()) == {mine, another} and not left.exists()
    assert [path.name for path in root.iterdir()] == (["file"] if kind == "file" else [])


def test_many_processes_write_one_file_and_take_nothing_from_one_another(tmp_path):
    program = (
        "import pathlib, sys; from alb_core.base.files import write_atomically\n"
        "for _ in range(100): write_atomically(pathlib.Path(sys.argv[1]), sys.argv[2].encode() * 1000)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "file"), name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert (tmp_path / "file").read_text() in {name * 1000 for name in "abc"}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_has_no_locks_is_written_and_nothing_is_swept(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("alb_core.base.files.fcntl.flock", none)
    (tmp_path / ".file.partial-other").write_text("")
    write_atomically(tmp_path / "file", b"x")
    assert {path.name for path in tmp_path.iterdir()} == {"file", ".file.partial-other"}


def test_a_lack_of_room_is_told_from_other_faults(tmp_path):
    assert full_disk(OSError(28, "No space left on device", "a/b")) == "cannot write a/b: No space left on device"
    copied = shutil.Error([("from", "to", "[Errno 28] No space left on device")])
    assert "cannot write to: " in full_disk(copied)
    assert full_disk(shutil.Error([("from", "to", "denied")])) is full_disk(PermissionError(13, "denied")) is None


# -- locks -------------------------------------------------------------------------------------------------------------


def hold(path, held, seconds):
    with locked(path, "test"):
        held.set()
        time.sleep(seconds)


def holding(path, seconds):
    """A process that holds a lock now, for some seconds."""
    held = CONTEXT.Event()
    holder = CONTEXT.Process(target=hold, args=(path, held, seconds))
    holder.start()
    held.wait()
    return holder


def test_a_second_process_waits_and_says_so(tmp_path, capfd):
    holder = holding(tmp_path / "lock", 0.5)
    with locked(tmp_path / "lock", "making mini"):
        assert not holder.is_alive() or holder.join(0.2) is None
    assert capfd.readouterr().err == "alb: waiting for another process: making mini\n"


def test_a_killed_holder_blocks_nobody(tmp_path):
    holder = holding(tmp_path / "lock", 60)
    holder.kill()
    holder.join()
    with locked(tmp_path / "lock", "test"):
        pass


def test_a_place_that_cannot_be_locked_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AlbError, match="file"), locked(tmp_path / "file" / "lock", "test"):
        pass
