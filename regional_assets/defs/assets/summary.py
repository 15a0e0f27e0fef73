"""`regional_summary`: all regions side by side, and the seed-meta that health checks read (SPEC 6,
Summary)."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import dagster as dg

from regional_assets.board.world_map import RegionMark
from regional_assets.defs.charts import changes_metadata, regions_chart, regions_map
from regional_assets.defs.partitions import OWNERS, TAGS
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.timing import HOUR_MS, SCHEDULE_HOURS, YOUNG_MS, last_confirmed

if TYPE_CHECKING:
    from regional_assets.intelligence.stored import Body
    from regional_assets.runs.snapshots import RunResult
    from regional_assets.store.latest import LatestRead
    from regional_assets.store.snapshot_store import SnapshotStore, Summary

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
and leverage. Of more than 50 regions, `table` has those under most pressure.
"""
_COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("region", "string"),
        dg.TableColumn("regime", "string"),
        dg.TableColumn("net_balance", "float", "from -1 to 1"),
        dg.TableColumn("confidence", "float", "from 0 to 1"),
        dg.TableColumn("active_triggers", "int"),
        dg.TableColumn("trigger_reason", "string", "what caused the last snapshot"),
        dg.TableColumn("confirmed", "string", "when it was last written or confirmed (UTC)"),
        dg.TableColumn("age_hours", "float", "hours since then, when this table was made"),
    ]
)


# A function, because Dagster's loaders take a spec in a module for an asset of its own.
def summary_spec() -> dg.AssetSpec:
    """What Dagster knows about the summary."""
    return dg.AssetSpec(
        REGIONAL_SUMMARY,
        deps=["regional_snapshot"],
        description=_DESCRIPTION,
        group_name="snapshots",
        kinds={"python", "redis"},
        owners=OWNERS,
        tags=TAGS,
        freshness_policy=FRESHNESS,
        skippable=True,
    )


def materialise_summary(
    store: "SnapshotStore", now: int, run: "RunResult | None" = None
) -> dg.MaterializeResult[Any]:
    """Writes the summary at `now` (ms) unless the stored one is to be kept. `run` is the run before
    it, in which no region failed; None when the summary alone was asked for. The metadata list at
    most as many regions as the board, those under most pressure."""
    from regional_assets.board.view import MOST_REGIONS
    from regional_assets.runs.board import under_most_pressure
    from regional_assets.store.snapshot_store import Summary

    written: dict[str, Body] = {}
    drawn: dict[str, RegionMark] = {}
    confirmed: dict[str, int] = {}
    damaged: dict[str, str] = {}
    outcome = ""

    def summarise(latest: Mapping[str, "LatestRead"], stored: bytes | None) -> "Summary | None":
        nonlocal written, drawn, confirmed, damaged, outcome
        known, damaged = _parsed(latest)
        confirmed = dict.fromkeys(latest, 0)
        for snapshot in known:
            region = snapshot.region_id
            read = latest[region].snapshot
            at = read.confirmed_at if read else None
            confirmed[region] = last_confirmed(now, snapshot.generated_at, at)
        written = {snapshot.region_id: snapshot for snapshot in known}
        drawn = {
            s.region_id: RegionMark(
                s.balance.net_balance,
                s.regime.label,
                len(s.triggers.active),
                stale=now - confirmed[s.region_id] >= YOUNG_MS,
            )
            for s in known
        }
        seed_meta = {
            "fetchedAt": min(confirmed.values()),
            "recordCount": sum(now - at < YOUNG_MS for at in confirmed.values()),
        }
        newest = max((snapshot.generated_at for snapshot in known), default=0)
        if damaged or not known or (run is not None and not _is_due(store, run, newest, stored)):
            why = [f"{region} cannot be read: {words}" for region, words in damaged.items()]
            if len(why) > MOST_REGIONS:
                why[MOST_REGIONS:] = [f"{len(why) - MOST_REGIONS} more"]
            outcome = f"stands: {'; '.join(why) or 'no region changed'}"
            return Summary(None, seed_meta) if stored else None
        outcome = "written"
        rows = [_row(snapshot) for snapshot in known]
        return Summary({"regions": rows, "generatedAt": max(now, newest)}, seed_meta)

    store.update_summary(store.model.region_ids, summarise)
    shown = [written[region] for region in under_most_pressure(written)]
    stale = [region for region, at in confirmed.items() if now - at >= YOUNG_MS]
    lists = {DAMAGED: damaged, "not_confirmed": stale, "table": written}
    more = {n: len(found) - MOST_REGIONS for n, found in lists.items() if len(found) > MOST_REGIONS}
    return dg.MaterializeResult(
        asset_key=REGIONAL_SUMMARY,
        metadata={
            "outcome": outcome,
            **({DAMAGED: dict(islice(damaged.items(), MOST_REGIONS))} if damaged else {}),
            "regions": len(written),
            "not_confirmed": stale[:MOST_REGIONS],
            **({NOT_LISTED: more} if more else {}),
            **(_changes(written, run) if run else {}),
            **_picture(store.model, {s.region_id: drawn[s.region_id] for s in shown}),
            "table": _table(shown, confirmed, now),
        },
    )


