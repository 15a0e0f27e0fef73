"""The weekly brief of a region, and which week it belongs to (SPEC 6, Weekly brief)."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from regional_assets.intelligence.timing import DAY_MS, FUTURE_TOLERANCE_MS

if TYPE_CHECKING:
    # The command's help needs this module's names alone; the schemas load when a run needs them.
    from regional_assets.intelligence.stored import Transition, WeeklyBrief

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

    def of(self, region_id: str, now: int, provider: str, model: str) -> "WeeklyBrief":
        """The brief as it is stored, of the week before `now` (ms)."""
        from regional_assets.intelligence.stored import WeeklyBrief

        return WeeklyBrief(
            region_id,
            now,
            now - WEEK,
            now,
            self.situation_recap,
            self.regime_trajectory,
            self.key_developments,
            self.risk_outlook,
            provider,
            model,
        )


def written_at(region_id: str, stored: bytes | None) -> int | None:
    """When a stored brief was generated (ms); None when there is none, or a damaged one."""
    from regional_assets.intelligence.stored import BodyError, read_weekly_brief

    try:
        return read_weekly_brief(region_id, stored).generated_at if stored else None
    except BodyError:
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


def of_the_week(changes: Iterable["Transition"], now: int) -> list["Transition"]:
    """The regime changes of the week before `now` (ms)."""
    return [c for c in changes if now - WEEK <= c.transitioned_at <= now + FUTURE_TOLERANCE_MS]
