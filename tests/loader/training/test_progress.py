"""The loader's progress bar."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tiny import Tiny

from alb_core.base.errors import AlbError
from alb_core.loader.block_spec import BlockSpec
from alb_core.loader.dataset import SomaLoader

SPEC = BlockSpec(chunk_size=16, chunks_per_block=8)


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Stderr is a terminal, for as long as the block takes; called once, this tells what was written to it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    with (
        os.fdopen(ours, "rb", buffering=0) as reader,
        os.fdopen(theirs, "w") as stderr,
        monkeypatch.context() as patch,
    ):
        patch.setattr(sys, "stderr", stderr)

        def written() -> str:
            stderr.write("\nend\n")
            stderr.flush()
            seen = b""
            while not seen.endswith(b"end\r\n"):
                seen += reader.read(65536)
            return seen.decode().removesuffix("\r\nend\r\n")

        yield written


def test_rows_on_a_terminal(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())
    with (
        terminal(monkeypatch) as written,
        SomaLoader(tiny.uri, SPEC, batch_size=100, progress=True) as loader,
    ):
        loader.load_state_dict({**loader.state_dict(), "epoch": 4, "batch": 3})
        assert len(list(loader)) == 4
        seen = written()
    assert set(threading.enumerate()) <= before
    assert "epoch 4:  43%" in seen and "300/700" in seen


def test_the_first_rank_alone_shows_it(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as written:
        list(SomaLoader(tiny.uri, SPEC, progress=True, rank=1, world_size=2))
        assert written() == ""


def test_nothing_in_a_pipe(tiny: Tiny, capfd: pytest.CaptureFixture[str]) -> None:
    list(SomaLoader(tiny.uri, SPEC, progress=True))
    assert capfd.readouterr() == ("", "")


def test_without_tqdm(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    list(SomaLoader(tiny.uri, SPEC))
    with pytest.raises(AlbError, match=r"^progress=True needs tqdm, which is not installed: pip install tqdm$"):
        list(SomaLoader(tiny.uri, SPEC, progress=True))
