"""The published site in a real browser that has no network."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import asv
import browser
import pytest
from asv import util
from browser import Browser, served

from alb_core.paths import data_root, scripts_root, suite_root

COMMITS = 12
#: The seventh commit takes twice as long as those before it.
STEP = 6
BENCHMARK = "read_chunks.ReadChunks.time_epoch"
NOWHERE = "http://127.0.0.1:9"

pytestmark = pytest.mark.skipif(browser.installed() is None, reason="no chromium")


class Site:
    """A suite's configuration with a history of a dozen commits, and results of each."""

    def __init__(self, root):
        self.root, self.data = root, root / "data"
        configuration = util.load_json(str(suite_root() / "asv.conf.json"), js_comments=True)
        (root / "asv.conf.json").write_text(json.dumps(configuration))
        self.commits = self._history(self.data / "tiledb-soma")
        self._results(self.data / "results")

    def _history(self, place):
        place.mkdir(parents=True)
        git = ["git", "-C", str(place), "-c", "user.name=n", "-c", "user.email=e@f"]
        subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
        for number in range(COMMITS):
            dated = {**os.environ, "GIT_COMMITTER_DATE": f"2026-01-{number + 1:02} 12:00:00 +0000"}
            made = [*git, "commit", "-q", "--allow-empty", "-m", f"commit {number}"]
            subprocess.run(made, env=dated, check=True)
        listed = subprocess.run(
            [*git, "log", "--reverse", "--format=%H %ct"], capture_output=True, text=True, check=True
        )
        return [line.split() for line in listed.stdout.splitlines()]

    def _results(self, place):
        """Results as they are committed, under each commit of the history."""
        committed = suite_root() / "data" / "results"
        first = next(path for path in sorted(committed.glob("*/*-*.json")) if BENCHMARK in path.read_text())
        (place / first.parent.name).mkdir(parents=True)
        shutil.copy2(committed / "benchmarks.json", place)
        shutil.copy2(first.parent / "machine.json", place / first.parent.name)
        self.machine = first.parent.name
        for number, (commit, seconds) in enumerate(self.commits):
            content = json.loads(first.read_text())
            content.update(commit_hash=commit, date=int(seconds) * 1000)
            row = content["results"][BENCHMARK]
            row[0] = [value * (2 if number >= STEP else 1) for value in row[0]]
            name = f"{commit[:8]}-{content['env_name']}.json"
            (place / first.parent.name / name).write_text(json.dumps(content))

    def publish(self, html, **variables):
        """Publish as typed; returns what asv said."""
        done = subprocess.run(
            [sys.executable, "-m", "asv", "publish", "--html-dir", html],
            cwd=self.root,
            env={**os.environ, "HOME": str(self.root), "ALB_DATA": str(self.data), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def published(site):
    """Address of the site, published with the packages of the registry that is configured here."""
    scripts_root().mkdir(parents=True, exist_ok=True)
    (site.data / "site").symlink_to(scripts_root())
    # npm's own configuration is in the true home.
    registry = {"NPM_CONFIG_USERCONFIG": os.environ.get("NPM_CONFIG_USERCONFIG", str(Path.home() / ".npmrc"))}
    said = site.publish("html", **registry).stderr
    if "alb: the site needs a network" in said:
        pytest.skip(f"the npm registry cannot be reached, and {data_root()} has not its packages: {said}")
    with served(site.root / "html") as address:
        yield address


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture
def page(published, chromium):
    """Opens a page of the site; at its end, nothing was wrong, and nothing was asked of anyone else."""

    def opened(place):
        chromium.open(f"{published}/{place}")
        return chromium

    yield opened
    assert chromium.errors == []
    assert [address for address in chromium.requests if not address.startswith((published, "data:"))] == []


def test_the_grid_shows_every_benchmark(site, page):
    shown = page("index.html")
    names = set(json.loads((site.root / "html" / "index.json").read_text())["benchmarks"])
    assert shown.wait_for("$('#summarygrid-display .benchmark-text').length") == len(names)
    assert shown.evaluate("$('#project-name').text()") == "tiledbsoma"
    # Each has its small graph, drawn when seen.
    drawn = "$('#summarygrid-display canvas').toArray().some(canvas => canvas.width > 10)"
    assert shown.wait_for(drawn)


def test_the_list_shows_the_last_value_and_sorts(page):
    shown = page("index.html#/summarylist")
    values = "$('#summarylist-body table tbody tr').toArray().map(row => $(row).find('td').eq(1).data('sort-value'))"
    found = shown.wait_for(f"{values}.length > 10 && {values}")
    # It comes sorted by name.
    shown.wait_for("$('#summarylist-body th').eq(0).hasClass('asc')")
    for order, expected in (("asc", sorted(found)), ("desc", sorted(found, reverse=True))):
        shown.evaluate("void $('#summarylist-body th').eq(1).click()")
        shown.wait_for(f"$('#summarylist-body th').eq(1).hasClass('{order}')")
        assert shown.evaluate(values) == expected


def test_a_graph_draws_the_points_of_every_commit(page):
    shown = page(f"index.html#{BENCHMARK}")
    series = "$('#main-graph').data('plot').getData().map(one => one.data.filter(point => point[1] != null).length)"
    points = shown.wait_for(f"$('#main-graph').data('plot') && {series}.length && {series}")
    assert max(points) == COMMITS
    # Ink in a colour of asv's, not a grey axis.
    inked = """(() => {
        const canvas = $('#main-graph canvas.flot-base')[0];
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let found = 0;
        for (let at = 0; at < pixels.length; at += 4) {
            const colours = pixels.slice(at, at + 3);
            found += pixels[at + 3] > 128 && Math.max(...colours) - Math.min(...colours) > 60;
        }
        return found;
    })()"""
    assert shown.evaluate(inked) > 500
    assert shown.evaluate("$('#main-graph .flot-y-axis').text()")


def test_the_regressions_name_the_step(site, page):
    shown = page("index.html#/regressions")
    rows = "$('#regressions-body table tbody tr').toArray().map(row => row.innerText)"
    found = shown.wait_for(f"{rows}.length && {rows}")
    assert all(BENCHMARK in row and site.commits[STEP][0][:8] in row for row in found)
    factors = "$('#regressions-body table tbody tr').toArray().map(row => parseFloat($(row).find('td').eq(3).text()))"
    assert all(factor == pytest.approx(2, abs=0.01) for factor in shown.evaluate(factors))


def test_without_the_registry_the_site_is_as_asv_makes_it_and_says_so(site, chromium):
    empty = site.root / "empty"
    empty.mkdir()
    (empty / "tiledb-soma").symlink_to(site.data / "tiledb-soma")
    done = site.publish("bare", ALB_DATA=str(empty), NPM_CONFIG_REGISTRY=NOWHERE)
    [line] = [line for line in done.stderr.splitlines() if line.startswith("alb:")]
    assert line.startswith(f"alb: the site needs a network to open: cannot get {NOWHERE}/jquery/")
    template = Path(asv.__file__).parent / "www"
    assert (site.root / "bare" / "index.html").read_bytes() == (template / "index.html").read_bytes()
    assert not (site.root / "bare" / "vendor").exists()
    # And so this browser, which reaches no one, cannot show it.
    with served(site.root / "bare") as address:
        chromium.open(f"{address}/index.html")
        chromium.wait_for("document.location.pathname == '/error.html'")
