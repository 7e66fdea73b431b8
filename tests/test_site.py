"""The published site in a real browser that has no network."""

import json
import os
import re
from pathlib import Path

import browser
import pytest
from asv_site import BENCHMARK, COMMITS, FIGURES, STEP, Site
from browser import Browser, served

from alb_core.base.paths import data_root, scripts_root

pytestmark = pytest.mark.skipif(browser.installed() is None, reason="no chromium")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def published(site):
    """Address of the site, published with the packages of the registry that is configured here."""
    site.know()
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


def test_a_graph_draws_the_points_of_every_commit(page):
    shown = page(f"index.html#{BENCHMARK}")
    series = "$('#main-graph').data('plot').getData().map(one => one.data.filter(point => point[1] != null).length)"
    points = shown.wait_for(f"$('#main-graph').data('plot') && {series}.length && {series}")
    assert max(points) == COMMITS
    assert shown.evaluate("$('#main-graph .flot-y-axis').text()")


def test_the_grid_says_what_is_drawn(page):
    shown = page("index.html")
    said = shown.wait_for("$('#alb-drawn p').text()")
    assert f"each measured at all {COMMITS} commits." in said and "not drawn" not in said


def test_a_graph_reads_in_plain_numbers_with_its_lines_named_beside_it(page):
    shown = page(f"index.html#{BENCHMARK}")
    legend = "$('#alb-legend span').toArray().map(one => one.innerText)"
    names = shown.wait_for(f"{legend}.length && {legend}")
    assert len(names) == len(set(names)) == 8 and "'" not in names[0] and "=" not in names[0]
    ticks = "$('#main-graph .flot-{}-axis .flot-tick-label').toArray().map(one => one.innerText)"
    values, commits = shown.evaluate(ticks.format("y")), shown.evaluate(ticks.format("x"))
    assert all(re.fullmatch(r"[0-9.]+ s", value) for value in values), values
    assert commits[-1] == "2.3.0" and len(commits) == len(set(commits))
    below, above = (
        "$('#alb-legend')[0].getBoundingClientRect().bottom",
        "$('#main-graph')[0].getBoundingClientRect().top",
    )
    assert shown.evaluate(f"{below} <= {above}"), "the legend lies beside the data"
    # asv's own labels of tags lie one over the other.
    assert shown.evaluate("$('#main-graph > div:contains(2.3.0):visible').not('.flot-text').length") == 0
    assert shown.evaluate(
        "[[1.6, 'seconds'], [0.0321, 'seconds'], [5e8, 'bytes'], [12345678, 'instructions']]"
        ".map(one => $.asv.pretty_unit(...one))"
    ) == ["1.6 s", "32.1 ms", "477 MiB", "12.3 M instructions"]


def test_a_graph_over_a_parameter_draws_its_bars(page):
    shown = page(f"index.html#{BENCHMARK}?x-axis=method")
    series = "$('#main-graph').data('plot').getData()"
    found = shown.wait_for(f"{series}.length && {series}.map(one => one.data.map(point => point[0]))")
    places = [place for one in found for place in one]
    ticks = shown.evaluate("$('#main-graph').data('plot').getAxes().xaxis.ticks.map(tick => [tick.v, tick.label])")
    assert len(places) == len(set(places)) and "table" in [label for _, label in ticks]
    assert all(min(abs(place - at) for at, _ in ticks) < 0.5 for place in places), "beside its value"


def test_a_graph_shows_one_machine_of_those_that_have_it(site, page):
    shown = page("index.html")
    shown.wait_for("$('#alb-drawn p').length")
    shown.evaluate(f"void ($.asv.main_json.params.machine = ['another', '{site.machine}'])")
    shown.evaluate(f"void (location.hash = '#{BENCHMARK}')")
    active = "$('#graphdisplay-state-params .panel').first().find('a.active').toArray().map(one => one.innerText)"
    assert shown.wait_for(f"$('#main-graph').data('plot') && {active}") == [site.machine]
    shown.evaluate("$('#graphdisplay-state-params a:contains(another)')[0].click()")
    assert shown.wait_for(f"{active}[0] == 'another' && {active}") == ["another"]
    assert "machine=another" in shown.evaluate("location.hash")


def test_commits_are_known_by_their_release_and_links_lead_to_it(site, page):
    shown = page(f"index.html#{BENCHMARK}?commits=1.7.3-2.3.0")
    assert shown.wait_for("$('#main-graph').data('plot') && $('#range').val()") == "1.7.3..2.3.0"
    marked = "$('#main-graph').data('plot').getOptions().grid.markings.filter(one => one.color == '#d00').length"
    assert shown.evaluate(marked) == 2
    feed = (site.root / "html" / "regressions.xml").read_text()
    assert site.commits[STEP][0] in feed and f"/commit/{site.commits[-1][0]}" not in feed


