"""Charts for the Dagster UI: small SVG images in Markdown metadata; and the table of changes.

The colours are legible on the light and the dark background of the UI.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

import dagster as dg

from regional_assets.board.world_map import RegionMark, world_map
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.scoring import BUFFERS, PRESSURES
from regional_assets.intelligence.stored import Balance
from regional_assets.intelligence.text import visible

if TYPE_CHECKING:
    from regional_assets.board.view import Change, Few

_TEXT = "#8a8f98"
_TRACK = "#8a8f9833"
_PRESSURE = "#d9534f"
_BUFFER = "#3b8ed0"
_ROW = 22
_LABEL = 150
_WIDTH = 440
_VALUE = 50

_LINES = (("#3b8ed0", ""), ("#d9534f", "7 4"), ("#c98a1b", "2 3"))
_CHART_WIDTH = 600
_PLOT_TOP = _ROW + 6
_PLOT_HEIGHT = 160
_PLOT_LEFT = 36
# More points than the plot has pixels would only take up space in Dagster's storage.
_MOST_POINTS = 500
# So would a table of more rows.
_MOST_ROWS = 60
_MOST_CHARACTERS = 300
_CHANGES = dg.TableSchema(
    columns=[
        dg.TableColumn("region", "string"),
        dg.TableColumn("change", "string"),
        dg.TableColumn("subject", "string"),
        dg.TableColumn("before", "string"),
        dg.TableColumn("after", "string"),
    ]
)
_REGIONS_WIDTH = 620
_REGIONS_TRACK = 240


def changes_metadata(changes: "Mapping[str, Few[Change]]") -> dict[str, Any]:
    """What changed, by region, as a table; and how many changes are not in it, if any."""
    rows = [
        (region, change.kind, change.subject, change.before, change.after)
        for region, found in changes.items()
        for change in found.items
    ]
    records = [
        dg.TableRecord(
            {
                column.name: visible(text[:_MOST_CHARACTERS])
                for column, text in zip(_CHANGES.columns, row, strict=True)
            }
        )
        for row in rows[:_MOST_ROWS]
    ]
    more = len(rows) - len(records) + sum(found.more for found in changes.values())
    return {
        "changes": dg.MetadataValue.table(records, _CHANGES),
        **({"changes_not_shown": more} if more else {}),
    }


def balance_chart(balance: Balance) -> dg.MarkdownMetadataValue:
    """The balance vector as bars from 0 to 1: pressures red, buffers blue."""
    rows = [(axis, _PRESSURE) for axis in PRESSURES] + [(axis, _BUFFER) for axis in BUFFERS]
    track = _WIDTH - _LABEL - _VALUE
    parts = []
    for position, (axis, colour) in enumerate(rows):
        top = position * _ROW
        value = balance.axis(axis)
        parts.append(
            f'<text x="{_LABEL - 8}" y="{top + 15}" text-anchor="end">{_label(axis)}</text>'
            f'<rect x="{_LABEL}" y="{top + 4}" width="{track}" height="14" rx="3" '
            f'fill="{_TRACK}"/>'
            f'<rect x="{_LABEL}" y="{top + 4}" width="{track * value:.1f}" height="14" rx="3" '
            f'fill="{colour}"/>'
            f'<text x="{_WIDTH - _VALUE + 8}" y="{top + 15}">{value:.3f}</text>'
        )
    bottom = len(rows) * _ROW
    parts.append(
        f'<text x="{_LABEL}" y="{bottom + 15}">net balance {balance.net_balance:+.3f}</text>'
    )
    return _image("balance vector", "".join(parts), _WIDTH, bottom + _ROW)


def line_chart(
    alt: str, times: Sequence[datetime], lines: Mapping[str, Sequence[float]]
) -> dg.MarkdownMetadataValue:
    """Up to three lines of values from -1 to 1 over `times` (ascending, UTC), which differ in
    colour and in dashes."""
    right, bottom = _CHART_WIDTH - 8, _PLOT_TOP + _PLOT_HEIGHT
    parts = []
    for value in (1, 0, -1):
        y = _height(value)
        parts.append(
            f'<line x1="{_PLOT_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{_TRACK}"/>'
            f'<text x="{_PLOT_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value}</text>'
        )
    legend = _PLOT_LEFT
    for (name, values), (colour, dashes) in zip(lines.items(), _LINES, strict=False):
        style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        last = f" {values[-1]:.3f}" if values else ""
        parts.append(
            f'<path d="M{legend} 12h24" {style}/>'
            f'<text x="{legend + 30}" y="16">{_label(name)}{last}</text>'
        )
        legend += (_CHART_WIDTH - _PLOT_LEFT) // len(_LINES)
        if not values:
            continue
        points = [(_across(times, at, right), _height(values[at])) for at in _picked(values)]
        parts.append(
            f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" {style}/>'
            f'<circle cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="3" fill="{colour}"/>'
        )
    if times:
        parts.append(
            f'<text x="{_PLOT_LEFT}" y="{bottom + 18}">{times[0]:%Y-%m-%d %H:%M}</text>'
            f'<text x="{right}" y="{bottom + 18}" text-anchor="end">'
            f"{times[-1]:%Y-%m-%d %H:%M} UTC</text>"
        )
    else:
        parts.append(f'<text x="{_PLOT_LEFT}" y="{bottom + 18}">no snapshots</text>')
    return _image(alt, "".join(parts), _CHART_WIDTH, bottom + _ROW + 4)


def regions_map(model: Model, marks: Mapping[str, RegionMark]) -> dg.MarkdownMetadataValue | None:
    """The world map (`world_map`); None where there is none of these regions."""
    svg = world_map(model.geography.regions, marks)
    return _embedded("world map of net balances", svg) if svg else None


def regions_chart(rows: Sequence[tuple[str, str, float]]) -> dg.MarkdownMetadataValue:
    """Region, regime and net balance (-1 to 1) of each row as a bar from the middle: to the left in
    red when pressures prevail, to the right in blue when buffers do."""
    middle = _LABEL + _REGIONS_TRACK / 2
    parts = []
    for position, (region, regime, net) in enumerate(rows):
        top = position * _ROW
        length = abs(net) * _REGIONS_TRACK / 2
        start, colour = (middle, _BUFFER) if net >= 0 else (middle - length, _PRESSURE)
        parts.append(
            f'<text x="{_LABEL - 8}" y="{top + 15}" text-anchor="end">{_label(region)}</text>'
            f'<rect x="{_LABEL}" y="{top + 4}" width="{_REGIONS_TRACK}" height="14" rx="3" '
            f'fill="{_TRACK}"/>'
            f'<rect x="{start:.1f}" y="{top + 4}" width="{length:.1f}" height="14" '
            f'fill="{colour}"/>'
            f'<text x="{_LABEL + _REGIONS_TRACK + 8}" y="{top + 15}">'
            f"{net:+.3f} {_label(regime)}</text>"
        )
    bottom = len(rows) * _ROW
    parts.append(
        f'<path d="M{middle:.1f} 0V{bottom}" stroke="{_TEXT}"/>'
        f'<text x="{_LABEL}" y="{bottom + 15}">-1</text>'
        f'<text x="{middle:.1f}" y="{bottom + 15}" text-anchor="middle">net balance</text>'
        f'<text x="{_LABEL + _REGIONS_TRACK}" y="{bottom + 15}" text-anchor="end">+1</text>'
    )
    return _image("net balance of all regions", "".join(parts), _REGIONS_WIDTH, bottom + _ROW)


def _height(value: float) -> float:
    return _PLOT_TOP + (1 - value) * _PLOT_HEIGHT / 2


def _across(times: Sequence[datetime], at: int, right: int) -> float:
    span = (times[-1] - times[0]).total_seconds()
    # All at one moment: on the right, where the newest is.
    share = (times[at] - times[0]).total_seconds() / span if span else 1.0
    return _PLOT_LEFT + share * (right - _PLOT_LEFT)


def _picked(values: Sequence[float]) -> list[int]:
    """The positions to draw. Of many, only the lowest and the highest of each stretch, so that no
    peak is lost, and the last."""
    count = len(values)
    if count <= _MOST_POINTS:
        return list(range(count))
    picked = {count - 1}
    stretches = _MOST_POINTS // 2
    for n in range(stretches):
        stretch = range(n * count // stretches, (n + 1) * count // stretches)
        picked |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    return sorted(picked)


def _label(text: str) -> str:
    """A name as SVG text; characters that XML or UTF-8 cannot hold become "?"."""
    return escape("".join(c if c.isprintable() else "?" for c in text.replace("_", " ")), False)


def _image(alt: str, content: str, width: int, height: int) -> dg.MarkdownMetadataValue:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12" fill="{_TEXT}">{content}</svg>'
    )
    return _embedded(alt, svg)


def _embedded(alt: str, svg: str) -> dg.MarkdownMetadataValue:
    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{alt}](data:image/svg+xml;base64,{encoded})")
