"""One reader per input: every shape its writers are known to write → one canonical form
(SPEC 2, "Reading live payloads"). The computations know only these forms.

A record that cannot be used, lacks a value or lies nowhere is counted in the reader's `Tally`; no
absent number is read as one, and no reader raises. Texts of which few are ever stored are cleaned
when they are asked for.
"""

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import msgspec
from msgspec.structs import astuple

from regional_assets.intelligence.gazetteer import Gazetteer
from regional_assets.intelligence.inputs import SAMPLE_FIELD, TIMESTAMP_FIELDS
from regional_assets.intelligence.mentions import Mentions, WordFinder
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.numbers import clip, is_number, parse_number
from regional_assets.intelligence.records import (
    DEBTS,
    FORECASTS,
    SCORES,
    SIGNALS,
    ForecastRecord,
    MixRecord,
    Projections,
    ScoreRecord,
    SignalRecord,
    read_record,
)
from regional_assets.intelligence.scoring import UNKNOWN, Horizon
from regional_assets.intelligence.sirens import active_localities
from regional_assets.intelligence.tally import Tally
from regional_assets.intelligence.text import clean, strings, text_of

Payload = Mapping[str, Any]
# Horizon → the words for it, in the order of `Projections`.
_HORIZON_WORDS: Mapping[Horizon, tuple[str, ...]] = {
    "24h": ("h24", "24h", "day"),
    "7d": ("d7", "7d", "week"),
    "30d": ("d30", "30d", "month"),
}
HORIZONS = tuple(_HORIZON_WORDS)

_SIGNAL_TYPE_PREFIX = "CROSS_SOURCE_SIGNAL_TYPE_"
_SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW")


class RiskScore(msgspec.Struct, frozen=True, gc=False):
    """`score` in points (0–100 as written, not clipped); `computed_at` in ms or None; `row` is
    the feed's own record. `regions` is the one that has the country, if any does, `key_regions` are
    those that have it as a key country."""

    country: str
    regions: tuple[str, ...]
    key_regions: tuple[str, ...]
    score: float
    computed_at: int | None
    row: ScoreRecord

    @property
    def trend(self) -> str:
        """RISING, FALLING, STABLE or whatever else the feed says."""
        return clean(self.row.trend).removeprefix("TREND_DIRECTION_")


def risk_scores(payload: Payload, tally: Tally, model: Model) -> tuple[RiskScore, ...]:
    found = []
    region_of = model.geography.region_of_country
    key_regions_of = model.geography.regions_of_key_country
    for row in SCORES.of(payload, tally):
        if row.region is None or row.combined_score is None:
            tally.skipped += 1
            continue
        iso2 = row.region.strip().upper()
        region, key_regions = region_of(iso2), key_regions_of(iso2) or ()
        if not (region or key_regions):
            tally.nowhere(iso2)
        regions = (region,) if region else ()
        found.append(
            RiskScore(iso2, regions, key_regions, row.combined_score, row.computed_at, row)
        )
    return tuple(found)


class Forecast(msgspec.Struct, frozen=True, gc=False):
    """`id` is its place in the feed, `#3`, where the feed gives none. `horizons` maps each horizon
    the forecast speaks of to its probability there; `mentions` is what its case file speaks of."""

    id: str
    domain: str
    regions: tuple[str, ...]
    title: str
    trend: str
    probability: float
    horizons: Mapping[Horizon, float]
    confidence: float
    updated_at: int | None
    mentions: Mentions

    @property
    def evidence_id(self) -> str:
        """By which drivers, actors and evidence cite it."""
        return f"forecast:{self.id}"


def forecasts(payload: Payload, tally: Tally, model: Model) -> tuple[Forecast, ...]:
    # Many forecasts share a few words here.
    horizons_of, finder, gazetteer = cache(_horizons), model.word_finder, model.gazetteer
    found = []
    for number, row in enumerate(FORECASTS.of(payload, tally)):
        if row.probability is None:
            tally.skipped += 1
            continue
        place, confidence = row.region or "", row.confidence
        named, probability = gazetteer.forecast_named(place), clip(row.probability)
        horizons = dict.fromkeys(horizons_of(row.time_horizon or ""), probability)
        complete = _project(row.projections, horizons)
        tally.incomplete += confidence is None or not complete
        if not named:
            tally.nowhere(place)
        found.append(
            Forecast(
                id=clean(row.id) or f"#{number}",
                domain=(row.domain or "").lower(),
                regions=gazetteer.with_every_forecast(named),
                title=clean(row.title),
                trend=(row.trend or "").lower(),
                probability=probability,
                horizons=horizons,
                confidence=0.5 if confidence is None else confidence,
                updated_at=row.updated_at,
                mentions=_mentions(row, finder),
            )
        )
    return tuple(found)


