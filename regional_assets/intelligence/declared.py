"""What a feed says of itself: that it has nothing, or that what it has is old (SPEC 2.5)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from regional_assets.intelligence.numbers import is_number
from regional_assets.intelligence.text import clean
from regional_assets.intelligence.timing import DAY_MS, MINUTE_MS, age

Verdict = Literal["stale", "missing"]
Milliseconds = Callable[[Any], float | None]

# Fields of a payload; the first word that applies decides.
FLAGS: Mapping[str, Verdict] = {
    "unavailable": "missing",
    "upstreamUnavailable": "missing",
    "error": "missing",
    "degraded": "stale",
    "stale": "stale",
}
# What dates the content of an input, and after how many days that is stale where the feed sets no
# limit: writers renew the time of the fetch while their source stands still.
CONTENT_DAYS: Mapping[str, tuple[str, int]] = {
    "eu_gas_storage": ("newestItemAt", 10),
    "strategic_reserves": ("latestPeriod", 21),
    "gps_jamming": ("date", 4),
}
_OLD = 5
_MOST_CHARACTERS = 100
SIGNS = (*FLAGS, "latestPeriod", "date", "newestItemAt", "maxContentAgeMin")


def declared(
    name: str,
    seed: Mapping[str, Any],
    payload: Mapping[str, Any],
    companion: Mapping[str, Any],
    now: int,
    milliseconds: Milliseconds,
) -> tuple[Verdict, str] | None:
    """What envelope, payload and companion say against the input of that name at `now` (ms), and in
    words; None for nothing. `milliseconds` reads a time."""
    found = list(_said(seed, payload)) + list(
        _aged(name, seed, payload, companion, now, milliseconds)
    )
    return min(found, key=lambda verdict: verdict[0] != "missing", default=None)


def _said(seed: Mapping[str, Any], payload: Mapping[str, Any]) -> Iterator[tuple[Verdict, str]]:
    state = seed.get("state")
    if isinstance(state, str) and state.strip().upper() not in ("", "OK", "OK_ZERO"):
        reason = seed.get("errorReason")
        words = f"state {state}" + (f": {reason}" if reason else "")
        yield "missing", f"its writer says {clean(words, _MOST_CHARACTERS)}"
    for field, verdict in FLAGS.items():
        value = payload.get(field)
        if value is True or (field == "error" and value and isinstance(value, str | dict)):
            words = field if value is True else f"{field}: {value}"
            yield verdict, f"its writer says {clean(words, _MOST_CHARACTERS)}"


def _aged(
    name: str,
    seed: Mapping[str, Any],
    payload: Mapping[str, Any],
    companion: Mapping[str, Any],
    now: int,
    milliseconds: Milliseconds,
) -> Iterator[tuple[Verdict, str]]:
    field, days = CONTENT_DAYS.get(name, ("newestItemAt", 0))
    for said in (seed, payload, companion):
        minutes, newest = said.get("maxContentAgeMin"), said.get("newestItemAt")
        most: float = days * DAY_MS
        if is_number(minutes) and minutes > 0:
            most = minutes * MINUTE_MS
            if newest is None:
                yield "stale", "none of its items has a time"
        dated = said.get(field) if isinstance(said.get(field), str) else None
        at = milliseconds(dated if newest is None else newest)
        if most and at is not None and now - at > most:
            verdict: Verdict = "missing" if now - at > _OLD * most else "stale"
            yield verdict, f"its content is {age(now - at)} old, beyond {age(most)}"
