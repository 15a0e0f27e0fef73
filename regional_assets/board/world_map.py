"""The world map: every region in the colour of its net balance, in SVG.

The outlines are in `outlines.json`, which `make reference` draws for the built-in regions. The map
has a background of its own, so it is legible wherever it is shown; it follows the reader's light or
dark theme where it learns of it.
"""

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from itertools import pairwise
from typing import Any

import msgspec

from regional_assets.intelligence.geography import Region
from regional_assets.intelligence.stored import Body

# Orange when pressures prevail, blue when buffers do: told apart with any colour vision. Most
# balances are near 0, so the scale is steeper there.
SCALE = (
    (-1.0, "#7f3b08"),
    (-0.5, "#b35806"),
    (-0.2, "#f1a340"),
    (0.0, "#f7f7f7"),
    (0.2, "#85b7db"),
    (0.5, "#2b7bba"),
    (1.0, "#08306b"),
)
# Background, text and lines, land of no region.
LIGHT = ("#ffffff", "#1f2733", "#6b7480", "#d5d9de")
DARK = ("#151a21", "#eef1f5", "#8f99a6", "#39414c")

PLACES = {
    "north-america": (205, 122),
    "europe": (640, 78),
    "mena": (522, 151),
    "east-asia": (800, 152),
    "south-asia": (690, 285),
    "sub-saharan-africa": (530, 240),
    "latam": (305, 270),
}
# The middle of the Pacific, for regions without land.
_ELSEWHERE = (116, 335)
# Pixels: what the dialog of the Dagster UI shows without scrolling on a small screen.
_SHOWN = 960
_MARGIN = 8
_LEGEND_HEIGHT = 50
# Of a name and of a regime; "managed deescalation" is the longest.
_MOST_OF_NAME, _MOST_OF_REGIME = 28, 20
_NARROW = 560


def _style() -> str:
    def theme(panel: str, text: str, line: str, land: str) -> str:
        return (
            f".map-panel{{fill:{panel}}}.map-text{{fill:{text};stroke:{panel}}}"
            f".map-region,.map-swatch{{stroke:{line}}}.map-none{{fill:{land}}}"
            f".map-hatch{{stroke:{line}}}"
        )

    return (
        f"{theme(*LIGHT)}@media (prefers-color-scheme:dark){{{theme(*DARK)}}}"
        ".map-text{font:13px system-ui,sans-serif;text-anchor:middle;stroke-width:4px;"
        "stroke-linejoin:round;paint-order:stroke}.map-name{font-size:15px;font-weight:600}"
        ".map-start{text-anchor:start}.map-short{display:none;font-size:27px;font-weight:600}"
        f"@media (max-width:{_NARROW}px){{.map-long{{display:none}}.map-short{{display:inline}}}}"
    )


MAP_STYLE = _style()


class RegionMark(msgspec.Struct, frozen=True):
    """What the map shows of a region: net balance from -1 to 1, the stored label of the regime, how
    many triggers are active. `stale`: not written or confirmed in time. `unknown`: an axis of it
    rests on an input that has gone silent."""

    net_balance: float
    regime: str
    active_triggers: int
    stale: bool = False
    unknown: bool = False

    @classmethod
    def of(cls, snapshot: Body, *, stale: bool) -> "RegionMark":
        """The mark of a region with this snapshot."""
        balance, active = snapshot.balance.net_balance, len(snapshot.triggers.active)
        return cls(balance, snapshot.regime.label, active, stale, bool(snapshot.meta.unknown_axes))


class MapError(ValueError):
    """There is no map of these regions; the message says why."""


class Picture(msgspec.Struct, frozen=True):
    """An SVG element, or `why_not` there is none."""

    svg: str = ""
    why_not: str = ""


def picture(regions: Mapping[str, Region], marks: Mapping[str, RegionMark]) -> Picture:
    """The world map, if it can be drawn: nothing that goes wrong in a picture costs more than the
    picture."""
    try:
        return Picture(world_map(regions, marks))
    except MapError as error:
        return Picture(why_not=str(error))
    except Exception as error:
        why = f"the world map cannot be drawn: {type(error).__name__}: {error}"
        return Picture(why_not=" ".join(why.split()))


def world_map(regions: Mapping[str, Region], marks: Mapping[str, RegionMark]) -> str:
    """The map as an SVG element that refers to nothing outside it.

    A region that `marks` lacks, and one that is not all known, is hatched and labelled so. Raises
    `MapError` when the outlines are of other regions than these, or a label has no place.
    """
    drawing = _outlines()
    countries = {id: " ".join(sorted(region.countries)) for id, region in regions.items()}
    if countries != {id: shape["countries"] for id, shape in drawing["regions"].items()}:
        raise MapError("the world map has outlines of the built-in regions only")
    for id, shape in drawing["regions"].items():
        if shape["path"] and id not in PLACES:
            raise MapError(f"the world map has no place for the label of {id} ({__name__}.PLACES)")
    # The outlines are drawn at twice the size.
    width, height = drawing["width"] // 2, drawing["height"] // 2
    shapes = [f'<path class="map-none" d="{drawing["neutral"]}"/>']
    labels = []
    x, y = _ELSEWHERE
    for region in regions.values():
        mark = marks.get(region.id)
        if outline := drawing["regions"][region.id]["path"]:
            shapes.append(
                f'<path class="map-region" fill="{_fill(mark)}" stroke-width="1.4" '
                f'fill-rule="evenodd" d="{outline}"/>'
            )
            labels.append(_label(region, mark, *PLACES[region.id]))
        else:
            labels.append(_swatch(x, y - 34, mark) + _label(region, mark, x, y))
            y += 90
    full = height + _MARGIN + _LEGEND_HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {-_MARGIN} {width} {full}" '
        f'width="{_SHOWN}" height="{full * _SHOWN // width}" role="img" '
        f'aria-label="{_text(map_text(regions, marks))}"><style>{MAP_STYLE}</style>{_DEFINITIONS}'
        f'<rect class="map-panel" y="{-_MARGIN}" width="{width}" height="{full}" rx="8"/>'
        f'<g transform="scale(.5)" stroke-linejoin="round">{"".join(shapes)}</g>'
        f"{''.join(labels)}{_legend(height)}</svg>"
    )


