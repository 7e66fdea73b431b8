"""Where things lie."""

import ast
import subprocess
from pathlib import Path

import pytest

from alb_core.base import paths

#: Where a user's name stands below the data directory.
NAMED_BY_USERS = {"datasets/find.py": "word", "datasets/retile/retile.py": "name"}


def test_the_rounds_of_a_calibration_lie_in_the_checkout_and_can_be_committed(monkeypatch, tmp_path):
    monkeypatch.setenv(paths.DATA_VARIABLE, str(tmp_path))
    assert paths.calibration_root() == paths.suite_root() / "data" / "calibration"
    ignored = ["git", "-C", str(paths.suite_root()), "check-ignore", "--quiet"]
    assert subprocess.run([*ignored, str(paths.calibration_root() / "ref2.json")]).returncode == 1
    assert subprocess.run([*ignored, str(paths.suite_root() / "data" / "soma" / "mini")]).returncode == 0


@pytest.mark.parametrize(
    ("path", "own"),
    [
        *((name, True) for name in ("duo", "CAMPAIGN", "site", "env/mine", "wheels/a/b", "soma", "tiledb-soma")),
        *((name, False) for name in ("census-benchmark_2:7", "duo2", "soma/mine", "../env")),
    ],
)
def test_places_of_the_suite_are_told_from_names_of_users(path, own, monkeypatch, tmp_path):
    monkeypatch.setenv(paths.DATA_VARIABLE, str(tmp_path / "data"))
    assert paths.is_own_place(tmp_path / "data" / path) is own
    (tmp_path / "link").symlink_to("data")
    assert paths.is_own_place(tmp_path / "link" / path) is own
    assert paths.is_own_place(paths.suite_root() / "data" / path) is own
    monkeypatch.setenv(paths.HISTORY_VARIABLE, str(tmp_path / "data" / "census-benchmark_2:7"))
    assert paths.is_own_place(tmp_path / "data" / "census-benchmark_2:7")


def test_whatever_the_code_puts_into_the_data_directory_is_a_place_of_the_suite(monkeypatch, tmp_path):
    monkeypatch.setenv(paths.DATA_VARIABLE, str(tmp_path))
    package = Path(paths.__file__).parents[1]
    others, found = [], 0
    for path in package.rglob("*.py"):
        module = path.relative_to(package).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.BinOp) and ast.unparse(node.left) == "data_root()" and module != "base/paths.py":
                found += 1
                below = node.right.value if isinstance(node.right, ast.Constant) else ast.unparse(node.right)
                lock = below.startswith(".") and paths.is_own_place(tmp_path / below[1:].removesuffix(".lock"))
                if not lock and NAMED_BY_USERS.get(module) != below:
                    others.append(f"{module}: {below}")
    assert found > 3
    # Everything else goes through own_place, whose names mypy holds.
    assert others == []
