"""The evidence of a snapshot (SPEC 4, Evidence)."""

from collections.abc import Callable
from functools import partial
from operator import itemgetter

from regional_assets.intelligence.geography import Corridor
from regional_assets.intelligence.readers import Forecast, RiskScore, Signal
from regional_assets.intelligence.scoring import Evidence as Rules
from regional_assets.intelligence.stored import Evidence
from regional_assets.intelligence.text import clean, words
from regional_assets.intelligence.world import World

# An item, and whether its time is its own: else that of the run stands in for it.
Dated = tuple[Evidence, bool]


def evidence(world: World, region_id: str) -> tuple[Dated, ...]:
    """The region's newest items of evidence, newest first. Items of one time are in the order of
    the blocks, each in input order."""
    corridors = {c.chokepoint: c for c in world.model.geography.corridors_of[region_id]}
    rules, threats = world.model.scoring.evidence, world.model.scoring.reading.threats
    now = world.now
    # A time, and what makes an item from what: few are shown, and the texts of these alone are
    # cleaned.
    found: list[tuple[int | None, Callable[[int], Evidence]]] = [
        (signal.detected_at, partial(_of_signal, rules, signal))
        for signal in world.signals.get(region_id, ())
    ]
    found += [
        (score.computed_at, partial(_of_score, rules, score))
        for score in world.key_risk_scores.get(region_id, ())
        if score.score >= rules.score_from
    ]
    found += [
        (None, partial(_of_corridor, rules, corridors[chokepoint], level))
        for chokepoint, level in world.chokepoints.items()
        if chokepoint in corridors and threats[level].severity > 0
    ]
    found += [
        (forecast.updated_at, partial(_of_forecast, rules, forecast))
        for forecast in world.forecasts.get(region_id, ())
        if forecast.probability >= rules.forecast_from
    ]
    dated = [(now if at is None else at, at is not None, make) for at, make in found]
    dated.sort(key=itemgetter(0), reverse=True)
    return tuple((make(at), known) for at, known, make in dated[: rules.most])


def _of_signal(rules: Rules, signal: Signal, at: int) -> Evidence:
    return Evidence(
        signal.id,
        "market_signal",
        "cross-source",
        signal.summary or signal.type or "signal of an unknown type",
        rules.signal_confidence.get(signal.severity, rules.unknown_confidence),
        at,
        theater=signal.theater,
    )


def _of_score(rules: Rules, score: RiskScore, at: int) -> Evidence:
    trend = score.trend.lower()
    return Evidence(
        f"cii:{score.country}",
        "cii_spike",
        "risk-scores",
        f"{score.country} instability index at {score.score:g}" + (f", {trend}" if trend else ""),
        rules.score_confidence,
        at,
    )


def _of_corridor(rules: Rules, corridor: Corridor, level: str, at: int) -> Evidence:
    return Evidence(
        f"chokepoint:{corridor.chokepoint}",
        "chokepoint_status",
        "supply-chain",
        f"{corridor.name} at threat level {words(level)}",
        rules.chokepoint_confidence,
        at,
        corridor=corridor.chokepoint,
    )


def _of_forecast(rules: Rules, forecast: Forecast, at: int) -> Evidence:
    return Evidence(
        forecast.evidence_id,
        "news_headline",
        "forecast",
        forecast.title or f"{clean(forecast.domain) or 'untitled'} forecast",
        forecast.confidence,
        at,
    )
