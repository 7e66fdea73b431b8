"""Points -> one description of the figure, for the static and the interactive one."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

import altair as alt
import pyarrow as pa
import pyarrow.compute as pc

from alb_core.base.errors import AlbError
from alb_core.figures.points import APART, LEFT_OUT, S3, SHOWN, TooltipField, is_mixed, not_drawn, notes, points

TITLE = "Samples per second against peak memory"

#: By the method's name, not by what else is drawn, so that figures can be compared.
SHAPES = {"np.array": "circle", "scipy.coo": "triangle-up", "scipy.csr": "square"}

#: For methods of others, by a hash of their name.
_OTHER_SHAPES = (
    "diamond",
    "cross",
    "triangle-down",
    "triangle-right",
    "triangle-left",
    "M-.9,-.9L.9,-.9L-.9,.9L.9,.9Z",
)

_WIDTH, _HEIGHT = 780, 500
_SUBTITLE_WIDTH = 145  # characters
_AREAS = (60, 280)  # square pixels of a mark
_OPACITIES = (0.45, 0.95)
_FILL = 0.75
_FAINT = 0.04  # of marks that a legend's entry does not mean
_LEGEND_ENTRIES = 6
_INK, _GREY, _LINES = "#1f2328", "#59636e", "#e4e8ec"
_S3_RIM = "#d1480f"
_GREY_MARKS: Mapping[str, Any] = {"symbolFillColor": _GREY, "symbolStrokeWidth": 0.4}


def chart(table: pa.Table, *, log_memory: bool = False) -> alt.Chart:
    """Draw samples per second against peak memory, a mark for each record."""
    drawn = points(table)
    if not drawn.num_rows:
        failed, lacking = not_drawn(table)
        raise AlbError(
            f"nothing to draw: of {table.num_rows:,} records, {failed:,} ran out of memory and {lacking:,} lack "
            "a rate, a peak or a setting"
        )
    chosen = {
        name: alt.selection_point(name=f"of_{name}", fields=[name], bind="legend")
        for name in ("chunk_method", "block_size", "epoch")
    }
    marks = alt.Chart(_data(drawn), width=_WIDTH, height=_HEIGHT).mark_point(
        filled=True, tooltip=alt.ExprRef(_hover(drawn))
    )
    described = marks.encode(
        x=_memory(log_memory),
        y=alt.Y("samples_per_second:Q").title("Samples per second").axis(format=",~r", tickCount=9),
        shape=_shape(drawn),
        size=_size(drawn),
        color=_colour(drawn),
        opacity=alt.condition(
            chosen["chunk_method"] & chosen["block_size"] & chosen["epoch"], _opacity(drawn), alt.value(_FAINT)
        ),
        **_rims(drawn),
    )
    title = alt.TitleParams(TITLE, subtitle=[line for note in notes(table) for line in _wrapped(note)])
    zoom = alt.selection_interval(name="zoom", bind="scales")
    figure: alt.Chart = styled(described.add_params(zoom, *chosen.values()).properties(title=title))
    return figure


def _memory(log: bool) -> alt.X:
    x = alt.X("peak_gib:Q").title("Peak memory (GiB)")
    scale = alt.Scale(type="log", base=2) if log else alt.Scale(zero=True)
    return x.scale(scale).axis(format=",~r", tickCount=10)


def _shape(drawn: pa.Table) -> alt.Shape:
    methods = sorted(pc.unique(drawn.column("chunk_method")).to_pylist())
    shapes = shapes_of(methods)
    return (
        alt.Shape("chunk_method:N")
        .title("Method")
        .scale(domain=methods, range=[shapes[method] for method in methods])
        .legend(**_GREY_MARKS, symbolOpacity=0.9, symbolSize=140)
    )


def shapes_of(methods: Iterable[str]) -> dict[str, str]:
    """Shape of each method: that of its name where it is known, else one that no other of them has."""
    named = set(methods)
    known = {method: SHAPES[method] for method in named & set(SHAPES)}
    found: dict[str, str] = {}
    for method in sorted(named - set(known)):
        first = crc32(method.encode()) % len(_OTHER_SHAPES)
        turned = [*_OTHER_SHAPES[first:], *_OTHER_SHAPES[:first]]
        found[method] = next((shape for shape in turned if shape not in found.values()), turned[0])
    return {**known, **found}


def _size(drawn: pa.Table) -> alt.Size:
    sizes = _values(drawn, "block_size")
    scale = alt.Scale(type="log", base=2, domain=[sizes[0], sizes[-1]], range=list(_AREAS))
    return (
        alt.Size("block_size:Q")
        .title("Block size (rows)")
        .scale(scale)
        .legend(values=_few(sizes), format=",d", **_GREY_MARKS, symbolOpacity=0.9)
    )


def _opacity(drawn: pa.Table) -> alt.Opacity:
    epochs = _values(drawn, "epoch")
    low, high = epochs[0], epochs[-1]
    scale = alt.Scale(domain=[low, max(high, low + 1)], range=list(_OPACITIES if low < high else _OPACITIES[-1:] * 2))
    legend = alt.Legend(values=_few(epochs), format="d", symbolSize=160, **_GREY_MARKS)
    return alt.Opacity("epoch:Q", title="Epoch", scale=scale, legend=legend)


def _colour(drawn: pa.Table) -> alt.Color:
    chunks = _values(drawn, "chunks_per_block")
    low, high = 2 ** math.floor(math.log2(chunks[0])), 2 ** math.ceil(math.log2(chunks[-1]))
    return (
        alt.Color("chunks_per_block:Q")
        .title("Chunks per block")
        # Between powers of two; without viridis' palest end, which is lost on white.
        .scale(
            alt.Scale(type="log", base=2, domain=[low, high], scheme=alt.SchemeParams(name="viridis", extent=[0, 0.94]))
        )
        .legend(_chunks_legend(chunks))
    )


def _chunks_legend(chunks: Sequence[int]) -> alt.Legend:
    """A bar, or one swatch where there is nothing to tell apart."""
    if len(chunks) == 1:
        return alt.Legend(type="symbol", values=list(chunks), format=",d", symbolOpacity=1, symbolStrokeWidth=0)
    low, high = math.floor(math.log2(chunks[0])), math.ceil(math.log2(chunks[-1]))
    step = math.ceil((high - low) / 7)
    return alt.Legend(
        type="gradient",
        # Both ends, and no label that would touch the upper one's.
        values=[2**power for power in (*range(low, high - step + 1, step), high)],
        format=",d",
        gradientLength=180,
        gradientOpacity=1,
    )


def _rims(drawn: pa.Table) -> dict[str, Any]:
    """Rims of marks: thin and dark; coloured of S3 where others are not.

    Where only some rates leave out the first batch, those marks are hollow. Fills let marks behind them be seen.
    """
    stroke, width, fill = f"'{_INK}'", "0.6", str(_FILL)
    if is_mixed(drawn):
        hollow = f"datum.first_in_rate === '{LEFT_OUT}'"
        # Not a field on a scale of its own: that would be a legend of its own, too.
        stroke = f"{hollow} ? scale('color', datum.chunks_per_block) : {stroke}"
        width, fill = f"{hollow} ? 2 : {width}", f"{hollow} ? 0 : {fill}"
    if "read_from" in drawn.column_names and len(pc.unique(drawn.column("read_from"))) > 1:
        remote = f"datum.read_from === '{S3}'"
        stroke, width = f"{remote} ? '{_S3_RIM}' : ({stroke})", f"{remote} ? 2 : ({width})"
    names = ("stroke", "strokeWidth", "fillOpacity")
    return {name: alt.value(alt.ExprRef(value)) for name, value in zip(names, (stroke, width, fill), strict=True)}


def _hover(drawn: pa.Table) -> str:
    """Vega expression of all that a point has; a null is left out, as a field that no point has is."""
    shown = {name: SHOWN.get(name, TooltipField(name)) for name in drawn.column_names}
    entries = []
    for name, how in shown.items():
        field = f"datum[{_quoted(name)}]"
        value = f"isValid({field}) ? format({field}, '{how.format}') : {field}" if how.format else field
        entries.append(f"{_quoted(how.title)}: {value}")
    return "{" + ", ".join(entries) + "}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", " ") + "'"


def _data(drawn: pa.Table) -> alt.InlineData:
    """Points as objects, without what they lack; figures to six digits.

    As one text: altair looks at each value of a list, for seconds where there are thousands of points.
    """
    rows = [{name: _short(value) for name, value in row.items() if _is_there(value)} for row in drawn.to_pylist()]
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return alt.InlineData(name="points", values=text, format=alt.JsonDataFormat(type="json"))


def spec_of(figure: alt.Chart) -> dict[str, Any]:
    """Vega-Lite's specification of :func:`chart`, its points as a list of objects."""
    spec: dict[str, Any] = figure.to_dict()
    spec["data"] = {"name": spec["data"]["name"], "values": json.loads(spec["data"]["values"])}
    return spec


