"""Pictures of the site for README and docs: ``asv publish && python tools/screenshots.py`` writes docs/site-*.png.

What is published must be there, and a chromium; look at the pictures before they are committed.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser import Browser, served

from alb_core.base.paths import suite_root

#: Of each picture, the page, and what is true of it when all is drawn.
PAGES = {
    "grid": ("index.html", "$('#summarygrid-display canvas').length"),
    "graph": ("index.html#{benchmark}", "$('#main-graph').data('plot')"),
    "steps": ("index.html#/steps", "$('#alb-steps-body tr').length"),
    "speed": ("index.html#/speed", "$('#alb-speed-table tr').length"),
    "trust": ("index.html#/trust", "$('#alb-trust-body svg').length > 2"),
}
#: Those that docs do not show.
FURTHER = {
    "list": ("index.html#/summarylist", "$('#summarylist-body tr').length"),
    "regressions": ("index.html#/regressions", "$('#regressions-body').children().length"),
}
#: The one whose history has most steps.
BENCHMARK = "opening.Opening.time_open"
#: Pixels; README and docs show the pictures of the first width.
WIDTHS, HEIGHT = (1400, 800), 800
#: Seconds for what moves in at the end.
SETTLING = 1.5


def take(site, place, pages, widths):
    """Write a picture of each page; fail where one complains in its console."""
    with tempfile.TemporaryDirectory() as profile, served(site) as address:
        browser = Browser(profile)
        try:
            for width in widths:
                size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
                browser.tell("Emulation.setDeviceMetricsOverride", **size)
                for name, (page, drawn) in pages.items():
                    browser.open(f"{address}/{page.format(benchmark=BENCHMARK)}")
                    browser.wait_for(drawn)
                    time.sleep(SETTLING)
                    assert browser.errors == [], (name, browser.errors)
                    path = place / f"site-{name}{'' if width == WIDTHS[0] else f'-{width}'}.png"
                    browser.screenshot(path)
                    print(f"{path} {path.stat().st_size / 1000:.0f} kB")
        finally:
            browser.close()


if __name__ == "__main__":
    html, *elsewhere = map(Path, sys.argv[1:] or [suite_root() / "html"])
    if elsewhere:
        take(html, *elsewhere, PAGES | FURTHER, WIDTHS)
    else:
        take(html, suite_root() / "docs", PAGES, WIDTHS[:1])
