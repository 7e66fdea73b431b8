"""Where things lie."""

import subprocess

from alb_core.base import paths


def test_the_rounds_of_a_calibration_lie_in_the_checkout_and_can_be_committed(monkeypatch, tmp_path):
    monkeypatch.setenv(paths.DATA_VARIABLE, str(tmp_path))
    assert paths.calibration_root() == paths.suite_root() / "data" / "calibration"
    ignored = ["git", "-C", str(paths.suite_root()), "check-ignore", "--quiet"]
    assert subprocess.run([*ignored, str(paths.calibration_root() / "ref2.json")]).returncode == 1
    assert subprocess.run([*ignored, str(paths.suite_root() / "data" / "soma" / "mini")]).returncode == 0