def _mentions(row: ForecastRecord, finder: WordFinder) -> Mentions:
    case_file = row.case_file
    if case_file is None:
        # Without a case file, the signals count for actors only.
        found = finder.mentions(_text(row.signals))
        return Mentions(found.actors, found.domains)
    return finder.mentions(_text(case_file) if isinstance(case_file, dict | list) else "")


def _text(value: Any) -> str:
    found = strings(value)
    text = " ".join(found)
    # One letter beyond ASCII makes lower-casing slow: then only for the strings that have one.
    return text.lower() if text.isascii() else " ".join(map(str.lower, found))


def _horizons(text: str) -> tuple[Horizon, ...]:
    """The horizons that a text names."""
    if not text:
        return ("7d",)
    text = text.lower()
    return tuple(h for h, words in _HORIZON_WORDS.items() if any(word in text for word in words))


def _project(projections: Projections | None, horizons: dict[Horizon, float]) -> bool:
    """Sets the horizons that have a projection to it; whether none lacks its number."""
    if projections is None:
        return True
    complete = True
    for horizon, projected in zip(HORIZONS, astuple(projections), strict=True):
        if projected is None:
            complete = False
        else:
            horizons[horizon] = clip(projected)
    return complete


class Signal(msgspec.Struct, frozen=True, gc=False):
    """`number` is its place in the feed, which stands for an id where the feed gives none.
    `severity` is CRITICAL, HIGH, MEDIUM, LOW or ""; `theater` and, from the feed's own record
    `row`, `type` and `summary` are clean, and "" where the feed gives none."""

    number: int
    regions: tuple[str, ...]
    theater: str
    severity: str
    detected_at: int | None
    coercive: bool
    row: SignalRecord

    @property
    def id(self) -> str:
        return clean(self.row.id) or f"xss:#{self.number}"

    @property
    def type(self) -> str:
        return clean(self.row.type)

    @property
    def summary(self) -> str:
        return clean(self.row.summary)


def cross_source_signals(payload: Payload, tally: Tally, model: Model) -> tuple[Signal, ...]:
    """The signals of any region."""
    # Thousands of signals share a few words here.
    place_of, severity_of = cache(partial(_place, model.gazetteer)), cache(_severity)
    not_coercive = {_SIGNAL_TYPE_PREFIX + name for name in model.scoring.reading.not_coercive}
    found = []
    for number, row in enumerate(SIGNALS.of(payload, tally)):
        theater = row.theater or ""
        regions, cleaned = place_of(theater)
        severity = severity_of(row.severity or "")
        tally.incomplete += not severity
        if regions:
            coercive = row.type not in not_coercive
            found.append(Signal(number, regions, cleaned, severity, row.detected_at, coercive, row))
        else:
            tally.nowhere(theater)
    return tuple(found)


def _place(gazetteer: Gazetteer, theater: str) -> tuple[tuple[str, ...], str]:
    return gazetteer.signal_regions(theater), clean(theater)


def _severity(text: str) -> str:
    word = text.upper()
    return next((name for name in _SEVERITIES if name in word), "")


def chokepoints(payload: Payload, tally: Tally, model: Model) -> dict[str, str]:
    """Chokepoint id → threat level, one of the scoring's."""
    found: dict[str, str] = {}
    levels = model.scoring.reading.threats
    for row in tally.objects(payload.get("chokepoints")):
        live_id = row.get("id")
        if not isinstance(live_id, str):
            tally.skipped += 1
            continue
        word = _threat_word(row)
        level = word if word in levels else UNKNOWN
        tally.incomplete += level == UNKNOWN
        found.setdefault(model.geography.chokepoint(live_id.strip()), level if word else "normal")
    return found


def _threat_word(row: Payload) -> str:
    """What the feed says of the threat, "" when it says nothing."""
    for name in ("threatLevel", "warRiskTier", "status"):
        word = text_of(row.get(name)).strip().lower().removeprefix("war_risk_tier_")
        if word:
            return word
    return ""


class Transit(msgspec.Struct, frozen=True, gc=False):
    """Ships through a chokepoint: today's count, and the week against the one before in percent.
    None is unknown."""

    today: float | None
    wow_change_pct: float | None


