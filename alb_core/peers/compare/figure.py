"""Outcomes -> speed against peak memory, a mark for each loader and setting, with the range of its rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from alb_core.base.errors import AlbError
from alb_core.figures.chart import styled
from alb_core.figures.render import ways
from alb_core.peers.compare.loaders import RAW
from alb_core.peers.compare.results import Outcome, Run, fastest

TITLE = "Cells per second against peak memory, loaders side by side"

#: Of a picture, a page that needs no network, and Vega-Lite's specification.
ENDINGS = (".png", ".svg", ".html", ".json")

#: What the tooltip of a mark shows.
_WORDS = {"loader": "Loader", "setting": "Setting", "version": "Version"}
_FIGURES = {
    "cells_per_second": ("Cells/s (median)", ",.0f"),
    "slowest": ("Slowest round", ",.0f"),
    "fastest": ("Fastest round", ",.0f"),
    "peak_gib": ("Peak memory (GiB)", ".2f"),
    "first_batch": ("First batch (s)", ".2f"),
    "waiting": ("Waiting (%)", ".1f"),
    "quality": ("Shuffle quality (%)", ".1f"),
}

_WIDTH, _HEIGHT = 780, 480

#: Colours of settings where the row names the loader.
_KINDS = ["#8c959f", "#1f6feb", "#1a7f37"]


def drawing(path: Path, outcomes: Sequence[Outcome], subtitle: str) -> bytes:
    """Draw the figure as the ending of a file's name says."""
    require_drawable(path)
    spec: dict[str, Any] = _chart(outcomes, subtitle).to_dict()
    return ways(spec, [], title=TITLE, name=path.stem)[path.suffix]()


def require_drawable(path: Path) -> None:
    """Refuse an ending that there is no figure for."""
    if path.suffix not in ENDINGS:
        raise AlbError(f"a figure {path.name} cannot be drawn, expected a name that ends in {', '.join(ENDINGS)}")


