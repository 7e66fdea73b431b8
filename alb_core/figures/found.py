"""What share of changes of each size verdicts find, as curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import altair as alt

from alb_core.figures.chart import styled

#: Colours of the panels.
_COLOURS = ("#1f6feb", "#d1480f")


def curves(points: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Describe the figure of points: ``by`` (what finds), ``case`` (empty for the whole), ``size``, ``share``.

    ``size`` is in percent; of size 0 the share is that of false alarms. ``low`` and ``high`` bound a share. Each ``by``
    has a panel.
    """
    rows = list(points)
    ways = dict.fromkeys(row["by"] for row in rows)
    panels = [
        _panel([row for row in rows if row["by"] == by], by, colour) for by, colour in zip(ways, _COLOURS, strict=False)
    ]
    found: dict[str, Any] = styled(alt.hconcat(*panels)).configure_title(fontSize=13, anchor="start").to_dict()
    return found


def _panel(rows: list[Mapping[str, Any]], title: str, colour: str) -> alt.LayerChart:
    base = alt.Chart(alt.InlineData(values=rows), width=270, height=260, title=title)
    sizes = sorted({row["size"] for row in rows})
    x = alt.X("size:Q").title("Change (%); at 0, false alarms").scale(type="sqrt").axis(values=sizes, format="~r")
    y = alt.Y("share:Q").title("Share found").scale(domain=[0, 1]).axis(format="%", tickCount=5)
    hover = [
        alt.Tooltip("case:N", title="Case"),
        alt.Tooltip("size:Q", title="Change (%)"),
        alt.Tooltip("share:Q", title="Found", format=".1%"),
        alt.Tooltip("said:N", title="Verdicts"),
    ]
    whole, single = base.transform_filter("!datum.case"), base.transform_filter("datum.case")
    thin = single.mark_line(strokeWidth=1, opacity=0.4, color=colour).encode(x=x, y=y, detail="case:N", tooltip=hover)
    ranges = whole.mark_rule(strokeWidth=1.5, opacity=0.6, color=colour).encode(x=x, y="low:Q", y2="high:Q")
    line = whole.mark_line(strokeWidth=2.5, color=colour).encode(x=x, y=y)
    dots = whole.mark_point(filled=True, size=80, opacity=1, color=colour).encode(x=x, y=y, tooltip=hover)
    panel: alt.LayerChart = thin + ranges + line + dots
    return panel
