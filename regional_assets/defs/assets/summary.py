"""`regional_summary`: all regions side by side, and the sign of life that health checks read
(SPEC 6, Summary)."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from regional_assets.defs.charts import regions_picture
from regional_assets.defs.partitions import OWNERS, TAGS
from regional_assets.intelligence.geography import REGION_IDS
from regional_assets.intelligence.numbers import is_number
from regional_assets.intelligence.timing import SCHEDULE_HOURS
from regional_assets.store import keys

if TYPE_CHECKING:
    from regional_assets.runs.snapshots import RunResult
    from regional_assets.store.snapshot_store import LatestRead, SnapshotStore, Summary

# Stale after two missed schedules; half an hour is for the run itself. Dagster looks at
# an asset's newest materialisation, of whichever partition: of `regional_snapshot` it goes stale
# when no region at all is done. A region that fails alone is told by its partition's status.
FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=SCHEDULE_HOURS, minutes=30),
    fail_window=timedelta(hours=2 * SCHEDULE_HOURS, minutes=30),
)

REGIONAL_SUMMARY = dg.AssetSpec(
    "regional_summary",
    deps=["regional_snapshot"],
    description="""
All regions on one page: regime, confidence, active triggers and why the last snapshot mattered,
from what is stored.

Written after a run in which no region failed and at least one was written. After a run of nothing
but duplicates, or with a failed region, the old summary stands, so that health checks see it age.
""",
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
    """Writes the summary at `now` (ms) after `run`, in which no region failed (None: the summary
    was asked for by itself), unless the stored one stands."""
    from regional_assets.store.snapshot_store import Summary

    written: list[dict[str, Any]] = []
    drawn: list[tuple[str, str, float]] = []
    outcome = ""

    def summarise(latest: Mapping[str, "LatestRead"], stored: bytes | None) -> "Summary | None":
        nonlocal written, drawn, outcome
        try:
            snapshots = {region: _body(region, read) for region, read in latest.items()}
        except ValueError as error:
            outcome = f"stands: {error}"
            return None
        known = [snapshot for snapshot in snapshots.values() if snapshot]
        written = [_row(snapshot) for snapshot in known]
        drawn = [_bar(snapshot) for snapshot in known]
        newest = max((snapshot["generated_at"] for snapshot in known), default=0)
        if not known or (run is not None and not _is_due(run, newest, stored)):
            outcome = "stands: no region changed"
            return None
        outcome = "written"
        return Summary(
            {"regions": written, "generatedAt": max(now, newest)},
            {"fetchedAt": max(now, newest), "recordCount": len(known)},
        )

    store.update_summary(REGION_IDS, summarise)
    return dg.MaterializeResult(
        asset_key=REGIONAL_SUMMARY.key,
        metadata={
            "outcome": outcome,
            "regions": len(written),
            **({"picture": regions_picture(drawn)} if drawn else {}),
            "table": _table(written),
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


def _body(region: str, read: "LatestRead") -> dict[str, Any] | None:
    """The stored snapshot, None when the region has none; raises ValueError with its name when
    it cannot be read."""
    from regional_assets.store.wire import decode

    if read.error:
        raise ValueError(f"{region} cannot be read: {read.error}")
    if read.snapshot is None:
        return None
    try:
        snapshot: dict[str, Any] = decode(read.snapshot.body)
        _row(snapshot)
        _bar(snapshot)
    except (ValueError, TypeError, KeyError):
        name = keys.snapshot_by_id(read.snapshot.snapshot_id)
        raise ValueError(f"{region} cannot be read: {name} is not a snapshot") from None
    return snapshot


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


def _table(rows: list[dict[str, Any]]) -> dg.MarkdownMetadataValue:
    # Not by pandas, which takes half a second to import: a quarter of the run.
    from tabulate import tabulate

    return dg.MetadataValue.md(tabulate(rows, headers="keys", tablefmt="pipe"))
