"""Bad command lines over all commands: one line that names what is wrong, status 2, and nothing made."""

import errno
import os
import signal
import subprocess
import sys

import pytest
from command import ALB, environment, typed

from alb_core.base import paths
from alb_core.base.errors import AlbError
from alb_core.commits.history import releases_lock
from alb_core.rounds.results import machines

BIG = str(2**64)

#: Of each command: an option that takes a number, and words that let it be looked at.
NUMBERS = [
    *(("data make mine", option) for option in ("--cells", "--vars", "--fragments", "--seed")),
    *(("data retile mini mine", option) for option in ("--capacity", "--fragments")),
    *(("download", option) for option in ("-s", "-e", "-v")),
    *(("data-loader mini", option) for option in ("--seed", "-e", "-B", "-n", "-P", "-S")),
    *(("read-chunks mini", option) for option in ("-c", "-r", "-V", "-P", "-S")),
    *(("compare-loaders mini", option) for option in ("--chunk-size", "--block-size", "--batch-size", "--seed")),
    *(("campaign", option) for option in ("--rounds",)),
    *(("calibrate", option) for option in ("--resamples",)),
    *(("plot", option) for option in ("-n",)),
]
MEASURES = [
    *((command, "--budget") for command in ("verdict", "bisect a b -b read", "campaign", "calibrate")),
    *((command, "--threshold") for command in ("verdict", "history steps")),
    ("calibrate", "--minutes"),
    ("compare-loaders mini", "--consumer-ms"),
    ("history prune", "--to"),
]
NAMED = ["verdict", "bisect a b -b read", "campaign", "campaign -n", "calibrate", "history steps", "quickstart"]
WORDS = [
    *((*command.split(), option, value) for command, option in NUMBERS for value in (BIG, "two", "")),
    *((*command.split(), option, value) for command, option in MEASURES for value in ("nan", "inf", "")),
    *((*command.split(), "--no-such-option") for command in NAMED),
    *((command, "--tiledb", "sm.compute_concurrency_level=many", "x") for command in ("data-loader", "read-chunks")),
    ("data", "retile", "mini", "mine", "--tiledb", "sm.io_concurrency_level=-1"),
    ("download", "-e", "1", "--tiledb", "vfs.s3.scheme=ftp"),
    ("nosuch",),
    ("machines", "claim", "-x"),
    ("machines", "claim", "--", "-x"),
    ("history", "steps", "--machine", "a/b"),
]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_bad_words_are_one_line_and_make_nothing(words, tmp_path, monkeypatch, refused):
    monkeypatch.setenv(paths.DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    refused(*words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["[]", "null", "7", "{", '{"m": []}', '{"m": {"cpu": null}}', "[" * 99_999])
def test_files_of_another_shape_are_refused(content, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    home = tmp_path / ".asv-machine.json"
    home.write_text(content)
    with pytest.raises(AlbError, match=r"asv-machine\.json is no JSON object of asv"):
        machines.registered(tmp_path / "results", "m")
    assert home.read_text() == content
    lock = tmp_path / "releases.json"
    lock.write_text(content)
    with pytest.raises(AlbError, match=r"releases\.json is no lock of releases"):
        releases_lock.load(lock)


def test_a_working_directory_that_is_gone_is_one_line(tmp_path, monkeypatch, refused):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "the working directory cannot be found" in refused("machines")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")  # noqa: PTH110
def test_a_full_output_is_one_line(tmp_path):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run([*ALB, "history", "--help"], stdout=full, stderr=-1, env=environment(tmp_path), text=True)
    assert (done.returncode, done.stderr) == (2, f"alb: cannot write the output: {os.strerror(errno.ENOSPC)}\n")


def test_an_interrupt_while_the_command_starts_is_one_line(tmp_path):
    program = (
        "import os, sys; sys.argv[0] = 'alb'; import alb_core.cli; os.kill(os.getpid(), 2); import alb_core.cli.main"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "alb: interrupted\n")
    # A test that types alb here is interrupted as any other.
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert typed("--help") == 0
