"""Kills at random moments of what writes: nothing is lost, and nothing is left when the next one has written."""

import os
import random
import subprocess
import sys

import pytest
from command import TESTS


@pytest.mark.parametrize("kind", ["records", "results", "directory"])
@pytest.mark.parametrize("number", [7, pytest.param(70, marks=pytest.mark.nightly)])
def test_nothing_is_lost_and_nothing_left(tmp_path, kind, number):
    seed = random.randrange(10**6)
    command = [sys.executable, TESTS / "random_kills.py", kind, str(number), str(seed), tmp_path]
    variables = {**os.environ, "ALB_DATA": str(tmp_path / "data")}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    left = {path.name for path in tmp_path.iterdir()} - {"data", f".{kind}.lock"}
    assert left == {kind}, f"seed {seed}"
    assert not list(tmp_path.glob("data/scratch/*")), f"seed {seed}"
