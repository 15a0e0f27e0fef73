"""The main job on real figures: the 2026 daily transits of IMF PortWatch."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

from regional_assets_tests.worlds import DATA, picture_of, world_of

PORTWATCH = pd.read_csv(DATA / "portwatch-2026.csv", index_col="date", parse_dates=True)
CHOKEPOINTS = ["hormuz_strait", "bab_el_mandeb", "suez", "cape_of_good_hope"]


def transit_summaries(day: str) -> dict[str, Any]:
    """The feed as its writer would have written it at the end of that day."""
    until = pd.Timestamp(day)
    summaries = {}
    for id in CHOKEPOINTS:
        totals = PORTWATCH.loc[:until, f"{id}_total"]
        week, before = totals.iloc[-7:].sum(), totals.iloc[-14:-7].sum()
        summaries[id] = {
            "todayTotal": int(totals.iloc[-1]),
            "wowChangePct": round(100 * (week / before - 1), 1),
            "dataAvailable": True,
        }
    return {"summaries": summaries}


def maritime_access(day: str) -> float:
    levels = [{"id": id, "warRiskTier": "WAR_RISK_TIER_NORMAL"} for id in CHOKEPOINTS]
    world = world_of(chokepoints={"chokepoints": levels}, transit_summaries=transit_summaries(day))
    return picture_of(world, "mena").balance.axes["maritime_access"]


def test_the_series_is_whole() -> None:
    days = [d.date() for d in PORTWATCH.index]
    assert days[0] == date(2026, 1, 1)
    assert all(b - a == timedelta(days=1) for a, b in pairwise(days))


def test_the_collapse_at_hormuz_is_in_the_figures() -> None:
    january = transit_summaries("2026-01-31")["summaries"]["hormuz_strait"]
    march = transit_summaries("2026-03-05")["summaries"]["hormuz_strait"]
    assert abs(january["wowChangePct"]) < 25
    assert march["wowChangePct"] < -50
    assert march["todayTotal"] < january["todayTotal"] / 4


@pytest.mark.parametrize("day", ["2026-01-20", "2026-01-25", "2026-01-31"])
def test_access_is_open_in_january(day: str) -> None:
    assert maritime_access(day) > 0.9


def test_access_falls_when_hormuz_collapses() -> None:
    # Threat levels held at normal, so this is the transits' doing alone.
    assert maritime_access("2026-03-05") < maritime_access("2026-01-31") - 0.05
