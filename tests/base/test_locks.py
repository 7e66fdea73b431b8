import multiprocessing
import signal
import time

import pytest

from alb_core.base.errors import AlbError
from alb_core.base.files import locked

CONTEXT = multiprocessing.get_context("fork")


def hold(path, held, seconds):
    with locked(path, "test"):
        held.set()
        time.sleep(seconds)


def test_a_second_process_waits_and_says_so(tmp_path, capfd):
    held = CONTEXT.Event()
    holder = CONTEXT.Process(target=hold, args=(tmp_path / "lock", held, 0.5))
    holder.start()
    held.wait()
    with locked(tmp_path / "lock", "making mini"):
        assert not holder.is_alive() or holder.join(0.2) is None
    assert capfd.readouterr().err == "alb: waiting for another process: making mini\n"


def test_a_killed_holder_blocks_nobody(tmp_path):
    held = CONTEXT.Event()
    holder = CONTEXT.Process(target=hold, args=(tmp_path / "lock", held, 60))
    holder.start()
    held.wait()
    assert holder.pid is not None
    holder.kill()
    holder.join()
    assert holder.exitcode == -signal.SIGKILL
    with locked(tmp_path / "lock", "test"):
        pass


def test_a_place_that_cannot_be_locked_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AlbError, match="file"), locked(tmp_path / "file" / "lock", "test"):
        pass