def transit_summaries(payload: Payload, tally: Tally, model: Model) -> dict[str, Transit]:
    """Chokepoint id → its transits; a zero-filled placeholder is absent."""
    summaries = payload.get("summaries")
    if not isinstance(summaries, dict):
        tally.skipped += summaries is not None and summaries != []
        return {}
    found: dict[str, Transit] = {}
    tally.records = len(summaries)
    # The writer has stored 0 for "no reading". Where really no ship passes, the week collapses.
    collapse = model.scoring.reading.collapsed_pct
    for live_id, row in summaries.items():
        if not isinstance(row, dict):
            tally.skipped += 1
        elif row.get("dataAvailable") is not False:
            today = parse_number(row.get("todayTotal"))
            change = parse_number(row.get("wowChangePct"))
            collapsed = change is not None and change <= collapse
            if today is not None and (today < 0 or (today == 0 and not collapsed)):
                today = None
            tally.incomplete += today is None or change is None
            found.setdefault(model.geography.chokepoint(live_id), Transit(today, change))
    return found


def oref_alerts(payload: Payload, tally: Tally, model: Model, now: int) -> float:
    """The active siren alerts: localities in which sirens sounded in the last 60 minutes, where the
    history holds dated waves; else what the feed counts itself."""
    waves = tally.objects(payload.get("history"))
    localities, dated = active_localities(waves, tally, now, model.scoring.reading.siren_minutes)
    if dated:
        return localities
    tally.undated = True
    for name in ("activeAlertCount", "historyCount24h"):
        count = payload.get(name)
        if is_number(count):
            return count
    # Silence means no alerts, but this is not the feed's silence.
    tally.incomplete += 1
    return 0


def macro_signals(payload: Payload, tally: Tally, model: Model) -> str:
    """The verdict, upper case: CASH, BUY or whatever else the feed says."""
    verdict = text_of(payload.get("verdict")).upper()
    tally.records, tally.incomplete = 1, int(verdict not in ("CASH", "BUY"))
    return verdict


def national_debt(payload: Payload, tally: Tally, model: Model) -> dict[str, list[float]]:
    """Region id → debt-to-GDP ratios (percent) of its countries."""
    found: dict[str, list[float]] = {}
    geography, gazetteer = model.geography, model.gazetteer
    for row in DEBTS.of(payload, tally):
        if row.iso3 is None or row.debt_to_gdp is None:
            tally.skipped += 1
            continue
        iso3 = row.iso3.strip()
        # Only a code counts here, and only of a country that a region lists.
        iso2 = gazetteer.country(iso3) if len(iso3) == 3 else None
        region = geography.region_of_country(iso2 or "")
        if region:
            found.setdefault(region, []).append(row.debt_to_gdp)
        else:
            tally.nowhere(iso3)
    return found


def stress_index(payload: Payload, tally: Tally, model: Model) -> float | None:
    """The composite score (0–100), None when the feed has none."""
    return _only(parse_number(payload.get("compositeScore")), tally)


def _only(value: float | None, tally: Tally) -> float | None:
    """The one value of a feed without records."""
    tally.records, tally.incomplete = 1, int(value is None)
    return value


# What stands beside the countries.
_NO_COUNTRIES = (*TIMESTAMP_FIELDS, SAMPLE_FIELD)


def energy_mix(payload: Payload, tally: Tally, model: Model) -> dict[str, list[float | None]]:
    """Region id → net energy imports of its countries in percent (None where the feed has no
    number), in input order: a mean of floats depends on it in the last bit."""
    shares: dict[str, float | None] = {}
    tally.records = len(payload) - sum(name in payload for name in _NO_COUNTRIES)
    for country, row in payload.items():
        if isinstance(row, dict):
            row = read_record(MixRecord, row)
        if isinstance(row, MixRecord):
            shares[country.strip().upper()] = row.import_share
        elif country not in _NO_COUNTRIES:
            tally.skipped += 1
    tally.incomplete = list(shares.values()).count(None)
    found: dict[str, list[float | None]] = {}
    region_of = model.geography.region_of_country
    for country, share in shares.items():
        region = region_of(country)
        if region:
            found.setdefault(region, []).append(share)
        else:
            tally.nowhere(country)
    return found


def eu_gas_storage(payload: Payload, tally: Tally, model: Model) -> float | None:
    """The latest fill of Europe's gas storage as a fraction, None when unknown."""
    candidates = [payload.get("fillPct")]
    candidates += [row.get("fillPct") for row in tally.objects(payload.get("history"))][:1]
    candidates += [row.get("fillPct") for row in tally.objects(payload.get("months"))][-1:]
    return _only(next((value / 100 for value in candidates if is_number(value)), None), tally)


def strategic_reserves(payload: Payload, tally: Tally, model: Model) -> float | None:
    """Days of cover, None when the feed has none."""
    days = payload.get("daysOfCover")
    return _only(float(days) if is_number(days) else None, tally)
