"""What a feed says of itself: that it has nothing, or that what it has is old (SPEC 2.5)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from regional_assets.intelligence.numbers import is_number
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
# Fields of a payload that date its content, and after how many days that is stale.
CONTENT_DAYS: Mapping[str, int] = {"latestPeriod": 21, "date": 4}
# The same of a feed that dates its newest item and sets no limit itself.
_NEWEST_DAYS = 90
_OLD = 5
SIGNS = (*FLAGS, *CONTENT_DAYS, "newestItemAt", "maxContentAgeMin")


def declared(
    seed: Mapping[str, Any],
    payload: Mapping[str, Any],
    companion: Mapping[str, Any],
    now: int,
    milliseconds: Milliseconds,
) -> tuple[Verdict, str] | None:
    """What envelope, payload and companion say against the input at `now` (ms), and in words; None
    for nothing. `milliseconds` reads a time."""
    found = list(_said(seed, payload)) + list(_aged(seed, payload, companion, now, milliseconds))
    return min(found, key=lambda verdict: verdict[0] != "missing", default=None)


def _said(seed: Mapping[str, Any], payload: Mapping[str, Any]) -> Iterator[tuple[Verdict, str]]:
    state = seed.get("state")
    if isinstance(state, str) and state not in ("OK", "OK_ZERO"):
        reason = seed.get("errorReason")
        yield "missing", f"its writer says state {state}" + (f": {reason}" if reason else "")
    for field, verdict in FLAGS.items():
        value = payload.get(field)
        if value is True or (field == "error" and isinstance(value, str) and value):
            yield verdict, f"its writer says {field}" + ("" if value is True else f": {value}")


def _aged(
    seed: Mapping[str, Any],
    payload: Mapping[str, Any],
    companion: Mapping[str, Any],
    now: int,
    milliseconds: Milliseconds,
) -> Iterator[tuple[Verdict, str]]:
    dates: list[tuple[float, float]] = [
        (at, days * DAY_MS)
        for field, days in CONTENT_DAYS.items()
        if isinstance(payload.get(field), str) and (at := milliseconds(payload[field])) is not None
    ]
    for said in (seed, payload, companion):
        newest, limit = milliseconds(said.get("newestItemAt")), said.get("maxContentAgeMin")
        if newest is not None:
            dates.append((newest, limit * MINUTE_MS if is_number(limit) else _NEWEST_DAYS * DAY_MS))
    for at, most in dates:
        if now - at > most:
            verdict: Verdict = "missing" if now - at > _OLD * most else "stale"
            yield verdict, f"its content is {age(now - at)} old"
