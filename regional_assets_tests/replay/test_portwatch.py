"""The main job on real figures: the 2026 daily transits of IMF PortWatch."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from regional_assets.errors import SeriesError
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.world import World, build_world
from regional_assets.replay.replay import Replay, expire
from regional_assets.replay.series import PORTWATCH_2026, feeds, read_series
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import content_of

SERIES = read_series(PORTWATCH_2026)


def world(day: str) -> World:
    at = pd.Timestamp(day, tz="UTC")
    now = int(at.timestamp()) * 1000
    values = feeds(MODEL, SERIES, at, now)
    return build_world(MODEL, {key: StoredValue(value) for key, value in values.items()}, now)


def maritime_access(day: str) -> float:
    return content_of(world(day), "mena").said.balance.maritime_access


def test_the_series_is_whole() -> None:
    assert len(SERIES) == 200
    assert SERIES.index[0] == pd.Timestamp("2026-01-01", tz="UTC")
    assert all(b - a == timedelta(days=1) for a, b in pairwise(SERIES.index))


def test_the_feeds_of_a_day() -> None:
    transit = world("2026-03-05").transits["hormuz"]
    assert transit.today == 4
    week, before = 65 + 57 + 24 + 6 + 5 + 2 + 4, 111 + 108 + 152 + 115 + 64 + 129 + 107
    assert transit.wow_change_pct == round(100 * (week / before - 1), 1)
    # There are not two weeks to compare yet.
    assert world("2026-01-13").transits["hormuz"].wow_change_pct == 0
    assert world("2026-01-14").transits["hormuz"].wow_change_pct != 0


@pytest.mark.parametrize("day", ["2026-01-20", "2026-01-25", "2026-01-31"])
def test_access_is_open_in_january(day: str) -> None:
    assert maritime_access(day) > 0.9


def test_access_falls_when_hormuz_collapses() -> None:
    # No threat levels are known, so this is the transits' doing alone.
    assert maritime_access("2026-03-05") < maritime_access("2026-01-31") - 0.05


@pytest.mark.parametrize(
    "text",
    [
        "",
        "date,hormuz_total\n",
        "day,hormuz_total\n2026-01-01,1\n",
        "date,hormuz\n2026-01-01,1\n",
        "date,hormuz_total\n2026-01-01,1\n2026-01-03,1\n",
        "date,hormuz_total\n2026-01-02,1\n2026-01-01,1\n",
        "date,hormuz_total\n2026-01-01,many\n",
        "date,hormuz_total\n2026-01-01,-1\n",
        f"date,hormuz_total\n2026-01-01,{'9' * 5000}\n",
        "date,hormuz_total\nyesterday,1\n",
    ],
)
def test_a_file_that_is_no_series_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "series.csv"
    path.write_text(text)
    with pytest.raises(SeriesError, match=str(path)):
        read_series(path)


def test_a_day_without_a_figure_is_no_day_without_ships(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("date,hormuz_strait_total\n2026-01-01,1\n2026-01-02,\n")
    series = read_series(path)
    now = int(series.index[-1].timestamp()) * 1000
    values = feeds(MODEL, series, series.index[-1], now)
    seen = build_world(MODEL, {key: StoredValue(value) for key, value in values.items()}, now)
    assert seen.chokepoints == {"hormuz": "normal"}
    assert seen.transits == {}


def test_the_blockade_of_2026(valkey_store: SnapshotStore) -> None:
    """Six-hourly runs from the beginning of February to the middle of March."""
    days = list(pd.date_range("2026-02-01", "2026-03-14", tz="UTC"))
    active: dict[str, bool] = {}
    alerts: list[int | None] = []
    for day, now in Replay(MODEL, SERIES, days, Path()).ticks:
        expire(valkey_store)
        valkey_store.write_inputs(feeds(MODEL, SERIES, day, now))
        results = {r.region_id: r for r in take_snapshots(valkey_store, REGION_IDS, now).regions}
        contents = {region: r.snapshot.content for region, r in results.items() if r.snapshot}
        states = {r.trigger.id: r.state for r in contents["mena"].triggers}
        reached = {
            region
            for region, content in contents.items()
            if any(p.template_id == "hormuz_blockade" for p in content.said.transmission_paths)
        }
        at = f"{pd.Timestamp(now, unit='ms'):%Y-%m-%d %H}"
        active[at] = states["hormuz_transit_drop"] == "active"
        alerts.append(results["mena"].alerts_queued)
        # The blockade's paths reach all four of its regions.
        four = {"mena", "east-asia", "south-asia", "europe"}
        assert reached == (four if active[at] else set())

    days_active = {at[:10] for at, is_active in active.items() if is_active}
    # Dormant in February but for three single days, 33 to 44 % below their week.
    before = {day for day in days_active if day < "2026-02-27"}
    assert before == {"2026-02-04", "2026-02-16", "2026-02-24"}
    # 65 ships after a week of 112, and three days later the strait is empty.
    assert all(active[at] for at in active if "2026-02-27" <= at < "2026-03-11")
    # Quiet again once an empty strait is what the week was like.
    assert "2026-03-11" not in days_active
    # One alert per activation.
    begins = [now and not then for then, now in pairwise([False, *active.values()])]
    assert alerts == [int(begin) for begin in begins]
    assert valkey_store.client.llen(keys.alert_queue) == sum(begins) >= 5
