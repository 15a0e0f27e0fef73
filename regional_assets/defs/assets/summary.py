"""`regional_summary`: all regions side by side, and the sign of life that health checks read
(SPEC 6, Summary)."""

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from regional_assets.defs.charts import regions_chart
from regional_assets.defs.partitions import OWNERS, TAGS
from regional_assets.intelligence.geography import REGION_IDS
from regional_assets.intelligence.numbers import is_number
from regional_assets.intelligence.timing import HOUR_MS, SCHEDULE_HOURS, YOUNG_MS, last_confirmed
from regional_assets.store import keys

if TYPE_CHECKING:
    from regional_assets.runs.snapshots import RunResult
    from regional_assets.store.snapshot_store import LatestRead, SnapshotStore, Summary

# A warning after one missed run of the schedule, a failure after two; the half-hour is for the run
# itself. Dagster looks at an asset's newest materialisation, of whichever partition:
# `regional_snapshot` goes stale when no region at all is materialised. When one region alone fails,
# the status of its partition shows it.
FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=SCHEDULE_HOURS, minutes=30),
    fail_window=timedelta(hours=2 * SCHEDULE_HOURS, minutes=30),
)

REGIONAL_SUMMARY = dg.AssetKey("regional_summary")

_DESCRIPTION = """
All regions on one page, from their stored snapshots: regime, confidence, active triggers and what
caused the last snapshot.

It is written after a run in which no region failed and at least one was written. After a run with
nothing but duplicates the old summary is kept, and its record for health checks follows the
confirmations. After a run with a failed region both are kept, so that health checks see them age.

In that record (`seed-meta`), `fetchedAt` is the **oldest** time at which a region was last written
or confirmed, 0 while a region is missing or unreadable; `recordCount` is how many regions were
written or confirmed within two schedules.
"""
_COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("region", "string"),
        dg.TableColumn("regime", "string"),
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
    it, in which no region failed; None when the summary alone was asked for."""
    from regional_assets.store.snapshot_store import Summary

    written: list[dict[str, Any]] = []
    drawn: list[tuple[str, str, float]] = []
    confirmed: dict[str, int] = {}
    outcome = ""

    def summarise(latest: Mapping[str, "LatestRead"], stored: bytes | None) -> "Summary | None":
        nonlocal written, drawn, confirmed, outcome
        snapshots: dict[str, dict[str, Any]] = {}
        problems = []
        confirmed = dict.fromkeys(latest, 0)
        for region, read in latest.items():
            try:
                snapshot, confirmed[region] = _seen(region, read, now)
            except ValueError as error:
                problems.append(str(error))
                continue
            if snapshot:
                snapshots[region] = snapshot
        known = list(snapshots.values())
        written = [_row(snapshot) for snapshot in known]
        drawn = [_bar(snapshot) for snapshot in known]
        seed_meta = {
            "fetchedAt": min(confirmed.values()),
            "recordCount": sum(now - at < YOUNG_MS for at in confirmed.values()),
        }
        newest = max((snapshot["generated_at"] for snapshot in known), default=0)
        if problems or not known or (run is not None and not _is_due(run, newest, stored)):
            outcome = f"stands: {'; '.join(problems) or 'no region changed'}"
            return Summary(None, seed_meta) if stored else None
        outcome = "written"
        return Summary({"regions": written, "generatedAt": max(now, newest)}, seed_meta)

    store.update_summary(REGION_IDS, summarise)
    return dg.MaterializeResult(
        asset_key=REGIONAL_SUMMARY,
        metadata={
            "outcome": outcome,
            "regions": len(written),
            "not_confirmed": [r for r, at in confirmed.items() if now - at >= YOUNG_MS],
            **({"chart": regions_chart(drawn)} if drawn else {}),
            "table": _table(written, confirmed, now),
        },
    )


def _is_due(run: "RunResult", newest: int, stored: bytes | None) -> bool:
    """Whether a run in which no region failed calls for a new summary.

    It does when it wrote a region; a run of nothing but duplicates does when it saw all regions
    and the run that wrote them did not live to write the summary.
    """
    if any(region.outcome == "written" for region in run.regions):
        return True
    try:
        generated_at = json.loads(stored or b"{}")["generatedAt"]
        return len(run.regions) == len(REGION_IDS) and generated_at < newest
    except (ValueError, TypeError, KeyError):
        return len(run.regions) == len(REGION_IDS)


def _seen(region: str, read: "LatestRead", now: int) -> tuple[dict[str, Any] | None, int]:
    """The stored snapshot, None when the region has none, and when it was last written or confirmed
    (ms, 0 for never); raises ValueError with its name when it cannot be read."""
    from regional_assets.store.wire import decode

    if read.error:
        raise ValueError(f"{region} cannot be read: {read.error}")
    if read.snapshot is None:
        return None, 0
    try:
        snapshot: dict[str, Any] = decode(read.snapshot.body)
        _row(snapshot)
        _bar(snapshot)
        if snapshot["region_id"] != region:
            raise ValueError("it is another region's")
        return snapshot, last_confirmed(now, snapshot["generated_at"], read.snapshot.confirmed_at)
    except (ValueError, TypeError, KeyError):
        name = keys.snapshot_by_id(read.snapshot.snapshot_id)
        raise ValueError(f"{region} cannot be read: {name} is not a snapshot") from None


def _row(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "region": snapshot["region_id"],
        "regime": snapshot["regime"]["label"],
        "confidence": snapshot["meta"]["snapshot_confidence"],
        "active_triggers": len(snapshot["triggers"]["active"]),
        "trigger_reason": snapshot["meta"]["trigger_reason"],
    }


def _bar(snapshot: Mapping[str, Any]) -> tuple[str, str, float]:
    """Region, regime and net balance; raises ValueError when that is no number from -1 to 1."""
    net = snapshot["balance"]["net_balance"]
    if not is_number(net) or not -1 <= net <= 1:
        raise ValueError("no net balance")
    return str(snapshot["region_id"]), str(snapshot["regime"]["label"]), net


def _table(
    rows: list[dict[str, Any]], confirmed: Mapping[str, int], now: int
) -> dg.TableMetadataValue:
    cells = []
    for row in rows:
        at = confirmed[row["region"]]
        timed = {
            **row,
            "confirmed": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at / 1000)),
            "age_hours": round((now - at) / HOUR_MS, 1),
        }
        # What is stored may be of any type; a cell may not.
        cells.append({n: v if is_number(v) else str(v) for n, v in timed.items()})
    return dg.MetadataValue.table([dg.TableRecord(row) for row in cells], _COLUMNS)