@pytest.mark.parametrize("width", [800, 1000, 1280, 1600])
def test_the_navigation_stays_one_line_over_a_long_name(page, width):
    shown = page(f"index.html#{BENCHMARK}")
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    shown.tell("Emulation.setDeviceMetricsOverride", **size)
    try:
        shown.wait_for(f"$('#title').text() == '{BENCHMARK}'")
        assert shown.evaluate("$('#nav').outerHeight()") < 56, "where asv's pages begin"
        last = shown.evaluate("$('#nav-li-trust')[0].getBoundingClientRect().right")
        assert last <= width, "every page can be reached"
    finally:
        shown.tell("Emulation.clearDeviceMetricsOverride")


def test_the_regressions_name_the_step(site, page):
    shown = page("index.html#/regressions")
    rows = "$('#regressions-body table tbody tr').toArray().map(row => row.innerText)"
    found = shown.wait_for(f"{rows}.length && {rows}")
    assert all(BENCHMARK in row and site.commits[STEP][0][:8] in row for row in found)
    factors = "$('#regressions-body table tbody tr').toArray().map(row => parseFloat($(row).find('td').eq(3).text()))"
    assert all(factor == pytest.approx(2, abs=0.01) for factor in shown.evaluate(factors))


def test_the_steps_name_what_changed_and_lead_to_the_changes(site, page):
    shown = page("index.html#/regressions")
    shown.wait_for("$('#alb-to-steps a').length")
    shown.evaluate("$('#alb-to-steps a')[0].click()")
    rows = "$('#alb-steps-body tbody tr').toArray().map(row => row.innerText)"
    found = shown.wait_for(f"{rows}.length && {rows}")
    before, commit = (site.commits[number][0] for number in (STEP - 1, STEP))
    assert all(BENCHMARK in row and commit[:8] in row and "+100 %" in row for row in found)
    links = "$('#alb-steps-body tbody td:first-child a').toArray().map(link => link.href)"
    address = f"https://github.com/single-cell-data/TileDB-SOMA/compare/{before}...{commit}"
    assert set(shown.evaluate(links)) == {address}
    shown.evaluate("$('#alb-steps-body td.alb-broken a')[0].click()")
    series = "$('#main-graph').data('plot').getData().length"
    assert shown.wait_for(f"$('#main-graph').data('plot') && {series}") == 1, "the line of the case"


SPEED = "index.html#/speed?benchmark=data_loader.DataLoader"
#: What the tooltips of marks say, each as pairs of a title and a value.
MARKS = """$('#alb-speed-figure .mark-symbol.role-mark path').toArray()
    .filter(path => path.__data__ && path.__data__.datum.samples_per_second).map(path => path.__data__.datum)"""


def drawn(shown):
    """Points of the marks in the figure."""
    return shown.wait_for(f"$('#alb-speed-release').text() && {MARKS}.length && {MARKS}")


def test_the_navigation_leads_to_both_pages_and_back(page):
    shown = page("index.html")
    shown.wait_for("$('#summarygrid-display .benchmark-text').length")
    for name, label in (("speed", "Speed and memory"), ("steps", "Steps"), ("trust", "Loaders and verdicts")):
        assert shown.evaluate(f"$('#nav-li-{name} a').text()") == label
        shown.evaluate(f"$('#nav-li-{name} a')[0].click()")
        visible = "$('body > div:visible').toArray().map(one => one.id).filter(id => id.endsWith('-display'))"
        assert shown.wait_for(f"{visible}.includes('alb-{name}-display') && {visible}") == [f"alb-{name}-display"]
        assert shown.evaluate("$('#nav li.active').attr('id')") == f"nav-li-{name}"
    shown.evaluate("$('#nav-li- a')[0].click()")
    assert shown.wait_for(f"{visible}.includes('summarygrid-display') && {visible}") == ["summarygrid-display"]


def test_speed_against_memory_is_drawn_for_the_newest_release(site, page):
    shown = page(SPEED)
    found = drawn(shown)
    benchmark = site.benchmarks["data_loader.DataLoader.time_epoch"]
    methods, specs, shuffles = ([text.strip("'") for text in texts] for texts in benchmark["params"])
    combinations = [(m, spec, shuffle) for m in methods for spec in specs for shuffle in shuffles][:-1]
    (seconds, more), (peak, further) = FIGURES["time"], FIGURES["peakmemory"]
    expected = {
        one: (4096 / (seconds + more * place), (peak + further * place) / 2**30)
        for place, one in enumerate(combinations)
    }
    got = {(one["chunk_method"], one["block_spec"], one["shuffle"]): one for one in found}
    assert set(got) == set(expected)
    for one, (rate, gib) in expected.items():
        assert got[one]["samples_per_second"] == pytest.approx(rate, rel=1e-4)
        assert got[one]["peak_gib"] == pytest.approx(gib, rel=1e-4)
        assert got[one]["release"] == "2.3.0"
    assert shown.evaluate("$('#alb-speed-release').text()").startswith("2.3.0 (2026-01-12, ")
    said = shown.evaluate("$('#alb-speed-said').text()")
    assert (
        f"{site.machine}: " in said
        and "mini, all 4,096 cells, from local files" in said
        and said.count("have no figure") == 1
    )
    assert shown.evaluate("$('#alb-speed-table tbody tr').length") == len(expected)


