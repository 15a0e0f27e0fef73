"""One reader per input: every shape its writers are known to write → one canonical form
(SPEC 2, "Reading live payloads"). The computations know only these forms.

A record that cannot be used is left out and counted in the reader's `Skipped`; no reader raises.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from regional_assets.intelligence import gazetteer
from regional_assets.intelligence.geography import chokepoint_id
from regional_assets.intelligence.inputs import (
    FUTURE_TOLERANCE_MS,
    MINUTE_MS,
    TIMESTAMP_FIELDS,
    milliseconds,
)
from regional_assets.intelligence.numbers import clip, is_number, num, parse_number
from regional_assets.intelligence.text import clean, strings

Payload = Mapping[str, Any]
THREAT_LEVELS = ("normal", "elevated", "high", "critical", "war_zone")
HORIZONS = ("24h", "7d", "30d")

_SIGNAL_TYPE_PREFIX = "CROSS_SOURCE_SIGNAL_TYPE_"
# Evidence of trouble, but nobody's pressure on anybody.
_NOT_COERCIVE = frozenset(
    _SIGNAL_TYPE_PREFIX + name
    for name in (
        "EARTHQUAKE_SIGNIFICANT",
        "WEATHER_EXTREME",
        "WILDFIRE_ESCALATION",
        "VIX_SPIKE",
        "COMMODITY_SHOCK",
        "MARKET_STRESS",
        "MEDIA_TONE_DETERIORATION",
        "REGULATORY_ACTION",
        "DISPLACEMENT_SURGE",
    )
)
_SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW")


@dataclass(slots=True)
class Skipped:
    """How many records of one input were left out because they could not be used."""

    count: int = 0

    def records(self, value: Any) -> Iterator[dict[str, Any]]:
        """The objects of a list; `{}` is an empty list (a Lua round trip makes it one)."""
        if isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    yield item
                else:
                    self.count += 1
        elif value is not None and value != {}:
            self.count += 1


@dataclass(frozen=True, slots=True)
class RiskScore:
    """`score` in points (0–100 as written, not clipped); `computed_at` in ms or None."""

    country: str
    score: float
    trend: str
    computed_at: int | None


def risk_scores(payload: Payload, skipped: Skipped) -> tuple[RiskScore, ...]:
    found = []
    for row in skipped.records(payload.get("ciiScores")):
        country = row.get("region")
        if not isinstance(country, str):
            skipped.count += 1
            continue
        found.append(
            RiskScore(
                country.strip().upper(),
                num(row.get("combinedScore")),
                clean(row.get("trend")).removeprefix("TREND_DIRECTION_"),
                time_of(row.get("computedAt")),
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Forecast:
    """`horizons` maps each horizon the forecast speaks of to its probability there;
    `case_text` is the lower-cased text of its case file ("" without one), `actor_text` the
    text actors are looked for in."""

    id: str
    domain: str
    regions: tuple[str, ...]
    title: str
    trend: str
    probability: float
    horizons: Mapping[str, float]
    confidence: float
    updated_at: int | None
    case_text: str
    actor_text: str


def forecasts(payload: Payload, skipped: Skipped) -> tuple[Forecast, ...]:
    return tuple(_forecast(row) for row in skipped.records(payload.get("predictions")))


def _forecast(row: Payload) -> Forecast:
    case_file = row.get("caseFile")
    case_text = " ".join(strings(case_file)).lower() if isinstance(case_file, dict | list) else ""
    actor_text = " ".join(strings(row.get("signals"))).lower() if case_file is None else case_text
    probability = clip(num(row.get("probability")))
    return Forecast(
        id=clean(row.get("id")),
        domain=text_of(row.get("domain")).lower(),
        regions=gazetteer.forecast_regions(text_of(row.get("region"))),
        title=clean(row.get("title")),
        trend=text_of(row.get("trend")).lower(),
        probability=probability,
        horizons=_horizons(row, probability),
        confidence=num(row.get("confidence"), 0.5),
        updated_at=time_of(row.get("updatedAt")),
        case_text=case_text,
        actor_text=actor_text,
    )


def _horizons(row: Payload, probability: float) -> dict[str, float]:
    horizon = text_of(row.get("timeHorizon")).lower()
    found = {}
    if any(word in horizon for word in ("h24", "24h", "day")):
        found["24h"] = probability
    if not horizon or any(word in horizon for word in ("d7", "7d", "week")):
        found["7d"] = probability
    if any(word in horizon for word in ("d30", "30d", "month")):
        found["30d"] = probability
    projections = row.get("projections")
    if isinstance(projections, dict):
        for name, key in zip(HORIZONS, ("h24", "d7", "d30"), strict=True):
            projected = parse_number(projections.get(key))
            if projected is not None:
                found[name] = clip(projected)
    return found


@dataclass(frozen=True, slots=True)
class Signal:
    """`severity` is CRITICAL, HIGH, MEDIUM, LOW or ""; `id` is "" where the feed gives none."""

    id: str
    type: str
    theater: str
    regions: tuple[str, ...]
    summary: str
    severity: str
    detected_at: int | None
    coercive: bool


def cross_source_signals(payload: Payload, skipped: Skipped) -> tuple[Signal, ...]:
    found = []
    for row in skipped.records(payload.get("signals")):
        kind = text_of(row.get("type"))
        severity = text_of(row.get("severity")).upper()
        theater = text_of(row.get("theater"))
        found.append(
            Signal(
                id=clean(row.get("id")),
                type=clean(kind),
                theater=clean(theater),
                regions=gazetteer.signal_regions(theater),
                summary=clean(row.get("summary")),
                severity=next((name for name in _SEVERITIES if name in severity), ""),
                detected_at=time_of(row.get("detectedAt")),
                coercive=kind not in _NOT_COERCIVE,
            )
        )
    return tuple(found)


def chokepoints(payload: Payload, skipped: Skipped) -> dict[str, str]:
    """Chokepoint id → threat level: one of `THREAT_LEVELS`, or "unknown"."""
    found: dict[str, str] = {}
    for row in skipped.records(payload.get("chokepoints")):
        live_id = row.get("id")
        if not isinstance(live_id, str):
            skipped.count += 1
            continue
        found.setdefault(chokepoint_id(live_id.strip()), _threat_level(row))
    return found


def _threat_level(row: Payload) -> str:
    for name in ("threatLevel", "warRiskTier", "status"):
        word = text_of(row.get(name)).strip().lower().removeprefix("war_risk_tier_")
        if word:
            return word if word in THREAT_LEVELS else "unknown"
    return "normal"


@dataclass(frozen=True, slots=True)
class Transit:
    """Ships through a chokepoint: today's count, and the week against the one before in percent."""

    today: float
    wow_change_pct: float


