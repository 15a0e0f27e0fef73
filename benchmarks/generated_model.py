"""A world of any number of regions: the real ones, and invented ones.

`REGIONAL_MODEL=benchmarks.generated_model:MODEL` has 10,000.
"""

import json
import string
from typing import Any

from regional_assets.intelligence.geography import Region
from regional_assets.intelligence.model import BUILT_IN, Model
from regional_assets.runs.input_files import SAMPLE_INPUTS, read_input_files

# Per invented region.
COUNTRIES, FORECASTS, SIGNALS = 2, 1, 2

_CASE = (
    "Officials in Washington and Moscow expect talks on sanctions and the pipeline to continue; "
    "naval patrols in the strait remain, and a coalition of neighbours warns of a collapse of the "
    "harvest, of prices that rise for months, and of protests in the capital. "
)


def _region(number: int) -> Region:
    name = f"invented {number}"
    countries = tuple(f"AQ-{_base36(number * COUNTRIES + n)}" for n in range(COUNTRIES))
    return Region(
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


def generated(size: int) -> Model:
    """The built-in model with so many regions."""
    real = BUILT_IN.regions
    return Model(regions=(*real, *(_region(n) for n in range(size - len(real)))))


MODEL = generated(10_000)


def inputs(model: Model, now: int) -> dict[str, bytes]:
    """Redis key → value: the samples, and a handful of records more for each invented region."""
    values = read_input_files(model, SAMPLE_INPUTS, now)
    invented = model.regions[len(BUILT_IN.regions) :]
    countries = [country for region in invented for country in region.countries]

    def more(name: str, field: str | None, records: Any) -> None:
        key = model.input_of[name].key
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
