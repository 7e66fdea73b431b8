"""The figure as files: PNG, SVG, a page that needs no network, and the specification."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from html import escape
from typing import Any

import altair as alt
import pyarrow as pa
import vl_convert as vlc

from alb_core.figures.chart import TITLE, chart, spec_of
from alb_core.figures.points import SHOWN, out_of_memory

#: What the files are called, without their endings.
NAME = "speed_vs_mem"

#: vl-convert has many releases of Vega-Lite; the one that altair speaks.
_RELEASE = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])

_PIXELS = 2  # of the PNG, for each of the figure's

#: The policy lets the page run what stands in it, and reach nothing.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; \
style-src 'unsafe-inline'; img-src data: blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 1rem; font: 14px/1.45 Helvetica, Arial, sans-serif; color: #1f2328; background: white; }}
p, details {{ margin: .5rem 1rem; color: #59636e; }}
table {{ border-collapse: collapse; margin: .5rem 0; }}
details th, details td {{ padding: .15rem 1.2rem .15rem 0; text-align: left; }}
#vg-tooltip-element {{ max-width: 640px; padding: 6px 8px; font: 11px/1.2 Helvetica, Arial, sans-serif; }}
#vg-tooltip-element table tr td {{ padding: 0 3px; }}
#vg-tooltip-element td.value {{ max-width: 460px; }}
</style>
</head>
<body>
<div id="figure"></div>
<p>Point at a mark for all its settings. Scroll to zoom, drag to move, double-click to go back. Click an entry of a
legend to see its marks alone; with shift, several.</p>
{failed}<script>{scripts}</script>
<script type="application/json" id="spec">{spec}</script>
<script>
const spec = JSON.parse(document.getElementById("spec").textContent);
// An SVG can be read aloud and searched; thousands of marks follow the mouse only on a canvas.
const renderer = spec.data.values.length > 2000 ? "canvas" : "svg";
const actions = {{export: true, source: true, compiled: false, editor: false}};
const drawn = vegaEmbed("#figure", spec, {{renderer: renderer, actions: actions, downloadFileName: "{name}"}});
drawn.catch(error => {{ document.getElementById("figure").textContent = "The figure cannot be drawn: " + error; }});
</script>
</body>
</html>
"""

_FAILED = """<details open>
<summary>Ran out of memory: {number}</summary>
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</details>
"""


def drawings(table: pa.Table, *, log_memory: bool = False) -> Mapping[str, Callable[[], bytes]]:
    """Files of the figure of some records: a function that draws each, by its name."""
    spec = spec_of(chart(table, log_memory=log_memory))
    return {f"{NAME}{ending}": draw for ending, draw in ways(spec, out_of_memory(table)).items()}


def ways(
    spec: Mapping[str, Any], failed: list[dict[str, str]], *, title: str = TITLE, name: str = NAME
) -> Mapping[str, Callable[[], bytes]]:
    """Files of a figure: a function that draws each, by the ending of its name."""
    text = json.dumps(spec)
    return {
        ".png": lambda: vlc.vegalite_to_png(text, vl_version=_RELEASE, scale=_PIXELS),
        ".svg": lambda: vlc.vegalite_to_svg(text, vl_version=_RELEASE).encode(),
        ".html": lambda: page(spec, failed, title=title, name=name).encode(),
        ".json": lambda: f"{json.dumps(spec, ensure_ascii=False, indent=1)}\n".encode(),
    }


def page(spec: Mapping[str, Any], failed: list[dict[str, str]], *, title: str = TITLE, name: str = NAME) -> str:
    """HTML of the interactive figure, with all that it needs in it."""
    # The text of a script ends at the first "</script", wherever that stands.
    inert = json.dumps(spec, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return _PAGE.format(title=escape(title), name=escape(name), failed=_failed(failed), scripts=scripts(), spec=inert)


@lru_cache
def scripts() -> str:
    """Vega, Vega-Lite and Vega-Embed in one."""
    bundle = vlc.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_RELEASE)
    return str(bundle).replace("</script", "<\\/script")


def _failed(rows: list[dict[str, str]]) -> str:
    if not rows:
        return ""
    heads = "".join(f"<th>{escape(SHOWN[name].title)}</th>" for name in rows[0])
    lines = ("".join(f"<td>{escape(value)}</td>" for value in row.values()) for row in rows)
    return _FAILED.format(number=len(rows), heads=heads, rows="\n".join(f"<tr>{line}</tr>" for line in lines))