def points(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """What is drawn of each outcome that was measured: texts and figures for people, six digits of each."""
    found = []
    for outcome in outcomes:
        rates, peaks = outcome.extremes(lambda run: run.rate), outcome.extremes(lambda run: run.peak / 2**30)
        if rates is None or peaks is None:
            continue
        is_raw = outcome.contender.peer == RAW
        quality = outcome.middle(lambda run: run.quality)
        waiting = outcome.middle(lambda run: run.waiting_share)
        figures = {
            "cells_per_second": outcome.middle(lambda run: run.rate),
            "slowest": rates[0],
            "fastest": rates[1],
            "peak_gib": outcome.middle(lambda run: run.peak / 2**30),
            "first_batch": None if is_raw else outcome.middle(lambda run: run.first_batch),
            "waiting": None if is_raw or waiting is None else 100 * waiting,
            "quality": None if quality is None else 100 * quality,
        }
        kind = outcome.contender.setting if outcome.contender.setting in ("default", "best") else "other"
        words = {"loader": outcome.name, "setting": outcome.contender.label, "kind": kind, "version": outcome.version}
        shown = {name: float(f"{value:.6g}") for name, value in figures.items() if value is not None}
        found.append({**words, **shown})
    return found


def _hover() -> str:
    """Vega expression of what a point has; what it lacks is left out."""
    words = [f"'{title}': datum.{field}" for field, title in _WORDS.items()]
    figures = [
        f"'{title}': isValid(datum.{field}) ? format(datum.{field}, '{form}') : datum.{field}"
        for field, (title, form) in _FIGURES.items()
    ]
    return "{" + ", ".join(words + figures) + "}"


def page_figures(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Describe the figures of a page: speed against memory, then speed and first batch as dots with ranges."""
    limit = fastest([outcome for outcome in outcomes if outcome.contender.peer == RAW])
    loaders = [outcome for outcome in outcomes if outcome.contender.peer != RAW and outcome.is_measured]
    if not loaders:
        return []
    loaders.sort(key=lambda one: -(one.middle(lambda run: run.rate) or 0.0))
    against = _layers([*loaders, *([limit] if limit else [])], 400, 380, words=False)
    panels = [
        _dots(loaders, "Cells per second", lambda run: run.rate, limit),
        _dots(loaders, "First batch (s)", lambda run: run.first_batch, None),
    ]
    return [styled(figure).to_dict() for figure in (against, alt.hconcat(*panels))]


def _dots(loaders: Sequence[Outcome], title: str, figure: Callable[[Run], float], limit: Outcome | None) -> Any:
    """Dots of medians with the range of the rounds, a row for each loader and setting."""
    rows = []
    for one in loaders:
        low, high = one.extremes(figure) or (0.0, 0.0)
        kind = one.contender.setting if one.contender.setting in ("default", "best") else "other"
        rows.append({"name": str(one), "middle": one.middle(figure), "low": low, "high": high, "kind": kind})
    base = alt.Chart(alt.InlineData(values=rows), width=165, height=380)
    y = alt.Y("name:N").title(None).sort(list(map(str, loaders)))
    y = y.axis(labelLimit=230) if limit is not None else y.axis(labels=False, ticks=False)
    colour = alt.Color("kind:N").scale(domain=["default", "best", "other"], range=_KINDS).legend(None)
    x = alt.X("middle:Q").title(title).scale(zero=True).axis(format=",~r", tickCount=5)
    ranges = base.mark_rule(strokeWidth=2).encode(y=y, x="low:Q", x2="high:Q", color=colour)
    hover = [alt.Tooltip("name:N", title="Loader")] + [
        alt.Tooltip(f"{field}:Q", title=words, format=",.3r")
        for field, words in (("middle", "Median"), ("low", "Least"), ("high", "Most"))
    ]
    found = ranges + base.mark_point(filled=True, size=90, opacity=1).encode(y=y, x=x, color=colour, tooltip=hover)
    raw = limit.middle(lambda run: run.rate) if limit is not None else None
    if raw is not None:
        line = alt.Chart(alt.InlineData(values=[{"raw": raw}]))
        found += line.mark_rule(strokeDash=[4, 3], color="#59636e").encode(x="raw:Q")
    return found


def _chart(outcomes: Sequence[Outcome], subtitle: str) -> alt.LayerChart:
    title = alt.TitleParams(TITLE, subtitle=subtitle)
    figure: alt.LayerChart = styled(_layers(outcomes, _WIDTH, _HEIGHT).properties(title=title))
    return figure


def _layers(outcomes: Sequence[Outcome], width: int, height: int, *, words: bool = True) -> alt.LayerChart:
    drawn = points(outcomes)
    if not drawn:
        raise AlbError("nothing to draw: no loader was measured")
    base = alt.Chart(alt.InlineData(values=drawn, name="points"), width=width, height=height)
    # By name, so that a loader has one colour in all figures of a page.
    names = sorted({point["loader"] for point in drawn}, key=str.lower)
    colour = alt.Color("loader:N").title("Loader").scale(domain=names, scheme="tableau10")
    kinds = ["default", "best", "other"]
    shape = alt.Shape("kind:N").title("Setting").scale(domain=kinds, range=["circle", "square", "triangle-up"])
    memory = alt.X("peak_gib:Q").title("Peak memory of all processes (GiB)").scale(zero=True)
    speed = alt.Y("cells_per_second:Q").title("Cells per second, the first batch counted").scale(zero=True)
    chosen = alt.selection_point(name="of_loader", fields=["loader"], bind="legend")
    seen = alt.condition(chosen, alt.value(0.95), alt.value(0.08))
    ranges = base.mark_rule(strokeWidth=1.5).encode(x=memory, y="slowest:Q", y2="fastest:Q", color=colour, opacity=seen)
    marks = base.mark_point(filled=True, size=150, tooltip=alt.ExprRef(_hover())).encode(
        x=memory, y=speed, color=colour, shape=shape, opacity=seen
    )
    named = base.mark_text(align="left", dx=9, dy=-7, fontSize=11).encode(
        x=memory, y=speed, text="setting:N", color=colour, opacity=seen
    )
    zoom = alt.selection_interval(name="zoom", bind="scales")
    figure: alt.LayerChart = ranges + marks.add_params(chosen, zoom)
    if words:
        figure += named
    return figure
