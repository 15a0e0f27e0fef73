"""A world of any number of regions: the real ones, and invented ones.

`install` has to come before anything else of the project is imported.
"""

import json
from collections.abc import Sequence
from typing import Any

from regional_assets.intelligence import geography

# Per invented region.
COUNTRIES, FORECASTS, SIGNALS = 2, 1, 2

_REAL = tuple(geography.REGIONS)
_CASE = (
    "Officials in Washington and Moscow expect talks on sanctions and the pipeline to continue; "
    "naval patrols in the strait remain, and a coalition of neighbours warns of a collapse of the "
    "harvest, of prices that rise for months, and of protests in the capital. "
)


def install(count: int) -> tuple[str, ...]:
    """The ids of `count` regions, known to this process from now on."""
    geography.install(
        (*geography.REGIONS.values(), *(_region(number) for number in range(count - len(_REAL))))
    )
    return geography.REGION_IDS


def _region(number: int) -> geography.Region:
    name = f"invented {number}"
    countries = tuple(f"Q{number * COUNTRIES + n:05d}" for n in range(COUNTRIES))
    return geography.Region(
        id=f"invented-{number}",
        label=f"{name} (region)",
        forecast_label=f"{name} (region)",
        key_countries=countries,
        countries=frozenset(countries),
        places=(f"{name} (region)",),
    )


def inputs(regions: Sequence[str], now: int) -> dict[str, bytes]:
    """Redis key → value: the samples, and a handful of records more for each invented region."""
    from regional_assets.intelligence.catalogue import CATALOGUE
    from regional_assets.runs.input_files import SAMPLE_INPUTS, read_input_files

    values = read_input_files(SAMPLE_INPUTS, now)
    invented = [geography.REGIONS[region] for region in regions[len(_REAL) :]]
    countries = [country for region in invented for country in region.countries]

    def more(name: str, field: str | None, records: Any) -> None:
        key = next(spec.key for spec in CATALOGUE if spec.name == name)
        stored = json.loads(values[key])
        payload = stored["data"] if "_seed" in stored else stored
        if field is None:
            payload.update(records)
        else:
            payload[field].extend(records)
        values[key] = json.dumps(stored, separators=(",", ":")).encode()

    more(
        "risk_scores",
        "ciiScores",
        [
            {"region": country, "combinedScore": 30 + n % 60, "trend": "RISING", "computedAt": now}
            for n, country in enumerate(countries)
        ],
    )
    more("national_debt", "entries", [{"iso3": c, "debtToGdp": 90} for c in countries])
    more("energy_mix", None, {c: {"importShare": 55.5} for c in countries})
    more(
        "forecasts",
        "predictions",
        [
            {
                "id": f"{region.id}-{n}",
                "domain": "military",
                "region": region.label,
                "title": f"Forecast {n} for {region.label}",
                "probability": 0.4,
                "confidence": 0.6,
                "timeHorizon": "7d",
                "trend": "rising",
                "caseFile": {"baseCase": _CASE},
            }
            for region in invented
            for n in range(FORECASTS)
        ],
    )
    more(
        "cross_source_signals",
        "signals",
        [
            {
                "id": f"{region.id}:{n}",
                "type": "CROSS_SOURCE_SIGNAL_TYPE_UNREST_SURGE",
                "theater": region.label,
                "summary": f"Unrest in {region.label}, report {n}",
                "severity": f"CROSS_SOURCE_SIGNAL_SEVERITY_{('HIGH', 'CRITICAL')[n]}",
                "detectedAt": now - n,
            }
            for region in invented
            for n in range(SIGNALS)
        ],
    )
    return values