def map_text(regions: Mapping[str, Region], marks: Mapping[str, RegionMark]) -> str:
    """What the map shows, in words: a sentence for each region."""
    return "World map of net balances. " + " ".join(
        f"{region.label}: {', '.join(_words(marks.get(id)))}." for id, region in regions.items()
    )


def colour(net_balance: float) -> str:
    """The colour of a balance on `SCALE`, whose ends also stand for what lies beyond them."""
    value = min(max(net_balance, SCALE[0][0]), SCALE[-1][0])
    for (low, start), (high, end) in pairwise(SCALE):
        if value <= high:
            share = (value - low) / (high - low)
            channels = zip(bytes.fromhex(start[1:]), bytes.fromhex(end[1:]), strict=True)
            return "#" + bytes(round(a + share * (b - a)) for a, b in channels).hex()
    raise ValueError(f"net balance is no number: {net_balance}")


@cache
def _outlines() -> Any:
    return json.loads(files(__package__).joinpath("outlines.json").read_bytes())


def _words(mark: RegionMark | None) -> list[str]:
    """The lines of a label; the second is there when something calls for attention."""
    if mark is None:
        return ["no readable snapshot"]
    triggers = f"▲ {mark.active_triggers} active" if mark.active_triggers else ""
    states = {"stale": mark.stale, "not all known": mark.unknown}
    notes = [words for words in (triggers, *(s for s, is_so in states.items() if is_so)) if words]
    regime = _shortened(mark.regime.replace("_", " "), _MOST_OF_REGIME)
    return [f"{mark.net_balance:+.3f} {regime}", *([" · ".join(notes)] if notes else [])]


def _label(region: Region, mark: RegionMark | None, x: int, y: int) -> str:
    """Name and words at `x`, `y`; where the map is small, only the balance and the mark."""
    lines = "".join(
        f'<text class="map-text map-long" x="{x}" y="{y + 17 * (n + 1)}">{_text(words)}</text>'
        for n, words in enumerate(_words(mark))
    )
    short = "?" if mark is None else f"{mark.net_balance:+.2f}"
    if mark and mark.active_triggers:
        short += " ▲"
    return (
        f'<text class="map-text map-name map-long" x="{x}" y="{y}">'
        f"{_text(_shortened(region.label, _MOST_OF_NAME))}</text>{lines}"
        f'<text class="map-text map-short" x="{x}" y="{y + 17}">{short}</text>'
    )


_GRADIENT = "".join(
    f'<stop offset="{(value + 1) / 2:.0%}" stop-color="{code}"/>' for value, code in SCALE
)
_DEFINITIONS = (
    f'<defs><linearGradient id="map-scale">{_GRADIENT}</linearGradient>'
    '<pattern id="map-missing" width="9" height="9" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect class="map-panel" width="9" height="9"/>'
    '<path class="map-hatch" d="M0 0v9" stroke-width="5"/></pattern></defs>'
)


def _fill(mark: RegionMark | None) -> str:
    known = mark is not None and not mark.unknown
    return colour(mark.net_balance) if mark and known else "url(#map-missing)"


def _swatch(x: int, y: int, mark: RegionMark | None) -> str:
    return f'<circle class="map-swatch" cx="{x}" cy="{y}" r="13" fill="{_fill(mark)}"/>'


def _legend(top: int) -> str:
    y, left, length = top + 20, 160, 260
    ticks = "".join(
        f'<text class="map-text map-long" x="{left + (value + 1) / 2 * length:g}" y="{y + 22}">'
        f"{format(value, '+g') if value else 0}</text>"
        for value in (-1, -0.5, 0, 0.5, 1)
    )
    words = f'<text class="map-text map-long map-start" x="{left + length + 8}"'
    return (
        f'<rect class="map-swatch" x="{left}" y="{y - 7}" width="{length}" height="12" '
        f'fill="url(#map-scale)"/>{ticks}'
        f'<text class="map-text map-long" x="{left - 72}" y="{y + 4}">pressures prevail</text>'
        f'{words} y="{y + 4}">buffers prevail</text>'
        f'<text class="map-text map-long map-start" x="570" y="{y + 4}">▲ active triggers</text>'
        f'<rect class="map-swatch map-long" x="715" y="{y - 7}" width="22" height="12" '
        f'fill="url(#map-missing)"/>'
        f'<text class="map-text map-long map-start" x="745" y="{y + 4}">no readable snapshot</text>'
    )


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _text(text: str) -> str:
    """Text for an element or an attribute; what XML or UTF-8 cannot hold becomes "?"."""
    return escape("".join(c if c.isprintable() else "?" for c in text))
