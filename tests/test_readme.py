"""What README, and what its training loop and its figures of verdicts became, say is what there is."""

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import Tiny

from alb_core.base.paths import suite_root

README = (suite_root() / "README.md").read_text()
TRAINING = (suite_root() / "docs" / "training.md").read_text()
CALIBRATION = (suite_root() / "docs" / "calibration.md").read_text()
TEST_LINE = "python -m pip install -e '.[test]' && python -m pytest"


def test_its_lines_and_commands_are_the_promised_ones():
    typed = [line.strip() for line in README.splitlines() if line.startswith("    ")]
    assert typed[1:3] == ["python -m pip install -e . && alb quickstart", TEST_LINE]
    at = typed.index("asv run --machine g4dn")
    assert typed[at : at + 3] == ["asv run --machine g4dn", "asv continuous main HEAD", "asv publish && asv preview"]


def kept_states(path: Path) -> list[dict[str, Any]]:
    """States of a loader in the checkpoints of Lightning."""
    kept = [torch.load(file, weights_only=False) for file in path.rglob("*.ckpt")]
    return [state for one in kept for state in one["loops"]["fit_loop"]["state_dict"]["combined_loader"]]


def test_ci_runs_its_test_line():
    assert TEST_LINE in (suite_root() / ".ci" / "run").read_text().splitlines()
    assert "bash .ci/run" in (suite_root() / ".github" / "workflows" / "ci.yml").read_text()


def block_of(first: str) -> str:
    """The program of its training page that begins with a line."""
    [block] = re.findall(rf"(?:^    {first}\n)(?:(?:    .*)?\n)+?(?=\S|\Z)", TRAINING, re.MULTILINE)
    return textwrap.dedent(block)


def trained(tiny: Tiny) -> dict[str, Any]:
    """Names that its training loop leaves."""
    code = block_of("import torch")
    for promised, here in (("data/soma/small", tiny.uri), ("is_primary_data == True", "raw_sum > 300")):
        assert promised in code
        code = code.replace(promised, here)
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_its_training_loop_runs(tiny: Tiny):
    names = trained(tiny)
    assert names["loss"].isfinite()
    assert len(names["obs"]) == names["loader"].n_rows


def test_its_loop_of_lightning_runs(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("lightning")
    monkeypatch.chdir(tmp_path)  # logs and checkpoints go there
    names = trained(tiny)
    exec(block_of("import lightning"), names)
    assert names["trainer"].global_step == 2 * len(names["loader"])
    assert [state["epoch"] for state in kept_states(tmp_path)] == [3], "one by hand, two by Lightning"


def test_what_its_table_says_of_verdicts_is_what_was_counted():
    known = json.loads((suite_root() / "data" / "results" / "ref2" / "calibration.json").read_text())
    assert f"by {known['rounds']} rounds" in CALIBRATION
    head, _, *lines = CALIBRATION[CALIBRATION.index("| | false alarms |") :].split("\n\n")[0].splitlines()
    sizes = [None, *(cell.removesuffix(" found ").replace(" ", "") for cell in head.split("|")[3:-1])]
    assert sizes == [None, "5%", "10%", "25%", "200MB"] and len(lines) == 6
    for line in lines:
        name, *cells = (cell.strip() for cell in line.split("|")[1:-1])
        assert cells == [counted(kept_of(known, name, size == "200MB"), size) for size in sizes], name


def kept_of(known: dict[str, Any], name: str, memory: bool) -> dict[str, Any]:
    """What the file has of a row of its table."""
    if name == "a verdict as a whole":
        return known["whole"]
    benchmark, first, last = re.fullmatch(r"`(\w+)` ([\w.]+), (\w+)", name).groups()
    method = "peakmem_epoch" if memory else "time_epoch"
    pattern = rf"\w+\.{benchmark}\.{method}\('{first}', .*'{last}'\)"
    [found] = [case for full, case in known["benchmarks"].items() if re.fullmatch(pattern, full)]
    return found


def counted(known: dict[str, Any], size: str | None) -> str:
    """Verdicts that share no round, and those of rounds drawn anew, as the page writes them."""
    apart, drawn = (known["false_alarms"], known["resampled_false_alarms"])
    if size is not None:
        apart, drawn = known["power"][size], known["resampled_power"][size]
    return f"{apart['count']}/{apart['of']} ({drawn['count']}/{drawn['of']})"
