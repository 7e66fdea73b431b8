"""What `asv publish` and `asv preview` do where not all is as it should be; nothing is ever removed."""

import json
import resource
import socket
import subprocess

import pytest
from asv_site import BENCHMARK, COMMITS, Site

from alb_core.site.preview import free_port
from alb_core.site.scripts import references

LOADER = "data_loader.DataLoader.time_epoch"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("faults"))


def contents(directory):
    return {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def lines(done):
    return [line for line in done.stderr.splitlines() if line.startswith("alb: ") and "needs a network" not in line]


def test_results_that_cannot_be_published_are_named_and_kept(site):
    whole = site.file(site.commits[0][0]).read_text()
    # Cut short by a full disk; damaged by hand; of a commit that was rebased away; of an older benchmark.
    site.file(site.commits[1][0]).write_text(whole[: len(whole) // 2])
    strange = json.loads(site.file(site.commits[2][0]).read_text())
    strange["results"][BENCHMARK][0] = ["fast"]
    site.file(site.commits[2][0]).write_text(json.dumps(strange))
    lost = "0123456789" * 4
    site.file(lost).write_text(json.dumps({**json.loads(whole), "commit_hash": lost}))
    old = json.loads(site.file(site.commits[3][0]).read_text())
    old["results"][BENCHMARK][2] = "0"
    old["results"]["gone.Gone.time_it"] = old["results"][BENCHMARK]
    site.file(site.commits[3][0]).write_text(json.dumps(old))
    # Of version 2 of the loader's benchmark, what does not pass through its fast pipeline is what version 3 times.
    partly = json.loads(site.file(site.commits[4][0]).read_text())
    partly["results"][LOADER][2] = "2"
    site.file(site.commits[4][0]).write_text(json.dumps(partly))
    (site.data / "results" / "broken").mkdir()
    (site.data / "results" / "broken" / "machine.json").write_text("{")
    (site.results / "calibration.json").write_text("{")
    before = contents(site.data / "results")

    done = site.asv("publish", NPM_CONFIG_REGISTRY=NOWHERE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    # Without the registry the site takes its scripts from elsewhere, as asv makes it.
    assert f"\nalb: the site needs a network to open: cannot get {NOWHERE}/jquery/" in done.stderr
    assert references((site.root / "html" / "index.html").read_text()) and not (site.root / "html" / "vendor").exists()
    found = lines(done)
    assert len(found) == 7, found
    *unread, unknown, other, gone, calibration = found
    # In the order of their names, which are commits.
    cut, damaged = (next(line for line in unread if site.commits[number][0][:8] in line) for number in (1, 2))
    [machine] = [line for line in unread if line not in (cut, damaged)]
    results = "data/results"
    assert machine.startswith(f"alb: not published: {results}/broken/machine.json, without which no results")
    assert cut.startswith(f"alb: not published: {results}/{site.machine}/{site.commits[1][0][:8]}-")
    assert "restore it or move it away" in cut
    assert f"is no results file of asv's: ValueError: {BENCHMARK} has 'fast', expected numbers" in damaged
    assert unknown.startswith("alb: kept and not published: results of commits that are neither on main of ")
    assert unknown.endswith(f"nor a tag: 01234567 ({site.machine})")
    version = site.benchmarks[BENCHMARK]["version"]
    assert (
        other
        == f"alb: kept and not published: results of other versions: {LOADER} version 2, in part (now 3; 1 file), "
        f"{BENCHMARK} version 0 (now {version}; 1 file)"
    )
    assert gone.endswith("benchmarks that the suite has no more: gone.Gone.time_it")
    assert calibration.startswith(f"alb: not on the site: {site.results}/calibration.json is no calibration (")
    assert contents(site.data / "results") == before

    [graph] = (site.root / "html" / "graphs").glob(f"arch-*/**/{BENCHMARK}.json")
    assert len(json.loads(graph.read_text())) == COMMITS - 3, "two cannot be read, one has another version"
    [graph] = (site.root / "html" / "graphs").glob(f"arch-*/**/{LOADER}.json")
    values = dict(json.loads(graph.read_text()))
    of_method = len(values[3]) // 4
    assert values[4][: 3 * of_method] == values[3][: 3 * of_method] and set(values[4][3 * of_method :]) == {None}
    assert None not in values[3][3 * of_method : -1]
    listed = json.loads((site.root / "html" / "alb" / "speed.json").read_text())["figures"]
    shown = {one["commit"] for figure in listed for one in figure["releases"]}
    assert shown == {commit for commit, _ in site.commits} - {site.commits[1][0], site.commits[2][0]}


def test_where_commits_share_nothing_a_site_says_so(tmp_path):
    site = Site(tmp_path)
    for (commit, _), name in zip(site.commits, site.benchmarks, strict=False):
        content = json.loads(site.file(commit).read_text())
        site.file(commit).write_text(json.dumps({**content, "results": {name: content["results"][name]}}))
    site.publish("html", NPM_CONFIG_REGISTRY=NOWHERE)
    html = site.root / "html"
    [about] = json.loads((html / "alb" / "drawn.json").read_text())
    assert (about["machine"], len(about["commits"]), about["cases"]) == (site.machine, COMMITS, 0) and about["left_out"]
    # What asv's pages then ask for.
    assert json.loads((html / "index.json").read_text())["benchmarks"] == {}
    assert json.loads((html / "graphs" / "summary.json").read_text()) == []


def test_a_damaged_list_of_benchmarks_is_one_line(site):
    path = site.data / "results" / "benchmarks.json"
    whole = path.read_text()
    path.write_text(whole[:100])
    try:
        done = site.asv("publish", "--html-dir", "other")
    finally:
        path.write_text(whole)
    assert done.returncode == 2 and not (site.root / "other").exists()
    assert lines(done)[-1].startswith(f"alb: data/results/{path.name} cannot be read as asv's list of benchmarks")


def test_a_branch_of_pages_is_made_of_the_same_site(site):
    """asv's gh-pages publishes, too, and so removes what is there: the same is refused, and the same is said."""
    git = ["git", "-C", str(site.root), "-c", "user.name=n", "-c", "user.email=e@f"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "results"], check=True)
    named = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = site.asv("gh-pages", "--no-push", NPM_CONFIG_REGISTRY=NOWHERE, **named)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = subprocess.run(
        [*git, "ls-tree", "-r", "--name-only", "gh-pages"], capture_output=True, text=True, check=True
    )
    assert {"index.html", "alb/speed.json", ".nojekyll"} <= set(listed.stdout.splitlines())
    (site.root / "html" / "thesis.tex").write_text("years of work")
    refused = site.asv("gh-pages", "--no-push", **named)
    assert refused.returncode == 2 and "Move it away, or choose another directory with --html-dir" in lines(refused)[-1]
    assert (site.root / "html" / "thesis.tex").exists() and not list(site.root.glob(".html.*"))


@pytest.mark.parametrize("room", [pytest.param(100, marks=pytest.mark.nightly), 20_000])
def test_a_full_disk_is_one_line_and_keeps_the_site(site, room):
    """The first level ends what asv reads from, the second the copy of its template."""
    (site.root / "full").mkdir(exist_ok=True)
    (site.root / "full" / "asv.js").write_text("a site")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        done = site.asv("publish", "--html-dir", "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "cannot write" in lines(done)[-1] and "File too large" in lines(done)[-1]
    assert (site.root / "full" / "asv.js").read_text() == "a site"
    assert not list(site.root.glob(".full.*")) and not list((site.data / "scratch").iterdir())


def test_a_taken_port_is_said_and_the_next_one_is_free(capsys):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = free_port(port)
    assert port < found < port + 20
    assert capsys.readouterr().err == f"alb: port {port} is taken; serving on {found}\n"


def test_a_port_that_cannot_be_had_is_one_line(site):
    (site.root / "bare").mkdir()
    (site.root / "bare" / "index.html").write_text("<p>a site")
    done = site.asv("preview", "--html-dir", "bare", "--port", "70000")
    assert done.returncode == 2 and lines(done) == ["alb: --port is 70000, expected 1 to 65535"]
