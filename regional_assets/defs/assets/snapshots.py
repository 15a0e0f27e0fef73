"""`regional_snapshot`, a partition per region, and the summary that follows it in the same step."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from regional_assets.dagster_kit.liveness import leave_if_ended
from regional_assets.dagster_kit.reporting import PartitionReport
from regional_assets.defs.assets.inputs import input_assets
from regional_assets.defs.assets.summary import (
    FRESHNESS,
    REGIONAL_SUMMARY,
    summarise,
    summary_spec,
)
from regional_assets.defs.partitions import backfill_policy, region_partitions, report_of
from regional_assets.defs.resources import ClockResource, NarratorResource, SnapshotStoreResource
from regional_assets.defs.specs import made_asset
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.scoring import AXES
from regional_assets.intelligence.text import visible
from regional_assets.intelligence.timing import utc

if TYPE_CHECKING:
    from regional_assets.intelligence.snapshot import Snapshot
    from regional_assets.intelligence.world import World
    from regional_assets.runs.narration import Narration
    from regional_assets.runs.snapshots import RegionResult, RunResult

REGIONAL_SNAPSHOT = dg.AssetKey("regional_snapshot")

_DESCRIPTION = """
The state of one world region: how tense it is (**regime** and **balance vector**), who acts in it
(**actors**), what may happen next (**scenarios**, **triggers**, **transmission paths**), whether
people and goods can move (**mobility**), and the **evidence** for all that.

Each partition is a region. A run reads all input feeds from Redis once, so that all its regions see
the same moment, and commits each region atomically: all of it is written, or nothing.

* **Written or duplicate.** When the inputs bring nothing new, the stored snapshot is kept, and the
  partition is materialised as its duplicate (see `outcome` and `duplicate_of`). Run with
  `force: true` to write a snapshot anyway.
* **When a region fails**, it alone is marked as failed, and the run page shows its error. The other
  regions are complete. To repair it, materialise the failed partition.
* **The data version** is the digest of the snapshot's content. Two snapshots have the same data
  version exactly when they have the same content.
"""


class SnapshotConfig(dg.Config):
    """The options of a run of `regional_snapshot`."""

    force: bool = Field(
        default=False,
        description="Write a snapshot even when its content is the same as the stored one's.",
    )


def _take_snapshots(
    context: dg.AssetExecutionContext,
    config: SnapshotConfig,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_clock: ClockResource,
    regional_narrator: NarratorResource,
) -> Iterator[Any]:
    """Takes the snapshots of the run's regions, then writes the summary of all regions."""
    from regional_assets.runs.snapshots import take_snapshots

    now = regional_clock.now()
    with regional_store.open_or_fail(regional_model) as store:
        result = None
        if REGIONAL_SNAPSHOT in context.selected_asset_keys:
            regions = regional_model.region_ids
            report = report_of(
                context, REGIONAL_SNAPSHOT, regional_model, regions, "regions failed"
            )
            narrator = regional_narrator.open()
            result = take_snapshots(
                store,
                report.partitions,
                now,
                force=config.force,
                narrator=narrator,
                run_id=context.run.run_id,
            )
            leave_if_ended(context)
            yield from _report(context, report, result)
        if REGIONAL_SUMMARY in context.selected_asset_keys:
            leave_if_ended(context)
            metadata = summarise(store, now, result)
            if "no_map" in metadata:
                context.log.info(f"the summary has no map: {metadata['no_map']}")
            # Not as an output: Dagster would store the metadata twice, and in a run without
            # partitions look for those of the snapshots that the summary was made of.
            context.log_event(dg.AssetMaterialization(REGIONAL_SUMMARY, metadata=metadata))


def regional_snapshots(model: Model) -> dg.AssetsDefinition:
    """The snapshots of the model's regions and their summary: one step for both. The step of the
    snapshots reports its partitions one by one and has no output, so Dagster would skip another
    step that depends on it."""
    snapshots = made_asset(
        REGIONAL_SNAPSHOT,
        _DESCRIPTION,
        deps=input_assets(model),
        freshness_policy=FRESHNESS,
        partitions_def=region_partitions(model),
    )
    return dg.multi_asset(
        name="regional_snapshots",
        specs=[snapshots, summary_spec()],
        can_subset=True,
        backfill_policy=backfill_policy(),
    )(_take_snapshots)


