"""What README, CONTRIBUTING, CHANGELOG and docs/ say is what there is."""

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

ROOT = suite_root()
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [*(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")), *DOCS]
NAMES = [path.name for path in PAGES]
every_page = pytest.mark.parametrize("path", PAGES, ids=NAMES)


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


def anchors(path):
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_links_lead_somewhere(path):
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", path.read_text()):
        page = path.parent / target if target else path
        assert page.exists(), target
        assert not anchor or anchor in anchors(page), f"{target}#{anchor}"


def typed(path):
    """Lines of a page that are to be typed, without their remarks."""
    for line in path.read_text().splitlines():
        if re.match(r" {4,}\S", line):
            for command in re.split(r"&&|\|", re.sub(r"\s#.*", "", line)):
                yield command.strip()


@every_page
def test_commands_that_are_to_be_typed_are_understood(path):
    for line in typed(path):
        for script in re.findall(r"^python ([\w/]+\.py)", line):
            assert (ROOT / script).exists(), line
        if not line.startswith("alb "):
            continue
        command, context, rest = cli, click.Context(cli), shlex.split(line)[1:]
        while isinstance(command, click.Group) and rest:
            command = command.get_command(context, rest.pop(0))
            assert command is not None, line
        # Parses the options, and runs nothing.
        command.make_context("alb", rest)


@every_page
def test_every_command_that_is_named_exists(path):
    for span in re.findall(r"`(alb [^`]+)`", path.read_text()):
        command: click.Command = cli
        for word in span.split()[1:]:
            if not isinstance(command, click.Group) or not word.islower() or word.startswith("-"):
                break
            assert word in command.commands, span
            command = command.commands[word]


@every_page
def test_files_that_are_named_are_there(path):
    places = [ROOT, ROOT / "alb_core", ROOT / "docs", ROOT / "docs" / "workflows"]
    for span in re.findall(r"`([\w./-]+/|[\w./-]+\.(?:py|md|json|txt|yml|toml))`", path.read_text()):
        # Made by commands, or somebody else's.
        if span.startswith(("data/", "html/", ".github/", ".venv")) or span in MADE:
            continue
        assert any((place / span).exists() for place in places), span


MADE = {"verdict.md", "build.json"}


@every_page
def test_names_are_in_the_files_that_are_said_to_have_them(path):
    for name, file in re.findall(r"`(\w+)` in\s+`([\w./-]+\.(?:py|json))`", path.read_text()):
        [found] = [root / file for root in (ROOT, ROOT / "alb_core") if (root / file).exists()]
        assert re.search(rf"\b{name}\b", found.read_text()), f"{name} in {file}"


def test_rules_that_the_code_cites_are_in_the_design():
    rules = set(re.findall(r"^(\d+)\. \*\*", (ROOT / "docs" / "design.md").read_text(), re.MULTILINE))
    assert len(rules) == 10
    for path in [*(ROOT / "alb_core").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), ROOT / "constraints.txt"]:
        for cited in re.findall(r"[Dd]esign rules? (\d+(?:(?:, | and )\d+)*)", path.read_text()):
            assert set(re.findall(r"\d+", cited)) <= rules, path


def test_each_word_of_the_glossary_stands_there_once():
    found = re.findall(r"^\| (?!word )([^|]+) \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert found and len(found) == len(set(found))


def test_the_example_of_a_benchmark_is_one():
    text = (ROOT / "docs" / "adding-a-benchmark.md").read_text()
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
    text = (ROOT / "docs" / "machines.md").read_text()
    assert all(f"The name `{name}` means" in text for name in NAMED_MACHINES)
    known = NAMED_MACHINES["g4dn"]
    assert f"{known.num_cpu} vCPUs, {known.ram_gib} GiB" in text


def test_pages_are_found_from_the_readme():
    text = (ROOT / "README.md").read_text()
    assert [path.name for path in DOCS if f"(docs/{path.name})" not in text] == []
