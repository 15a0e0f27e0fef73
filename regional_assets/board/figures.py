"""The geometry of the page's figures. They carry no text, so that they stretch to any width."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise

import msgspec

from regional_assets.intelligence.scoring import RegimeLabel
from regional_assets.intelligence.stored import Body, Outline
from regional_assets.intelligence.timing import DAY_MS

WIDTH = 600
HEIGHT = 120
# Points further apart than this (ms) are not joined: nothing is known in between.
_GAP = 2 * DAY_MS
# The least that the line's axis spans, so that noise does not look like a drama.
_LEAST_SPAN = 0.2

# The ends of the axis of latencies, in hours, which is logarithmic, and what it is marked with.
_SOONEST, _LATEST = 3.0, 1440.0
LATENCIES = ((6, "6 h"), (24, "1 d"), (72, "3 d"), (168, "1 w"), (720, "30 d"))


class Span(msgspec.Struct, frozen=True):
    """A regime over a part of the time: from `x`, `width` wide; `first` and `last` in ms."""

    label: RegimeLabel
    x: float
    width: float
    first: int
    last: int


class Line(msgspec.Struct, frozen=True):
    """Net balance over time: a path of lines, an area down to zero (`zero` is its height), the
    regimes below, the values at the upper and the lower edge, and the extremes."""

    path: str
    area: str
    zero: float
    upper: float
    lower: float
    regimes: Sequence[Span]
    first: Outline | Body
    last: Outline | Body
    lowest: Outline | Body
    highest: Outline | Body


def line_of(days: Sequence[Outline | Body]) -> Line | None:
    """The line through these snapshots, oldest first; None without any."""
    if not days:
        return None
    days = sorted(days, key=lambda day: day.generated_at)
    values = [day.balance.net_balance for day in days]
    upper, lower = max(0.0, *values), min(0.0, *values)
    spare = max(0.0, _LEAST_SPAN - (upper - lower)) / 2 + 0.02
    upper, lower = min(1.0, upper + spare), max(-1.0, lower - spare)
    first, last = days[0].generated_at, days[-1].generated_at

    def x(at: int) -> float:
        return WIDTH * (at - first) / (last - first) if last > first else WIDTH

    def y(value: float) -> float:
        return HEIGHT * (upper - value) / (upper - lower)

    path, area, run = "", "", list[tuple[float, float]]()

    def end_of_run() -> None:
        nonlocal path, area
        points = " L".join(f"{across:.1f} {down:.1f}" for across, down in run)
        # A line of no length is a dot: its ends are round.
        path += f"M{points}" + (f" L{points}" if len(run) == 1 else "")
        area += f"M{run[0][0]:.1f} {y(0):.1f} L{points} L{run[-1][0]:.1f} {y(0):.1f}Z"

    before = first
    for day in days:
        if run and day.generated_at - before > _GAP:
            end_of_run()
            run = []
        run.append((x(day.generated_at), y(day.balance.net_balance)))
        before = day.generated_at
    end_of_run()

    def net(day: Outline | Body) -> float:
        return day.balance.net_balance

    return Line(
        path,
        area,
        y(0),
        upper,
        lower,
        _spans(days, x),
        days[0],
        days[-1],
        min(days, key=net),
        max(days, key=net),
    )


def _spans(days: Sequence[Outline | Body], x: Callable[[int], float]) -> list[Span]:
    """The regimes in their order. Two meet in the middle between the last day of one and the first
    of the other, so that a regime of one day is seen at either end, too."""
    runs = [(label, list(run)) for label, run in groupby(days, key=lambda day: day.regime.label)]
    meetings = [
        x((before[-1].generated_at + after[0].generated_at) // 2)
        for (_, before), (_, after) in pairwise(runs)
    ]
    return [
        Span(label, start, end - start, run[0].generated_at, run[-1].generated_at)
        for (label, run), (start, end) in zip(runs, pairwise([0, *meetings, WIDTH]), strict=True)
    ]


def latency_share(hours: float) -> float:
    """Where on the axis of latencies that is, from 0 to 1."""
    bounded = min(max(hours, _SOONEST), _LATEST)
    return math.log(bounded / _SOONEST) / math.log(_LATEST / _SOONEST)
