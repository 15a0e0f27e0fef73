"""The evidence of a snapshot (SPEC 4, Evidence)."""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

import msgspec
from msgspec.structs import replace

from regional_assets.intelligence.geography import Corridor
from regional_assets.intelligence.readers import Forecast, RiskScore, Signal
from regional_assets.intelligence.scoring import Evidence as Rules
from regional_assets.intelligence.text import clean, words
from regional_assets.intelligence.world import World


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
    """The region's newest items of evidence, newest first; the time of the run stands in for
    a missing one. Items of one time are in the order of the blocks, each in input order."""
    corridors = {c.chokepoint: c for c in world.model.geography.corridors_of[region_id]}
    rules, threats = world.model.scoring.evidence, world.model.scoring.reading.threats
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
        if score.score >= rules.score_from
    ]
    found += [
        (now, _of_corridor, (corridors[chokepoint], level))
        for chokepoint, level in world.chokepoints.items()
        if chokepoint in corridors and threats[level].severity > 0
    ]
    found += [
        (now if forecast.updated_at is None else forecast.updated_at, _of_forecast, (forecast,))
        for forecast in world.forecasts.get(region_id, ())
        if forecast.probability >= rules.forecast_from
    ]
    found.sort(key=itemgetter(0), reverse=True)
    return [make(rules, *of) for _, make, of in found[: rules.most]]


def _of_signal(rules: Rules, position: int, signal: Signal) -> Evidence:
    return Evidence(
        signal.id or f"xss:{position}",
        "market_signal",
        "cross-source",
        signal.summary or signal.type or "signal of an unknown type",
        rules.signal_confidence.get(signal.severity, rules.unknown_confidence),
        signal.detected_at,
        theater=signal.theater,
    )


def _of_score(rules: Rules, score: RiskScore) -> Evidence:
    trend = score.trend.lower()
    return Evidence(
        f"cii:{score.country}",
        "cii_spike",
        "risk-scores",
        f"{score.country} instability index at {score.score:g}" + (f", {trend}" if trend else ""),
        rules.score_confidence,
        score.computed_at,
    )


def _of_corridor(rules: Rules, corridor: Corridor, level: str) -> Evidence:
    return Evidence(
        f"chokepoint:{corridor.chokepoint}",
        "chokepoint_status",
        "supply-chain",
        f"{corridor.name} at threat level {words(level)}",
        rules.chokepoint_confidence,
        None,
        corridor=corridor.chokepoint,
    )


def _of_forecast(rules: Rules, forecast: Forecast) -> Evidence:
    return Evidence(
        f"forecast:{forecast.id}",
        "news_headline",
        "forecast",
        forecast.title or f"{clean(forecast.domain) or 'untitled'} forecast",
        forecast.confidence,
        forecast.updated_at,
    )
