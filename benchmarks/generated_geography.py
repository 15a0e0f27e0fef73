"""A world of any number of regions: the real ones, and invented ones.

`REGIONAL_GEOGRAPHY=benchmarks.generated_geography:regions`, of `BENCHMARK_REGIONS` regions.
"""

import json
import os
import string
from collections.abc import Sequence
from typing import Any

from regional_assets.intelligence import geography

# Per invented region.
COUNTRIES, FORECASTS, SIGNALS = 2, 1, 2

_CASE = (
    "Officials in Washington and Moscow expect talks on sanctions and the pipeline to continue; "
    "naval patrols in the strait remain, and a coalition of neighbours warns of a collapse of the "
    "harvest, of prices that rise for months, and of protests in the capital. "
)


def _region(number: int) -> geography.Region:
    name = f"invented {number}"
    countries = tuple(f"AQ-{_base36(number * COUNTRIES + n)}" for n in range(COUNTRIES))
    return geography.Region(
        id=f"invented-{number}",
        label=f"{name} (region)",
        forecast_label=f"{name} (region)",
        key_countries=countries,
        countries=frozenset(countries),
        places=(f"{name} (region)",),
    )


def _base36(number: int) -> str:
    digits = string.digits + string.ascii_uppercase
    return digits[number // 36**2] + digits[number // 36 % 36] + digits[number % 36]


regions = (
    *geography.BUILT_IN,
    *(_region(n) for n in range(int(os.environ["BENCHMARK_REGIONS"]) - len(geography.BUILT_IN))),
)


def inputs(regions: Sequence[str], now: int) -> dict[str, bytes]:
    """Redis key → value: the samples, and a handful of records more for each invented region."""
    from regional_assets.intelligence.catalogue import CATALOGUE
    from regional_assets.runs.input_files import SAMPLE_INPUTS, read_input_files

    values = read_input_files(SAMPLE_INPUTS, now)
    invented = [geography.REGIONS[region] for region in regions[len(geography.BUILT_IN) :]]
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
