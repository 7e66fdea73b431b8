"""What the suite adds to a published site: pages, scripts, and how large a step must be to be published.

asv calls every publisher, a subclass of its own, once the site has asv's files and graphs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from asv.config import Config
from asv.console import log
from asv.publishing import OutputPublisher
from asv.results import iter_results

from alb_core.base.errors import AlbError
from alb_core.base.files import write_atomically
from alb_core.base.paths import scripts_root
from alb_core.rounds.results.machines import CALIBRATION
from alb_core.rounds.results.valid import DRAWN, benchmarks_of, every_result, origin


class LocalScripts(OutputPublisher):  # type: ignore[misc]
    """No page: the site serves the scripts and styles that asv's page takes from elsewhere."""

    order = 10

    @classmethod
    def publish(cls, conf: Config, *_: Any) -> None:
        """Put them into the site; where that fails, say so and leave it as asv makes it."""
        from alb_core.site import scripts

        site = Path(conf.html_dir)
        _written(lambda: scripts.serve_own(site, scripts_root(), scripts.PINS), "the site needs a network to open")


class DrawnCases(OutputPublisher):  # type: ignore[misc]
    """No page: what the grid says of what is drawn, and asv's own files mended."""

    order = 10

    @classmethod
    def publish(cls, conf: Config, repo: Any, *_: Any) -> None:
        """Write and mend them."""
        from alb_core.site import asv_files

        site = Path(conf.html_dir)

        def write() -> None:
            write_atomically(site / "alb" / "drawn.json", (Path(conf.results_dir) / DRAWN).read_bytes())
            asv_files.name_tags(site, repo.get_tags())
            asv_files.drop_blank_rows(site)

        _written(write)


class StepsPage(OutputPublisher):  # type: ignore[misc]
    """Every change of a figure over all commits, better and worse."""

    name = "steps"
    button_label = "Steps"
    order = 11
    description = "Releases at which time, memory or work changed"

    @classmethod
    def publish(cls, conf: Config, repo: Any, benchmarks: Any, graphs: Any, revisions: Mapping[str, int]) -> None:
        """Write the page's files; where that fails, say so and leave the site without the page."""
        from alb_core.site import added_pages, steps

        def write() -> None:
            site, results = Path(conf.html_dir), Path(conf.results_dir)
            added_pages.add(site)
            tags = {commit: tag for tag, commit in repo.get_tags().items()}
            names = {commit: tags.get(commit, commit) for commit, _ in sorted(revisions.items(), key=lambda it: it[1])}
            lines = steps.shown(iter_results(conf.results_dir), benchmarks_of(origin(results)), benchmarks, names)
            found = steps.by_graphs(graphs, benchmarks, revisions, conf.regressions_thresholds)
            steps.write(site, origin(results), lines, found)

        _written(write)


class SpeedPage(OutputPublisher):  # type: ignore[misc]
    """Speed against memory."""

    name = "speed"
    button_label = "Speed and memory"
    order = 12
    description = "Samples per second against peak memory, release by release"

    @classmethod
    def publish(cls, conf: Config, repo: Any, benchmarks: Any, graphs: Any, revisions: Mapping[str, int]) -> None:
        """Write the page's files; where that fails, say so and leave the site without the page."""
        from alb_core.site import added_pages, speed
        from alb_core.site.epoch_records import commit_epochs

        def write() -> None:
            site = Path(conf.html_dir)
            added_pages.add(site)
            # All that a commit has: the page shows one at a time, and no line joins them.
            every = list(every_result(Path(conf.results_dir)))
            measured = benchmarks_of(origin(Path(conf.results_dir)))
            # Those of the range that is published, on its branches and tags.
            drawn = {revision for _, graph in graphs for revision in graph.data_points} or {*revisions.values()}
            dates = {results.commit_hash: int(results.date) for results in every}
            known = speed.page_commits(repo.get_tags(), revisions, dates, drawn)
            speed.write(site, (one for results in every for one in commit_epochs(results, measured)), known)

        _written(write)


class TrustPage(OutputPublisher):  # type: ignore[misc]
    """What verdicts and loaders of each machine are worth."""

    name = "trust"
    button_label = "Verdicts and loaders"
    order = 13
    description = "How often verdicts are wrong, and loaders side by side"

    @classmethod
    def publish(cls, conf: Config, *_: Any) -> None:
        """Write the page's files; what cannot be read is said, and stands on the page."""
        from alb_core.site import added_pages, trust

        def write() -> None:
            site = Path(conf.html_dir)
            added_pages.add(site)
            for fault in trust.write(site, origin(Path(conf.results_dir))):
                print(f"alb: not on the site: {fault}", file=sys.stderr)

        _written(write)


def _written(write: Callable[[], None], otherwise: str = "the site lacks a page") -> None:
    """Write files of the site; where that fails, say so and let asv go on."""
    # asv leaves its line open for dots.
    log.flush()
    try:
        write()
    except AlbError as error:
        print(f"alb: {otherwise}: {error}", file=sys.stderr)


def thresholds(results: Path) -> dict[str, float]:
    """Return the relative size of a step by regular expression, as asv's ``regressions_thresholds`` has it.

    asv publishes a step of 5 % or more. On a shared machine, runs of one commit differ by more; a calibration says by
    how much. A benchmark has one line for all machines: the noisiest of them decides.
    """
    # Here, because it loads scipy, which asv's other commands do without.
    from alb_core.verdicts import calibration_file

    found: dict[str, float] = {}
    for path in sorted(results.glob(f"*/{CALIBRATION}")):
        known = calibration_file.load(results, path.parent.name)
        for name, benchmark in known.benchmarks.items() if known else ():
            if benchmark.step is not None:
                # asv matches the beginning of the name, or of the name with "@" and a branch.
                pattern = rf"{re.escape(name)}(@|$)"
                found[pattern] = max(benchmark.step, found.get(pattern, 0.0))
    return found
