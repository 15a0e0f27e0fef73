"""`regional_summary`: all regions side by side, and the sign of life that health checks read
(SPEC 6, Summary)."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from regional_assets.intelligence.geography import REGION_IDS
from regional_assets.store.snapshot_store import SnapshotStore

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
    skippable=True,
)


def materialise_summary(store: SnapshotStore, now: int) -> dg.MaterializeResult[Any]:
    """Writes the summary at `now` (ms) unless the stored one still says everything; only called
    when no region of the run failed."""
    latest = store.read(REGION_IDS, inputs=False).latest
    snapshots = {
        region: json.loads(found.snapshot.body)
        for region, found in latest.items()
        if found.snapshot
    }
    rows = [_row(region, snapshot) for region, snapshot in snapshots.items()]
    newest = max((s["generated_at"] for s in snapshots.values()), default=None)
    stands = newest is None or newest <= _generated_at(store.read_summary())
    if not stands:
        summary = {"regions": rows, "generatedAt": now}
        store.write_summary(summary, {"fetchedAt": now, "recordCount": len(snapshots)})
    return dg.MaterializeResult(
        asset_key=REGIONAL_SUMMARY.key,
        metadata={
            "outcome": "stands: no region changed" if stands else "written",
            "regions": len(snapshots),
            "table": _table(rows),
        },
    )


def _row(region: str, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "region": region,
        "regime": snapshot["regime"]["label"],
        "confidence": snapshot["meta"]["snapshot_confidence"],
        "active_triggers": len(snapshot["triggers"]["active"]),
        "trigger_reason": snapshot["meta"]["trigger_reason"],
    }


def _generated_at(summary: bytes | None) -> float:
    """When the stored summary was made; -1 when there is none that says so."""
    try:
        return float(json.loads(summary or b"{}")["generatedAt"])
    except (ValueError, TypeError, KeyError):
        return -1


def _table(rows: list[dict[str, Any]]) -> dg.MarkdownMetadataValue:
    import pandas as pd

    return dg.MetadataValue.md(pd.DataFrame(rows).to_markdown(index=False))
