"""What README says is what there is."""

import re
import textwrap
from typing import Any

import click
import pytest
from tiny import Tiny

from alb_core.cli.main import cli
from alb_core.paths import suite_root

README = (suite_root() / "README.md").read_text()
TEST_LINE = "python -m pip install -e '.[test]' && python -m pytest"


def test_its_lines_and_commands_are_the_promised_ones():
    typed = [line.strip() for line in README.splitlines() if line.startswith("    ")]
    assert typed[:2] == ["python -m pip install -e . && alb quickstart", TEST_LINE]
    assert typed[2:5] == ["asv run --machine g4dn", "asv continuous main HEAD", "asv publish && asv preview"]


def test_ci_runs_its_test_line():
    assert TEST_LINE in (suite_root() / ".ci" / "run").read_text().splitlines()
    assert "bash .ci/run" in (suite_root() / ".github" / "workflows" / "ci.yml").read_text()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_alb_command_that_is_named_exists(name):
    text = (suite_root() / name).read_text()
    for span in re.findall(r"`([^`]+)`", text):
        command: click.Command = cli
        for word in span.split()[1:] if span.startswith("alb ") else []:
            if not isinstance(command, click.Group):
                break
            assert word in command.commands, f"{span} in {name}"
            command = command.commands[word]


def test_its_training_loop_runs(tiny: Tiny):
    [block] = re.findall(r"(?:^    import torch\n)(?:(?:    .*)?\n)+?(?=\S)", README, re.MULTILINE)
    code = textwrap.dedent(block)
    for promised, here in (("data/soma/small", tiny.uri), ("is_primary_data == True", "raw_sum > 300")):
        assert promised in code
        code = code.replace(promised, here)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["loss"].isfinite()
    assert len(names["obs"]) == names["loader"].n_rows


def test_links_within_the_project_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (suite_root() / target).exists(), target