def test_a_panel_chooses_another_figure_and_the_address_keeps_it(site, page):
    shown = page(SPEED)
    drawn(shown)
    button = "$('#alb-speed-navigation a').filter((i, one) => $(one).text() == 'read_chunks.ReadChunks')"
    shown.evaluate(f"{button}[0].click()")
    readers = [text.strip("'") for text in site.benchmarks[BENCHMARK]["params"][0]]
    shown.wait_for(f"{MARKS}.length && {MARKS}.every(one => {json.dumps(readers)}.includes(one.chunk_method))")
    assert shown.wait_for(f"{button}.hasClass('active')")
    assert "benchmark=read_chunks.ReadChunks" in shown.evaluate("location.hash")


def test_the_slider_shows_another_release_under_the_same_axes(site, page):
    shown = page(f"{SPEED.replace('data_loader.DataLoader', 'read_chunks.ReadChunks')}&shuffle=none")
    axes = "$('#alb-speed-figure .role-axis-label').text()"
    slow = max(one["samples_per_second"] for one in drawn(shown))
    before = shown.evaluate(axes)
    assert shown.evaluate("$('#alb-speed-slider').attr('max')") == str(COMMITS - 1)
    shown.evaluate("void $('#alb-speed-slider').val(0).trigger('input')")
    shown.wait_for("$('#alb-speed-release').text().startsWith('1.7.3 ')")
    found = drawn(shown)
    # Before the step the same read takes half as long.
    assert max(one["samples_per_second"] for one in found) == pytest.approx(2 * slow, rel=1e-4)
    assert {one["shuffle"] for one in found} == {"none"} and {one["release"] for one in found} == {"1.7.3"}
    assert shown.evaluate(axes) == before
    assert "release=1.7.3" in shown.evaluate("location.hash")
    shown.evaluate("$('#alb-speed-all')[0].click()")
    shown.wait_for(f"{MARKS}.length == {COMMITS * len(found)}")
    cells = "$('#alb-speed-table tr').toArray().map(row => $(row).children().first().text())"
    head, *named = shown.evaluate(cells)
    assert head == "Release" and len(named) == COMMITS * len(found) and {"1.7.3", "2.3.0"} < set(named)
    shown.evaluate("void $('#alb-speed-table th').eq(4).click()")
    rates = "$('#alb-speed-table td:nth-child(5)').toArray().map(cell => parseFloat(cell.innerText.replace(',', '')))"
    shown.wait_for("$('#alb-speed-table th').eq(4).hasClass('sorting-asc')")
    assert shown.evaluate(rates) == sorted(shown.evaluate(rates)), "by the figures, not by their letters"


def test_a_mark_that_is_pointed_at_says_all_its_settings(page):
    shown = page(SPEED)
    drawn(shown)
    place = shown.evaluate(
        "(() => { const at = $('#alb-speed-figure .mark-symbol.role-mark path')[0].getBoundingClientRect();"
        " return [at.x + at.width / 2, at.y + at.height / 2] })()"
    )
    shown.tell("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
    said = shown.wait_for("$('#vg-tooltip-element.visible').text()")
    for title in (
        "Samples/s",
        "Peak memory (GiB)",
        "Method",
        "Block spec",
        "Shuffle",
        "Machine",
        "tiledbsoma",
        "release",
    ):
        assert title in said


def test_what_verdicts_and_loaders_are_worth(site, page):
    shown = page("index.html#/trust")
    rows = "$('#alb-trust-body tr').toArray().map(row => $(row).children().toArray().map(cell => $(cell).text()))"
    found = shown.wait_for(f"{rows}.length && {rows}")
    assert found[0][:4] == ["loader", "setting", "version", "cells/s"]
    assert [row[:4] for row in found[1:3]] == [
        ["raw tables()", "default (best)", "2.3.0", "3,000"],
        ["alb_core", "best", "0.1.0", "3,000"],
    ]
    assert found[3:] == [
        ["benchmark", "false alarms", "finds 10%", "finds 25%", "threshold"],
        ["the verdict as a whole", "2 of 40 (1 to 17 %)", *2 * ["20 of 20 (83 to 100 %)"], ""],
        [f"{BENCHMARK}('table', 1024, 'none')", "1 of 40 (0 to 13 %)", "18 of 20 (68 to 99 %)", "", "5 %"],
    ]
    terms = ".map(one => $(one).find('dt').toArray().map(term => $(term).text()))"
    meant = f"$('#alb-trust-body details:has(dl)').toArray(){terms}"
    loaders, verdicts = shown.evaluate(meant)
    assert set(found[0]) - {"loader", "version"} == set(loaders)
    assert verdicts == ["false alarms", "finds", "threshold"], "each column with its meaning"
    # Speed against memory, dots with ranges, and what verdicts find.
    assert shown.wait_for("$('#alb-trust-body svg.marks').length") == 3
    said = shown.evaluate("$('#alb-trust-body').text()")
    assert "<b>  best  n/a: <i>not</i> installed" in said, "text is text, whatever it looks like"
    assert "me" not in (site.results / "loaders.json").read_text().split('"')
