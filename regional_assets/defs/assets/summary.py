"""`regional_summary`: all regions side by side (see `runs.summary`)."""

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec

from regional_assets.defs.metadata import changes_metadata, map_metadata, table
from regional_assets.defs.specs import made_asset
from regional_assets.intelligence.timing import HOUR_MS, SCHEDULE_HOURS, utc

if TYPE_CHECKING:
    from regional_assets.runs.snapshots import RunResult
    from regional_assets.store.snapshot_store import SnapshotStore

# A warning after one missed run of the schedule, a failure after two; the half-hour is for the run
# itself. Dagster looks at an asset's newest materialisation, of whichever partition:
# `regional_snapshot` goes stale when no region at all is materialised. When one region alone fails,
# the status of its partition shows it.
FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=SCHEDULE_HOURS, minutes=30),
    fail_window=timedelta(hours=2 * SCHEDULE_HOURS, minutes=30),
)

REGIONAL_SUMMARY = dg.AssetKey("regional_summary")
# The metadata in which a summary that was not written names the damaged snapshots, by region.
DAMAGED = "damaged"
# How many more regions there are than a list of the metadata names, by list.
NOT_LISTED = "not_listed"

_DESCRIPTION = """
All regions on one page, from their stored snapshots: regime, confidence, active triggers and what
caused the last snapshot.

It is written after a run in which no region failed and at least one was written. After a run with
nothing but duplicates the old summary is kept, and its record for health checks follows the
confirmations. After a run with a failed region both are kept, so that health checks see them age.

In that record (`seed-meta`), `fetchedAt` is the **oldest** time at which a region was last written
or confirmed, 0 while a region is missing or unreadable; `recordCount` is how many regions were
written or confirmed within two schedules.

`changes` lists what changed in the regions that the run wrote: regime, triggers, scenarios, buffers
and leverage. `chart` is a world map, or `no_map` says why there is none. Of more than 50 regions,
map and `table` have those under most pressure.
"""
_COLUMNS = (
    "region",
    "regime",
    "net_balance",
    "confidence",
    "active_triggers",
    "trigger_reason",
    "confirmed",
    "age_hours",
)


# A function, because Dagster's loaders take a spec in a module for an asset of its own.
def summary_spec() -> dg.AssetSpec:
    """What Dagster knows about the summary."""
    return made_asset(
        REGIONAL_SUMMARY, _DESCRIPTION, deps=["regional_snapshot"], freshness_policy=FRESHNESS
    )


def summarise(store: "SnapshotStore", now: int, run: "RunResult | None" = None) -> dict[str, Any]:
    """Updates the summary at `now` (ms), after that run if there was one. Returns the metadata of
    its materialisation, which list at most as many regions as the board, those under most
    pressure."""
    from regional_assets.board.view import changes_of
    from regional_assets.board.world_map import RegionMark, picture
    from regional_assets.runs.records import MOST_REGIONS, under_most_pressure
    from regional_assets.runs.summary import changes_of_run, row_of, update_summary

    found = update_summary(store, now, run)
    snapshots, damaged, stale = found.snapshots, found.damaged, found.stale
    shown = {region: snapshots[region] for region in under_most_pressure(snapshots)}
    rows = [
        {
            **msgspec.structs.asdict(row_of(snapshot)),
            "net_balance": snapshot.balance.net_balance,
            "confirmed": utc(found.confirmed[region]),
            "age_hours": round((now - found.confirmed[region]) / HOUR_MS, 1),
        }
        for region, snapshot in shown.items()
    ]
    lists = {DAMAGED: damaged, "not_confirmed": stale, "table": snapshots}
    more = {n: len(all_) - MOST_REGIONS for n, all_ in lists.items() if len(all_) > MOST_REGIONS}
    changes = changes_of_run(found, run) if run else {}
    marks = {r: RegionMark.of(snapshot, stale=r in stale) for r, snapshot in shown.items()}
    return {
        "outcome": found.outcome,
        **({DAMAGED: dict(islice(damaged.items(), MOST_REGIONS))} if damaged else {}),
        "regions": len(snapshots),
        "not_confirmed": list(stale[:MOST_REGIONS]),
        **({NOT_LISTED: more} if more else {}),
        **(changes_metadata({r: changes_of(*each) for r, each in changes.items()}) if run else {}),
        **(map_metadata(picture(store.model.geography.regions, marks)) if marks else {}),
        "table": table(_COLUMNS, rows),
    }
