"""What a feed says against itself makes it stale or missing, with the reason (SPEC 2.5)."""

from typing import Any

import pytest

from regional_assets.intelligence.inputs import InputState
from regional_assets.intelligence.timing import DAY_MS, HOUR_MS, MINUTE_MS
from regional_assets_tests.support.worlds import KEY, NOW, world_of


def state(name: str, payload: Any, **inputs: Any) -> InputState:
    return world_of(**{name: payload, **inputs}).inputs[name]


def enveloped(data: dict[str, Any], **seed: Any) -> dict[str, Any]:
    return {"_seed": {"fetchedAt": NOW, **seed}, "data": data}


@pytest.mark.parametrize(
    ("name", "payload", "freshness", "words"),
    [
        ("stress_index", {"compositeScore": 0, "unavailable": True}, "missing", "unavailable"),
        ("chokepoints", {"chokepoints": [], "upstreamUnavailable": True}, "missing", "upstream"),
        ("macro_signals", {"verdict": "BUY", "error": "no key"}, "missing", "no key"),
        ("risk_scores", {"ciiScores": [], "degraded": True}, "stale", "degraded"),
        ("military_flights", {"flights": [], "stale": True}, "stale", "stale"),
        ("strategic_reserves", {"latestPeriod": "2026-08-01"}, "stale", "old"),
        ("strategic_reserves", {"latestPeriod": "2025-01-01"}, "missing", "old"),
        ("gps_jamming", {"hexes": [], "date": "2026-09-12"}, "stale", "old"),
    ],
)
def test_a_payload(name: str, payload: dict[str, Any], freshness: str, words: str) -> None:
    found = state(name, {**payload, "fetchedAt": NOW})
    assert found.freshness == freshness
    assert words in (found.problem or "")
    for flag in ("unavailable", "upstreamUnavailable", "degraded", "stale"):
        assert state(name, {"fetchedAt": NOW, flag: False}).freshness == "fresh"


@pytest.mark.parametrize("name", ["forecasts", "national_debt", "eu_gas_storage", "intl_delays"])
def test_an_envelope(name: str) -> None:
    for fine in ("OK", "OK_ZERO"):
        assert state(name, enveloped({}, state=fine)).freshness == "fresh"
    broken = state(name, enveloped({}, state="ERROR", errorReason="timeout"))
    assert broken.freshness == "missing"
    assert broken.problem == "its writer says state ERROR: timeout"


@pytest.mark.parametrize(
    ("age_days", "limit", "freshness"),
    [(1, 2880, "fresh"), (3, 2880, "stale"), (11, 2880, "missing"), (9, None, "fresh"),
     (11, None, "stale"), (300, None, "missing")],
)  # fmt: skip
@pytest.mark.parametrize("where", ["envelope", "payload", "companion"])
def test_the_age_of_the_content(
    age_days: int, limit: int | None, freshness: str, where: str
) -> None:
    said: dict[str, Any] = {"newestItemAt": NOW - age_days * DAY_MS}
    said |= {"maxContentAgeMin": limit} if limit else {}
    payload = enveloped({"fillPct": 50} | (said if where == "payload" else {}))
    if where == "envelope":
        payload["_seed"] |= said
    beside: dict[str, Any] = {"fetchedAt": NOW} | (said if where == "companion" else {})
    companion = "seed-meta:economic:eu-gas-storage"
    found = state("eu_gas_storage", payload, **{companion: beside})
    assert found.freshness == freshness
    assert bool(found.problem) == (freshness != "fresh")


def test_beyond_five_times_its_age_it_is_missing() -> None:
    for name, minutes in (("chokepoints", 30), ("macro_signals", 60)):
        for times, freshness in ((0.9, "fresh"), (4.9, "stale"), (5.1, "missing")):
            at = NOW - times * minutes * MINUTE_MS
            inputs: dict[str, Any] = {name: {"fetchedAt": at}}
            world = world_of(**inputs)
            assert world.inputs[name].freshness == freshness
            assert (KEY[name] in world.confidence.missing_inputs) == (freshness == "missing")


def test_a_companion_that_reports_an_error_makes_a_missing_input_a_problem() -> None:
    failed: dict[str, Any] = {"seed-meta:relay:oref:history": {"status": "error", "fetchedAt": NOW}}
    found = world_of(**failed).inputs["oref_alerts"]
    assert (found.freshness, found.problem) == ("missing", "its writer reports that it failed")
    assert world_of().inputs["oref_alerts"].problem is None


@pytest.mark.parametrize("odd", [None, 0, "", "true", [], {}, 1e300, float("-1e300")])
def test_odd_signs_are_no_signs(odd: Any) -> None:
    for name in ("stress_index", "gps_jamming", "eu_gas_storage"):
        for sign in ("unavailable", "degraded", "newestItemAt", "date", "latestPeriod"):
            payload = {"fetchedAt": NOW - HOUR_MS // 2, sign: odd}
            assert state(name, payload).freshness in ("fresh", "missing")


def test_the_content_of_other_feeds_has_no_limit_of_its_own() -> None:
    """Debts are of years ago, and published as such."""
    years = NOW - 900 * DAY_MS
    assert state("national_debt", enveloped({}, newestItemAt=years)).freshness == "fresh"
    assert state("forecasts", {"fetchedAt": NOW, "date": "2020-01-01"}).freshness == "fresh"
    without = enveloped({}, newestItemAt=None, maxContentAgeMin=60)
    assert state("national_debt", without).problem == "none of its items has a time"
