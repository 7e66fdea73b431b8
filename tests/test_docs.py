"""What docs/ says is what there is."""

import ast
import re
import shlex

import click
import pytest

from alb_core.base.paths import suite_root
from alb_core.cli.main import cli
from alb_core.rounds.results.machines import NAMED_MACHINES
from alb_core.site.epoch_settings import epoch_settings
from tools import commands_page

PAGES = sorted((suite_root() / "docs").glob("*.md"))
NAMES = [path.name for path in PAGES]


def words(text):
    """Text without its line breaks, which follow the width of a terminal."""
    return " ".join(text.split())


def test_the_page_of_commands_is_what_they_say_of_themselves():
    advice = "`python tools/commands_page.py` writes it"
    assert words(commands_page.PAGE.read_text()) == words(commands_page.page()), advice


def test_the_page_names_every_command():
    found = {context.command_path for context in commands_page.commands()}
    assert {"alb verdict", "alb data make", "alb history plan", "alb compare-loaders"} <= found
    assert "alb build" not in found, "it is asv's"


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def typed(path):
    """Lines of a page that are to be typed, without their remarks."""
    for line in path.read_text().splitlines():
        if re.match(r" {4,}\S", line):
            for command in re.split(r"&&|\|", re.sub(r"\s#.*", "", line)):
                yield command.strip()


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_commands_that_are_to_be_typed_are_understood(path):
    for line in typed(path):
        if not line.startswith("alb "):
            continue
        command, context, rest = cli, click.Context(cli), shlex.split(line)[1:]
        while isinstance(command, click.Group) and rest:
            command = command.get_command(context, rest.pop(0))
            assert command is not None, line
        # Parses the options, and runs nothing.
        command.make_context("alb", rest)


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_files_that_are_named_are_there(path):
    roots = (suite_root(), suite_root() / "alb_core", suite_root() / "docs")
    for span in re.findall(r"`([\w./-]+/|[\w./-]+\.(?:py|md|json|txt|yml))`", path.read_text()):
        if span.startswith(("data/", "html/", ".github/", ".venv")) or span in ("verdict.md",):
            continue
        places = [root / span for root in roots] + [suite_root() / "docs" / "workflows" / span]
        assert any(place.exists() for place in places), span


def test_the_example_of_a_benchmark_is_one():
    text = (suite_root() / "docs" / "adding-a-benchmark.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(compile(code, "adding-a-benchmark.md", "exec"), names)
    example = names["LongChunks"]
    assert example.repeat * example.rounds >= 8 and example.rounds >= 4
    [cls] = [node for node in ast.parse(code).body if isinstance(node, ast.ClassDef)]
    listed = {
        "code": ast.unparse(cls),
        "param_names": list(example.param_names),
        "params": [[repr(value) for value in values] for values in example.params],
    }
    found = epoch_settings(listed)
    assert found is not None and {(one.dataset, one.chunk_size) for one in found} == {("mini", 2048)}


def test_the_machines_are_those_that_are_known():
    text = (suite_root() / "docs" / "machines.md").read_text()
    assert all(f"The name `{name}` means" in text for name in NAMED_MACHINES)
    known = NAMED_MACHINES["g4dn"]
    assert f"{known.num_cpu} vCPUs, {known.ram_gib} GiB" in text


def test_pages_are_found_from_the_readme():
    text = (suite_root() / "README.md").read_text()
    assert [name for name in NAMES if f"(docs/{name})" not in text] == []