def _is_there(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _short(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _values(drawn: pa.Table, name: str) -> list[int]:
    """Distinct values of a column, in order."""
    return sorted(pc.unique(drawn.column(name)).to_pylist())


def _wrapped(note: str) -> list[str]:
    """Lines of a note, broken where its parts are set apart, and within a part that is longer than a line."""
    lines = [""]
    for part in note.split(APART):
        joined = APART.join(filter(None, (lines[-1], part)))
        if len(joined) <= _SUBTITLE_WIDTH:
            lines[-1] = joined
        else:
            lines += textwrap.wrap(part, _SUBTITLE_WIDTH)
    return [line for line in lines if line]


def _few(values: Sequence[int]) -> list[int]:
    """At most a legend's entries, the ends among them."""
    if len(values) <= _LEGEND_ENTRIES:
        return list(values)
    last = len(values) - 1
    return [values[round(number * last / (_LEGEND_ENTRIES - 1))] for number in range(_LEGEND_ENTRIES)]


def styled(described: Any) -> Any:
    """Return a chart in the one style of all figures."""
    return (
        described.configure(font="Helvetica, Arial, sans-serif", background="white", padding=16)
        .configure_title(
            anchor="start",
            fontSize=19,
            fontWeight=600,
            color=_INK,
            subtitleFontSize=12.5,
            subtitleColor=_GREY,
            subtitlePadding=6,
            subtitleLineHeight=17,
            offset=14,
        )
        .configure_axis(
            labelFontSize=12,
            titleFontSize=13,
            titleFontWeight=500,
            labelColor=_INK,
            titleColor=_INK,
            titlePadding=10,
            gridColor=_LINES,
            labelFlush=False,
            domainColor=_GREY,
            tickColor=_GREY,
        )
        .configure_legend(
            labelFontSize=12,
            titleFontSize=12.5,
            titleFontWeight=600,
            labelColor=_INK,
            titleColor=_INK,
            offset=24,
            titlePadding=6,
            rowPadding=3,
        )
        .configure_view(stroke=None)
    )
