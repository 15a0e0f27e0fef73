"""One reader per input: every shape its writers are known to write → one canonical form
(SPEC 2, "Reading live payloads"). The computations know only these forms.

A record that cannot be used is left out and counted in the reader's `Skipped`; no reader raises.
Texts of which few are ever stored are cleaned when they are asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from regional_assets.intelligence import gazetteer
from regional_assets.intelligence.geography import GEOGRAPHY, chokepoint_id
from regional_assets.intelligence.inputs import TIMESTAMP_FIELDS, milliseconds
from regional_assets.intelligence.mentions import Mentions, mentions
from regional_assets.intelligence.numbers import clip, is_number, num, parse_number
from regional_assets.intelligence.text import clean, strings
from regional_assets.intelligence.threats import THREATS, UNKNOWN
from regional_assets.intelligence.timing import FUTURE_TOLERANCE_MS, HOUR_MS

Payload = Mapping[str, Any]
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

    def records(self, value: Any) -> list[dict[str, Any]]:
        """The objects of a list; `{}` is an empty list (a Lua round trip makes it one)."""
        if isinstance(value, list):
            found = [item for item in value if isinstance(item, dict)]
            self.count += len(value) - len(found)
            return found
        if value is not None and value != {}:
            self.count += 1
        return []


class RiskScore(NamedTuple):
    """`score` in points (0–100 as written, not clipped); `computed_at` in ms or None; `row` the
    feed's own record."""

    country: str
    score: float
    computed_at: int | None
    row: Payload

    @property
    def trend(self) -> str:
        """RISING, FALLING, STABLE or whatever else the feed says."""
        return clean(self.row.get("trend")).removeprefix("TREND_DIRECTION_")


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
                time_of(row.get("computedAt")),
                row,
            )
        )
    return tuple(found)


class Forecast(NamedTuple):
    """`horizons` maps each horizon the forecast speaks of to its probability there; `mentions` is
    what its case file speaks of."""

    id: str
    domain: str
    regions: tuple[str, ...]
    title: str
    trend: str
    probability: float
    horizons: Mapping[str, float]
    confidence: float
    updated_at: int | None
    mentions: Mentions


def forecasts(payload: Payload, skipped: Skipped) -> tuple[Forecast, ...]:
    return tuple(_forecast(row) for row in skipped.records(payload.get("predictions")))


def _forecast(row: Payload) -> Forecast:
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
        mentions=_mentions(row),
    )


def _mentions(row: Payload) -> Mentions:
    case_file = row.get("caseFile")
    if case_file is None:
        # Without a case file the signals tell of actors, and of nothing else.
        return mentions(_text(row.get("signals")))._replace(alliance=False, breaking=False)
    return mentions(_text(case_file) if isinstance(case_file, dict | list) else "")


def _text(value: Any) -> str:
    found = strings(value)
    text = " ".join(found)
    # One letter beyond ASCII makes lower-casing slow: then only for the strings that have one.
    return text.lower() if text.isascii() else " ".join(map(str.lower, found))


def _horizons(row: Payload, probability: float) -> dict[str, float]:
    horizon = text_of(row.get("timeHorizon")).lower()
    found = {}
    if "h24" in horizon or "24h" in horizon or "day" in horizon:
        found["24h"] = probability
    if not horizon or "d7" in horizon or "7d" in horizon or "week" in horizon:
        found["7d"] = probability
    if "d30" in horizon or "30d" in horizon or "month" in horizon:
        found["30d"] = probability
    projections = row.get("projections")
    if isinstance(projections, dict):
        for name, key in zip(HORIZONS, ("h24", "d7", "d30"), strict=True):
            projected = parse_number(projections.get(key))
            if projected is not None:
                found[name] = clip(projected)
    return found


class Signal(NamedTuple):
    """`severity` is CRITICAL, HIGH, MEDIUM, LOW or ""; `id`, `type`, `theater` and `summary`, from
    the feed's own record `row`, are clean, and "" where the feed gives none."""

    regions: tuple[str, ...]
    severity: str
    detected_at: int | None
    coercive: bool
    row: Payload

    @property
    def id(self) -> str:
        return clean(self.row.get("id"))

    @property
    def type(self) -> str:
        return clean(text_of(self.row.get("type")))

    @property
    def theater(self) -> str:
        return clean(text_of(self.row.get("theater")))

    @property
    def summary(self) -> str:
        return clean(self.row.get("summary"))


def cross_source_signals(payload: Payload, skipped: Skipped) -> tuple[Signal, ...]:
    """The signals of any region."""
    # Thousands of them say the same few words here.
    regions_of, severity_of = cache(gazetteer.signal_regions), cache(_severity)
    found = []
    for row in skipped.records(payload.get("signals")):
        regions = regions_of(text_of(row.get("theater")))
        if regions:
            severity = severity_of(text_of(row.get("severity")))
            coercive = text_of(row.get("type")) not in _NOT_COERCIVE
            found.append(Signal(regions, severity, time_of(row.get("detectedAt")), coercive, row))
    return tuple(found)


def _severity(text: str) -> str:
    word = text.upper()
    return next((name for name in _SEVERITIES if name in word), "")


def chokepoints(payload: Payload, skipped: Skipped) -> dict[str, str]:
    """Chokepoint id → threat level: one of `THREATS`."""
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
            return word if word in THREATS else UNKNOWN
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
        if now - HOUR_MS <= at <= now + FUTURE_TOLERANCE_MS:
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


def energy_mix(payload: Payload, skipped: Skipped) -> dict[str, list[float | None]]:
    """Region id → net energy imports of its countries in percent (None where the feed has no
    number), in input order: a mean of floats depends on it in the last bit."""
    shares: dict[str, float | None] = {}
    for country, row in payload.items():
        if isinstance(row, dict):
            share = row.get("importShare")
            shares[country.strip().upper()] = float(share) if is_number(share) else None
        elif country not in TIMESTAMP_FIELDS:
            skipped.count += 1
    found: dict[str, list[float | None]] = {}
    for country, share in shares.items():
        region = GEOGRAPHY.region_of_country(country)
        if region:
            found.setdefault(region, []).append(share)
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


# Up to here (285,000 years of ms) every integer is a double, so that reading it as one changes
# nothing.
_EXACT = 1 << 53


def text_of(value: Any) -> str:
    """`value` if it is a text, else ""."""
    return value if isinstance(value, str) else ""


def time_of(value: Any) -> int | None:
    """`value` as ms since the epoch, None when it is no number, or beyond any calendar."""
    if type(value) is int and 0 <= value <= _EXACT:
        return value
    number = parse_number(value)
    return None if number is None or abs(number) > _EXACT else int(number)