def _changes(written: "Mapping[str, Body]", run: "RunResult") -> dict[str, Any]:
    """What changed in the regions that the run wrote, since the snapshot before."""
    from regional_assets.board.view import changes_of

    return changes_metadata(
        {
            region.region_id: changes_of(written[region.region_id], region.snapshot.changes)
            for region in run.regions
            if region.outcome == "written" and region.snapshot and region.region_id in written
        }
    )


def _picture(model: Model, drawn: Mapping[str, RegionMark]) -> dict[str, Any]:
    """The regions on a map; as bars where the map's outlines are of other regions."""
    if not drawn:
        return {}
    if chart := regions_map(model, drawn):
        return {"chart": chart}
    bars = regions_chart([(r, mark.regime, mark.net_balance) for r, mark in drawn.items()])
    return {"chart": bars, "no_map": "the world map has outlines of the built-in regions only"}


def _is_due(store: "SnapshotStore", run: "RunResult", newest: int, stored: bytes | None) -> bool:
    """Whether a run in which no region failed calls for a new summary.

    It does when it wrote a region; a run of nothing but duplicates does when it saw all regions
    and the run that wrote them did not live to write the summary.
    """
    from regional_assets.intelligence.stored import BodyError, read_summary

    if any(region.outcome == "written" for region in run.regions):
        return True
    generated_at = -1
    with suppress(BodyError):
        generated_at = read_summary(stored or b"").generatedAt
    return len(run.regions) == len(store.model.regions) and generated_at < newest


def _parsed(latest: Mapping[str, "LatestRead"]) -> tuple[list["Body"], dict[str, str]]:
    """The stored snapshots of the regions that have one, and why others cannot be read."""
    from regional_assets.intelligence.stored import BodyError

    known: list[Body] = []
    damaged: dict[str, str] = {}
    for region, read in latest.items():
        try:
            snapshot = read.parsed(region)
        except BodyError as error:
            damaged[region] = str(error)
        else:
            known += [snapshot] if snapshot else []
    return known, damaged


def _row(snapshot: "Body") -> dict[str, Any]:
    return {
        "region": snapshot.region_id,
        "regime": snapshot.regime.label,
        "confidence": snapshot.meta.snapshot_confidence,
        "active_triggers": len(snapshot.triggers.active),
        "trigger_reason": snapshot.meta.trigger_reason,
    }


def _table(
    snapshots: Iterable["Body"], confirmed: Mapping[str, int], now: int
) -> dg.TableMetadataValue:
    cells = []
    for snapshot in snapshots:
        at = confirmed[snapshot.region_id]
        timed = {
            **_row(snapshot),
            "net_balance": snapshot.balance.net_balance,
            "confirmed": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at / 1000)),
            "age_hours": round((now - at) / HOUR_MS, 1),
        }
        cells.append(dg.TableRecord(timed))
    return dg.MetadataValue.table(cells, _COLUMNS)
