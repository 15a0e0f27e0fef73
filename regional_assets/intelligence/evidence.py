"""The evidence of a snapshot (SPEC 4, Evidence)."""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

import msgspec
from msgspec.structs import replace

from regional_assets.intelligence.geography import REGIONS, Corridor
from regional_assets.intelligence.readers import Forecast, RiskScore, Signal
from regional_assets.intelligence.text import clean, words
from regional_assets.intelligence.threats import THREATS
from regional_assets.intelligence.world import World

MAX_EVIDENCE = 30

_CII_THRESHOLD = 50
_FORECAST_THRESHOLD = 0.3
_SEVERITY_CONFIDENCE = {"CRITICAL": 0.9, "HIGH": 0.75, "MEDIUM": 0.6, "LOW": 0.4, "": 0.5}


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """One item; `observed_at` is ms since the epoch, None where the input gives no time."""

    id: str
    type: str
    source: str
    summary: str
    confidence: float
    observed_at: int | None
    theater: str = ""
    corridor: str = ""

    def dated(self, now: int) -> "Evidence":
        """The entry of a snapshot's `evidence`; `now` stands in for a missing time."""
        return self if self.observed_at is not None else replace(self, observed_at=now)


def newest(items: Iterable[Evidence], default: float) -> list[Evidence]:
    """`items`, newest first; `default` (ms) stands in for a missing time."""
    return sorted(
        items,
        key=lambda item: default if item.observed_at is None else item.observed_at,
        reverse=True,
    )


def evidence(world: World, region_id: str) -> list[Evidence]:
    """The region's newest thirty items of evidence, newest first; the time of the run stands in for
    a missing one. Items of one time are in the order of the blocks, each in input order."""
    corridors = {c.chokepoint: c for c in REGIONS[region_id].corridors}
    now = world.now
    # A time, and what makes an item from what: few are shown, and the texts of these alone are
    # cleaned.
    found: list[tuple[int, Callable[..., Evidence], Any]] = [
        (now if signal.detected_at is None else signal.detected_at, _of_signal, (position, signal))
        for position, signal in enumerate(world.signals.get(region_id, ()))
    ]
    found += [
        (now if score.computed_at is None else score.computed_at, _of_score, (score,))
        for score in world.key_risk_scores.get(region_id, ())
        if score.score >= _CII_THRESHOLD
    ]
    found += [
        (now, _of_corridor, (corridors[chokepoint], level))
        for chokepoint, level in world.chokepoints.items()
        if chokepoint in corridors and THREATS[level].severity > 0
    ]
    found += [
        (now if forecast.updated_at is None else forecast.updated_at, _of_forecast, (forecast,))
        for forecast in world.forecasts.get(region_id, ())
        if forecast.probability >= _FORECAST_THRESHOLD
    ]
    found.sort(key=itemgetter(0), reverse=True)
    return [make(*of) for _, make, of in found[:MAX_EVIDENCE]]


def _of_signal(position: int, signal: Signal) -> Evidence:
    return Evidence(
        signal.id or f"xss:{position}",
        "market_signal",
        "cross-source",
        signal.summary or signal.type or "signal of an unknown type",
        _SEVERITY_CONFIDENCE[signal.severity],
        signal.detected_at,
        theater=signal.theater,
    )


def _of_score(score: RiskScore) -> Evidence:
    trend = score.trend.lower()
    return Evidence(
        f"cii:{score.country}",
        "cii_spike",
        "risk-scores",
        f"{score.country} instability index at {score.score:g}" + (f", {trend}" if trend else ""),
        0.9,
        score.computed_at,
    )


def _of_corridor(corridor: Corridor, level: str) -> Evidence:
    return Evidence(
        f"chokepoint:{corridor.chokepoint}",
        "chokepoint_status",
        "supply-chain",
        f"{corridor.name} at threat level {words(level)}",
        0.95,
        None,
        corridor=corridor.chokepoint or "",
    )


def _of_forecast(forecast: Forecast) -> Evidence:
    return Evidence(
        f"forecast:{forecast.id}",
        "news_headline",
        "forecast",
        forecast.title or f"{clean(forecast.domain) or 'untitled'} forecast",
        forecast.confidence,
        forecast.updated_at,
    )
