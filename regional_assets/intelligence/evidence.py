"""The evidence of a snapshot (SPEC 4, Evidence)."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from regional_assets.intelligence.geography import REGIONS
from regional_assets.intelligence.text import clean, words
from regional_assets.intelligence.threats import THREATS
from regional_assets.intelligence.world import World

MAX_EVIDENCE = 30

_CII_THRESHOLD = 50
_FORECAST_THRESHOLD = 0.3
_SEVERITY_CONFIDENCE = {"CRITICAL": 0.9, "HIGH": 0.75, "MEDIUM": 0.6, "LOW": 0.4, "": 0.5}


T = TypeVar("T")


class Evidence(NamedTuple):
    """One item; `observed_at` is ms since the epoch, None where the input gives no time."""

    id: str
    type: str
    source: str
    summary: str
    confidence: float
    observed_at: int | None
    theater: str = ""
    corridor: str = ""

    def as_json(self, now: int) -> dict[str, Any]:
        """The entry of a snapshot's `evidence`; `now` stands in for a missing time."""
        observed_at = now if self.observed_at is None else self.observed_at
        return self._replace(observed_at=observed_at)._asdict()


def newest(items: Iterable[Evidence], default: float) -> list[Evidence]:
    """The newest thirty of `items`, newest first; `default` (ms) stands in for a missing time."""
    found = sorted(
        items, key=lambda item: -(default if item.observed_at is None else item.observed_at)
    )
    return found[:MAX_EVIDENCE]


def evidence(world: World, region_id: str) -> Iterator[Evidence]:
    """All evidence of the region that can be among the newest thirty, block by block, each in
    input order."""
    signals = world.signals.get(region_id, ())
    for position, signal in _eligible(signals, attrgetter("detected_at")):
        yield Evidence(
            signal.id or f"xss:{position}",
            "market_signal",
            "cross-source",
            signal.summary or signal.type or "signal of an unknown type",
            _SEVERITY_CONFIDENCE[signal.severity],
            signal.detected_at,
            theater=signal.theater,
        )
    for score in world.key_risk_scores.get(region_id, ()):
        if score.score >= _CII_THRESHOLD:
            trend = score.trend.lower()
            yield Evidence(
                f"cii:{score.country}",
                "cii_spike",
                "risk-scores",
                f"{score.country} instability index at {score.score:g}"
                + (f", {trend}" if trend else ""),
                0.9,
                score.computed_at,
            )
    corridors = {c.chokepoint: c for c in REGIONS[region_id].corridors}
    for chokepoint, level in world.chokepoints.items():
        corridor = corridors.get(chokepoint)
        if corridor and THREATS[level].severity > 0:
            yield Evidence(
                f"chokepoint:{chokepoint}",
                "chokepoint_status",
                "supply-chain",
                f"{corridor.name} at threat level {words(level)}",
                0.95,
                None,
                corridor=chokepoint,
            )
    likely = [
        forecast
        for forecast in world.forecasts.get(region_id, ())
        if forecast.probability >= _FORECAST_THRESHOLD
    ]
    for _, forecast in _eligible(likely, attrgetter("updated_at")):
        yield Evidence(
            f"forecast:{forecast.id}",
            "news_headline",
            "forecast",
            forecast.title or f"{clean(forecast.domain) or 'untitled'} forecast",
            forecast.confidence,
            forecast.updated_at,
        )


def _eligible(
    records: Sequence[T], observed_at: Callable[[T], int | None]
) -> Iterable[tuple[int, T]]:
    """The records that can be among the newest thirty, whatever stands in for a missing time,
    each with its position, in input order: the many others are neither cleaned nor sorted."""
    if len(records) <= MAX_EVIDENCE:
        return enumerate(records)
    dated = {
        position: time
        for position, record in enumerate(records)
        if (time := observed_at(record)) is not None
    }
    undated = (position for position in range(len(records)) if position not in dated)
    chosen = [
        *islice(undated, MAX_EVIDENCE),
        *heapq.nlargest(MAX_EVIDENCE, dated, key=dated.__getitem__),
    ]
    return [(position, records[position]) for position in sorted(chosen)]
