"""The pages put into a published site: entries of asv's own navigation, their scripts, and what draws figures."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.base.files import write_atomically
from alb_core.base.paths import scripts_root
from alb_core.site.site_directory import read_index

#: The pages, by the name that stands in their address, as asv's navigation calls them.
PAGES = {"steps": "Steps", "speed": "Speed and memory", "trust": "Loaders and verdicts"}

#: Directory of all that is added, within the site.
PLACE = "alb"

_OWN = Path(__file__).parent / "www"
#: Where asv's page has its last own entry, its last own style and its last own script.
_AFTER_ENTRY = '<li id="nav-li-regressions"><a href="#/regressions">Regressions</a></li>'
_AFTER_STYLE = '<link href="summarylist.css" rel="stylesheet" type="text/css"/>'
_BEFORE_DISPLAY = '<div id="regressions-display"'
#: The first script of a page of asv's, which ours wraps.
_BEFORE_PAGES = 'src="summarygrid.js">'


def add(site: Path) -> None:
    """Add the pages to a site whose template stands; a second call changes nothing."""
    index, page = read_index(site)
    if f'id="{PLACE}-' in page:
        return
    for known in (_AFTER_ENTRY, _AFTER_STYLE, _BEFORE_DISPLAY, _BEFORE_PAGES):
        if page.count(known) != 1:
            raise AlbError(f"{index} has no place for the pages of this suite: expected one {known}")
    entries = "".join(
        f'\n\t<li id="nav-li-{name}"><a href="#/{name}">{label}</a></li>' for name, label in PAGES.items()
    )
    displays = "".join(
        f'<div id="{PLACE}-{name}-display" class="{PLACE}-display" style="display: none"></div>\n    ' for name in PAGES
    )
    linked = f'\n    <link href="{PLACE}/pages.css" rel="stylesheet" type="text/css"/>' + "".join(
        f'\n    <script src="{PLACE}/{script}"></script>' for script in ("pages.js", *(f"{name}.js" for name in PAGES))
    )
    page = page.replace(_AFTER_ENTRY, _AFTER_ENTRY + entries)
    page = page.replace(_AFTER_STYLE, _AFTER_STYLE + linked)
    page = page.replace(_BEFORE_PAGES, f'src="{PLACE}/asv_pages.js"></script>\n    <script {_BEFORE_PAGES}')
    page = page.replace(_BEFORE_DISPLAY, displays + _BEFORE_DISPLAY)
    for path in sorted(_OWN.iterdir()):
        if path.suffix in (".js", ".css"):
            write_atomically(site / PLACE / path.name, path.read_bytes())
    write_atomically(site / PLACE / "vega.js", _drawing())
    write_atomically(index, page.encode())


def _drawing() -> bytes:
    """Return Vega, Vega-Lite and Vega-Embed in one script; putting it together takes seconds, so it is kept."""
    kept = scripts_root() / f"vega-{version('vl-convert-python')}-{version('altair')}.js"
    try:
        return kept.read_bytes()
    except OSError:
        # altair takes a second to import, which asv's other commands do without.
        from alb_core.figures.render import scripts

        # In a scope of its own: its names are short ones, jQuery's $ among them.
        content = f"(function() {{\n{scripts()}\n}})();\n".encode()
    write_atomically(kept, content)
    return content