def transit_summaries(payload: Payload, skipped: Skipped) -> dict[str, Transit]:
    """Chokepoint id → its transits; a zero-filled placeholder is absent."""
    summaries = payload.get("summaries")
    if not isinstance(summaries, dict):
        skipped.count += summaries is not None and summaries != []
        return {}
    found: dict[str, Transit] = {}
    for live_id, row in summaries.items():
        if not isinstance(row, dict):
            skipped.count += 1
        elif row.get("dataAvailable") is not False:
            transit = Transit(num(row.get("todayTotal")), num(row.get("wowChangePct")))
            found.setdefault(chokepoint_id(live_id), transit)
    return found


def oref_alerts(payload: Payload, skipped: Skipped, now: int) -> float:
    """The active siren alerts: localities in waves of the last 60 minutes, where the history
    holds dated waves; else what the feed counts itself."""
    dated = 0
    localities = 0
    for wave in skipped.records(payload.get("history")):
        at = milliseconds(wave.get("timestamp"))
        if at is None:
            skipped.count += 1
            continue
        dated += 1
        if now - 60 * MINUTE_MS <= at <= now + FUTURE_TOLERANCE_MS:
            for alert in skipped.records(wave.get("alerts")):
                places = alert.get("data")
                if isinstance(places, list) or places == {}:
                    localities += len(places)
                else:
                    localities += 1
    if dated:
        return localities
    for name in ("activeAlertCount", "historyCount24h"):
        count = payload.get(name)
        if is_number(count):
            return count
    return 0


def macro_signals(payload: Payload, skipped: Skipped) -> str:
    """The verdict, upper case ("" when there is none)."""
    return text_of(payload.get("verdict")).upper()


def national_debt(payload: Payload, skipped: Skipped) -> dict[str, list[float]]:
    """Region id → debt-to-GDP ratios (percent) of its countries."""
    found: dict[str, list[float]] = {}
    for row in skipped.records(payload.get("entries")):
        ratio = parse_number(row.get("debtToGdp"))
        if not isinstance(row.get("iso3"), str) or ratio is None:
            skipped.count += 1
            continue
        iso3 = row["iso3"].strip()
        # Only a code counts here; the feed has rows for groups of countries, too.
        region = gazetteer.country_region(iso3) if len(iso3) == 3 else None
        if region:
            found.setdefault(region, []).append(ratio)
    return found


def stress_index(payload: Payload, skipped: Skipped) -> float | None:
    """The composite score (0–100), None when the feed has none."""
    return parse_number(payload.get("compositeScore"))


def energy_mix(payload: Payload, skipped: Skipped) -> dict[str, float | None]:
    """ISO2 → net energy imports in percent (None where the feed has no number)."""
    found: dict[str, float | None] = {}
    for country, row in payload.items():
        if isinstance(row, dict):
            share = row.get("importShare")
            found[country.strip().upper()] = float(share) if is_number(share) else None
        elif country not in TIMESTAMP_FIELDS:
            skipped.count += 1
    return found


def eu_gas_storage(payload: Payload, skipped: Skipped) -> float | None:
    """The latest fill of Europe's gas storage as a fraction, None when unknown."""
    candidates = [payload.get("fillPct")]
    candidates += [row.get("fillPct") for row in skipped.records(payload.get("history"))][:1]
    candidates += [row.get("fillPct") for row in skipped.records(payload.get("months"))][-1:]
    return next((value / 100 for value in candidates if is_number(value)), None)


def strategic_reserves(payload: Payload, skipped: Skipped) -> float | None:
    """Days of cover, None when the feed has none."""
    days = payload.get("daysOfCover")
    return float(days) if is_number(days) else None


def text_of(value: Any) -> str:
    """`value` if it is a text, else ""."""
    return value if isinstance(value, str) else ""


def time_of(value: Any) -> int | None:
    """`value` as ms since the epoch, None when it is no number."""
    number = parse_number(value)
    return None if number is None else int(number)