def _report(
    context: dg.AssetExecutionContext, report: PartitionReport, result: "RunResult"
) -> Iterator[Any]:
    shared = _run_metadata(result)
    if report.brief:
        # Once for the run, where Dagster lists the events of the asset.
        context.log_event(dg.AssetObservation(REGIONAL_SNAPSHOT, metadata=shared))

    def materialised() -> Iterator[tuple[str, Mapping[str, Any], str]]:
        for region in result.regions:
            if region.snapshot is None or region.failed:
                report.failed(region.region_id, region.error or "")
                continue
            metadata = _region_metadata(region, region.snapshot)
            if region.late:
                # Dagster's newest materialisation is the store's latest.
                report.observed(region.region_id, metadata)
                continue
            metadata |= {} if report.brief else {**_details(region, region.snapshot), **shared}
            yield region.region_id, metadata, region.snapshot.content.digest

    report.all_materialised(materialised())
    return report.finish()


def _region_metadata(region: "RegionResult", snapshot: "Snapshot") -> dict[str, Any]:
    """What a list of partitions needs; all there is when they are many."""
    from regional_assets.intelligence.ground import not_known

    content, body, narration = snapshot.content, snapshot.body, region.narration
    return {
        "outcome": region.outcome
        + (" (late)" if region.late else " (repaired)" if region.repaired else ""),
        "snapshot_id": region.stored_id,
        **({"duplicate_of": region.duplicate_of} if region.duplicate_of else {}),
        "regime": body.regime.label,
        "previous_regime": body.regime.previous_label or "none",
        "trigger_reason": snapshot.changes.trigger_reason,
        **({"rescored": list(snapshot.changes.rescored)} if snapshot.changes.rescored else {}),
        "net_balance": body.balance.net_balance,
        "confidence": content.world.confidence.score,
        **({"not_known": unknown} if (unknown := not_known(body)) else {}),
        "active_triggers": [trigger.id for trigger in body.triggers.active],
        "alerts_queued": "unknown" if region.alerts_queued is None else region.alerts_queued,
        "milliseconds": round(region.milliseconds, 1),
        **({"narrative_problem": narration.problem} if narration and narration.problem else {}),
    }


def _details(region: "RegionResult", snapshot: "Snapshot") -> Mapping[str, Any]:
    from regional_assets.store.wire import encode

    balance, weighed = snapshot.body.balance, snapshot.content.weighed
    return {
        **{axis: balance.axis(axis) for axis in AXES},
        "axes_without_data": list(weighed.axes_without_data),
        "defaulted_terms": list(weighed.defaulted_terms),
        "bytes": len(encode(snapshot.body)),
        **(_narration_metadata(region.narration) if region.narration else {}),
    }


def _narration_metadata(narration: "Narration") -> Mapping[str, Any]:
    from regional_assets.runs.narration import spent

    return {
        "narrative_provider": narration.provider,
        "narrative_model": narration.model,
        "narrative_cache_hit": narration.cache_hit,
        "narrative_cut": list(narration.cut),
        **{f"narrative_{name}": value for name, value in spent([narration]).items()},
    }


def _gone(world: "World", state: str) -> dict[str, str]:
    """The keys of the inputs that are held, or silent, and since when."""
    return {
        s.spec.key: utc(s.seen)
        for s in world.inputs.values()
        if s.seen is not None and s.freshness == ("held" if state == "held" else "missing")
    }


def _run_metadata(result: "RunResult") -> Mapping[str, Any]:
    """What all regions of a run share: the state of the inputs, and the cost of the narratives."""
    from regional_assets.intelligence.tally import KINDS
    from regional_assets.runs.narration import spent

    world, tallies = result.world, result.world.tallies.items()
    narrations = [region.narration for region in result.regions if region.narration]
    problems = {s.spec.key: visible(s.problem) for s in world.inputs.values() if s.problem}
    model = world.model
    return {
        "scoring": model.stored_versions["scoring_version"],
        "geography": model.stored_versions["geography_version"],
        **({"left_out": dict(model.left_out)} if model.left_out else {}),
        **({"model_warnings": list(model.warnings)} if model.warnings else {}),
        "missing_inputs": list(world.confidence.missing_inputs),
        "stale_inputs": list(world.confidence.stale_inputs),
        **{state: named for state in ("held", "silent") if (named := _gone(world, state))},
        **({"last_words_problem": result.forgotten} if result.forgotten else {}),
        **({"last_runs_problem": result.unrecorded} if result.unrecorded else {}),
        "input_problems": problems,
        **{
            f"{kind}_records": {n: counts[kind] for n, t in tallies if kind in (counts := t.counts)}
            for kind in KINDS
        },
        "unplaced_labels": {name: tally.labels for name, tally in tallies if tally.labels},
        **({"narratives_of_run": spent(narrations)} if narrations else {}),
    }
