"""The seventeen inputs: one catalogue, and how a stored value becomes a payload (SPEC 2).

The code that computes asks for an input by its name here and never spells a Redis key.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from regional_assets.intelligence.numbers import is_number

MINUTE_MS = 60_000
FUTURE_TOLERANCE_MS = 5 * MINUTE_MS

# What a server-side cache of the platform stores when it has nothing.
NEGATIVE_SENTINEL = "__WM_NEG__"

TIMESTAMP_FIELDS = ("fetchedAt", "generatedAt", "timestamp", "updatedAt", "lastUpdate", "seededAt")

Freshness = Literal["fresh", "stale", "missing"]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One catalogued input: `max_age_minutes` is when it counts as stale, `cadence` in words how
    often its writer writes, `companion` the key of the record its writer keeps beside it, `axes`
    the balance axes it feeds."""

    name: str
    key: str
    max_age_minutes: int
    cadence: str
    companion: str | None = None
    axes: tuple[str, ...] = ()


CATALOGUE: tuple[InputSpec, ...] = (
    InputSpec(
        "risk_scores",
        "risk:scores:sebuf:stale:v8",
        30,
        "about every 16 min",
        "seed-meta:intelligence:risk-scores",
        ("domestic_fragility",),
    ),
    InputSpec(
        "forecasts",
        "forecast:predictions:v2",
        180,
        "hourly",
        axes=("coercive_pressure", "alliance_cohesion"),
    ),
    InputSpec(
        "chokepoints",
        "supply_chain:chokepoints:v4",
        30,
        "when asked for, at least every 30 min",
        axes=("maritime_access",),
    ),
    InputSpec(
        "transit_summaries",
        "supply_chain:transit-summaries:v1",
        30,
        "every 10 min",
        "seed-meta:supply_chain:transit-summaries",
        ("maritime_access",),
    ),
    InputSpec(
        "cross_source_signals",
        "intelligence:cross-source-signals:v1",
        45,
        "every 15 min",
        "seed-meta:intelligence:cross-source-signals",
        ("coercive_pressure",),
    ),
    InputSpec(
        "oref_alerts",
        "relay:oref:history:v1",
        10080,
        "when alerts change",
        "seed-meta:relay:oref:history",
    ),
    InputSpec(
        "macro_signals",
        "economic:macro-signals:v1",
        60,
        "every 15 min",
        axes=("capital_stress",),
    ),
    InputSpec(
        "national_debt",
        "economic:national-debt:v1",
        86400,
        "every 30 days",
        "seed-meta:economic:national-debt",
        ("capital_stress",),
    ),
    InputSpec(
        "stress_index",
        "economic:stress-index:v1",
        120,
        "hourly",
        axes=("capital_stress",),
    ),
    InputSpec(
        "energy_mix",
        "energy:mix:v1:_all",
        50400,
        "about every 28 days",
        "seed-meta:economic:owid-energy-mix",
        ("energy_vulnerability",),
    ),
    InputSpec(
        "eu_gas_storage",
        "economic:eu-gas-storage:v1",
        2880,
        "daily",
        "seed-meta:economic:eu-gas-storage",
        ("energy_vulnerability",),
    ),
    InputSpec(
        "strategic_reserves",
        "economic:spr:v1",
        10080,
        "every 15 min (new figures weekly)",
        axes=("energy_vulnerability",),
    ),
    InputSpec(
        "faa_delays",
        "aviation:delays:faa:v1",
        60,
        "about every 30 min",
        "seed-meta:aviation:faa",
    ),
    InputSpec(
        "intl_delays",
        "aviation:delays:intl:v3",
        90,
        "every 55 to 85 min",
        "seed-meta:aviation:intl",
    ),
    InputSpec(
        "notam_closures",
        "aviation:notam:closures:v2",
        120,
        "about every 30 min",
        "seed-meta:aviation:notam",
    ),
    InputSpec(
        "gps_jamming",
        "intelligence:gpsjam:v2",
        1440,
        "every 6 hours (new figures daily)",
        "seed-meta:intelligence:gpsjam",
    ),
    InputSpec("military_flights", "military:flights:v1", 30, "every 5 min"),
)

INPUT_KEYS: tuple[str, ...] = tuple(spec.key for spec in CATALOGUE)
COMPANION_KEYS: tuple[str, ...] = tuple(spec.companion for spec in CATALOGUE if spec.companion)


