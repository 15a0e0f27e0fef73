"""The weekly brief of a region, and which week it belongs to (SPEC 6, Weekly brief)."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from regional_assets.intelligence.numbers import is_number
from regional_assets.intelligence.timing import DAY_MS, FUTURE_TOLERANCE_MS

MAX_DEVELOPMENTS = 5

WEEK = 7 * DAY_MS
# A brief younger than this stands: half a day less than a week, so that a schedule that is late
# one week and on time the next skips none.
STANDS = WEEK - DAY_MS // 2
STANDS_IN_WORDS = f"{STANDS / DAY_MS:g} days"
# The epoch was a Thursday; this is the Sunday after it.
_A_SUNDAY = 3 * DAY_MS

# A week is covered when at most so many regions have no brief of it.
MAX_LACKING = 1


class Brief(msgspec.Struct, frozen=True):
    """What a weekly brief says."""

    situation_recap: str
    regime_trajectory: str
    key_developments: tuple[str, ...]
    risk_outlook: str

    def as_json(self, region_id: str, now: int, provider: str, model: str) -> dict[str, Any]:
        """The brief as it is stored, of the week before `now` (ms)."""
        return {
            "region_id": region_id,
            "generated_at": now,
            "period_start": now - WEEK,
            "period_end": now,
            "situation_recap": self.situation_recap,
            "regime_trajectory": self.regime_trajectory,
            "key_developments": list(self.key_developments),
            "risk_outlook": self.risk_outlook,
            "provider": provider,
            "model": model,
        }


def written_at(region_id: str, stored: bytes | None) -> int | None:
    """When a stored brief was generated (ms); None when there is none, or something else is
    stored in its place."""
    try:
        brief = json.loads(stored or b"")
        at = brief["generated_at"]
        return int(at) if is_number(at) and brief["region_id"] == region_id else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def stands(at: int | None, now: int) -> bool:
    """Whether a brief generated `at` is young enough at `now` (ms) not to be written anew."""
    return at is not None and -FUTURE_TOLERANCE_MS <= now - at < STANDS


def week_start(now: int) -> int:
    """The last Sunday, 00:00 UTC, at or before `now` (ms)."""
    return now - (now - _A_SUNDAY) % WEEK


def is_of_this_week(at: int | None, now: int) -> bool:
    """Whether a brief generated `at` counts for the week that `now` (ms) lies in: it was written
    in it, or it was young enough to be skipped when the week began."""
    return at is not None and week_start(now) - STANDS < at <= now + FUTURE_TOLERANCE_MS


def lacking(written: Mapping[str, int | None], now: int) -> list[str]:
    """The regions that have no brief of the week that `now` (ms) lies in; `written` says when
    each region's stored brief was generated."""
    return [region for region, at in written.items() if not is_of_this_week(at, now)]


class Transition(msgspec.Struct, frozen=True):
    """A change of a region's regime, `at` ms since the epoch; `before` is "" for the first."""

    at: int
    before: str
    after: str
    driver: str


def transitions(entries: Iterable[bytes], now: int) -> list[Transition]:
    """The changes of the week before `now` (ms) in a stored regime history, in its order; what is
    no entry is skipped, as the history's other readers do."""
    found = []
    for entry in entries:
        try:
            change = json.loads(entry)
            at = change["transitioned_at"]
            texts = [change[name] for name in ("previous_label", "label", "transition_driver")]
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        in_week = is_number(at) and now - WEEK <= at <= now + FUTURE_TOLERANCE_MS
        if in_week and all(isinstance(text, str) for text in texts):
            found.append(Transition(int(at), *texts))
    return found