@dataclass(frozen=True, slots=True)
class StoredValue:
    """What the store holds under a key: bytes, nothing, or the server's word why not."""

    data: bytes | None = None
    error: str | None = None


_NOTHING = StoredValue()


@dataclass(frozen=True, slots=True)
class InputState:
    """One input as it was read: its timestamp in ms since the epoch, its stored size in bytes, and
    what was wrong with it, if anything."""

    spec: InputSpec
    freshness: Freshness
    timestamp: int | None
    size: int
    problem: str | None


def read_inputs(stored: Mapping[str, StoredValue], now: int) -> dict[str, InputState]:
    """The state of every catalogued input by name; see `read_input`."""
    return {spec.name: read_input(spec, stored, now)[0] for spec in CATALOGUE}


def read_input(
    spec: InputSpec, stored: Mapping[str, StoredValue], now: int
) -> tuple[InputState, dict[str, Any] | None]:
    """An input's state and payload (None when missing), from what the store holds under its key
    and companion."""
    value = stored.get(spec.key, _NOTHING)
    size = len(value.data or b"")
    payload, wrapped_at, problem = _payload(value)
    if payload is None:
        return InputState(spec, "missing", None, size, problem), None
    timestamp = None
    if spec.companion:
        companion, companion_problem = parse_json(stored.get(spec.companion, _NOTHING))
        if companion_problem:
            problem = f"{spec.companion}: {companion_problem}"
        # These tell of an attempt to fetch, not of the data that is stored.
        elif isinstance(companion, dict) and not (
            companion.get("status") == "error" or companion.get("quotaExhausted") is True
        ):
            timestamp = _timestamp(companion)
    if timestamp is None:
        timestamp = _timestamp(payload)
    if timestamp is None:
        timestamp = wrapped_at
    fresh = timestamp is not None and (
        now - spec.max_age_minutes * MINUTE_MS <= timestamp <= now + FUTURE_TOLERANCE_MS
    )
    state = InputState(
        spec,
        "fresh" if fresh else "stale",
        None if timestamp is None else int(timestamp),
        size,
        problem,
    )
    return state, payload


def parse_json(value: StoredValue) -> tuple[Any, str | None]:
    """The JSON value stored, and what is wrong with it; (None, None) when nothing is stored."""
    if value.error is not None:
        return None, value.error
    if value.data is None:
        return None, None
    try:
        return _decode(value.data), None
    except RecursionError:
        return None, "nested too deeply"
    except ValueError as error:
        # The decoder's message tells the place but never quotes the input.
        return None, f"not JSON ({error})" if isinstance(error, json.JSONDecodeError) else (
            "not JSON (not UTF-8)"
        )


def _reject_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


_DECODER = json.JSONDecoder(parse_constant=_reject_constant)
_FLOAT_DECODER = json.JSONDecoder(parse_constant=_reject_constant, parse_int=float)


def _decode(data: bytes) -> Any:
    text = data.decode(json.detect_encoding(data), "surrogatepass")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Python refuses to read integers of thousands of digits; as floats they are infinite,
        # which every reader takes for no number. Slower, so only here.
        return _FLOAT_DECODER.decode(text)


def _payload(value: StoredValue) -> tuple[dict[str, Any] | None, float | None, str | None]:
    """The payload, the time of its envelope if it had one, and why there is no payload."""
    parsed, problem = parse_json(value)
    wrapped_at = None
    if isinstance(parsed, dict):
        seed = parsed.get("_seed")
        if isinstance(seed, dict) and is_number(seed.get("fetchedAt")):
            wrapped_at = seed["fetchedAt"]
            parsed = parsed.get("data")
    if isinstance(parsed, dict):
        return parsed, wrapped_at, None
    if parsed == NEGATIVE_SENTINEL:
        return None, None, "its writer stored that it has nothing"
    if parsed is None:
        return None, None, problem or (None if value.data is None else "null")
    # No input is anything else, so no reader could use it: it counts as missing, and confidence
    # says so, whatever its companion tells of its age.
    return None, None, f"not an object ({type(parsed).__name__})"


def _timestamp(record: Mapping[str, Any]) -> float | None:
    for field in TIMESTAMP_FIELDS:
        found = milliseconds(record.get(field))
        if found is not None:
            return found
    return None


def milliseconds(value: Any) -> float | None:
    """A number (ms since the epoch) or a date text (ISO 8601, else RFC 2822; UTC where it names
    no zone) as ms since the epoch; None for anything else."""
    if is_number(value):
        return value
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000
    except (OverflowError, ValueError):
        return None
