"""`regional_snapshot`, one partition per region, and what follows it in the same run."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from regional_assets.defs.assets.inputs import INPUT_ASSETS
from regional_assets.defs.assets.summary import FRESHNESS, REGIONAL_SUMMARY, materialise_summary
from regional_assets.defs.charts import balance_picture
from regional_assets.defs.partitions import OWNERS, REGIONS, TAGS, backfill_policy
from regional_assets.defs.resources import ClockResource, NarratorResource, SnapshotStoreResource
from regional_assets.intelligence.balance import AXES
from regional_assets.store.errors import STORE_ERRORS

if TYPE_CHECKING:
    from regional_assets.runs.narration import Narration
    from regional_assets.runs.snapshots import RegionResult, RunResult

REGIONAL_SNAPSHOT = dg.AssetKey("regional_snapshot")

_DESCRIPTION = """
The picture of one world region: how tense it is (**regime** and **balance vector**), who pushes
(**actors**), what may follow (**scenarios**, **triggers**, **transmission paths**), what still
moves (**mobility**), and the **evidence** for it.

Each partition is a region. A run reads all input feeds from Redis once, computes its
regions from that one moment's view, and commits each region atomically: everything of it is
written, or nothing.

* **Written or duplicate.** When the inputs say nothing new, the stored snapshot stands and the
  partition is materialised as its duplicate (see `outcome`, `duplicate_of`). Run with
  `force: true` to write it all the same.
* **When a region fails**, it alone is marked failed; the run page names it with the server's words.
  The others are done. Run the failed partition again: what was written already is a duplicate.
* **The data version** is the digest of what the snapshot says about its inputs. It is the same
  exactly when the content is.
"""


class SnapshotConfig(dg.Config):
    """What a run of `regional_snapshot` can be told."""

    force: bool = Field(
        default=False,
        description="Write a snapshot even when the stored one says the same.",
    )


@dg.multi_asset(
    name="regional_snapshots",
    specs=[
        dg.AssetSpec(
            REGIONAL_SNAPSHOT,
            deps=INPUT_ASSETS,
            description=_DESCRIPTION,
            group_name="snapshots",
            kinds={"python", "redis"},
            owners=OWNERS,
            tags=TAGS,
            freshness_policy=FRESHNESS,
            partitions_def=REGIONS,
            skippable=True,
        ),
        REGIONAL_SUMMARY,
    ],
    # One step for both. A separate step would be skipped, because a step that reports its
    # partitions one by one yields no output of its own.
    can_subset=True,
    backfill_policy=backfill_policy(),
)
def regional_snapshots(
    context: dg.AssetExecutionContext,
    config: SnapshotConfig,
    snapshot_store: SnapshotStoreResource,
    clock: ClockResource,
    narrator: NarratorResource,
) -> Iterator[dg.MaterializeResult[Any]]:
    """Takes the snapshots of the run's regions, then writes the summary of all regions."""
    from regional_assets.runs.snapshots import take_snapshots

    now = clock.now()
    try:
        with snapshot_store.open() as store:
            result = None
            if REGIONAL_SNAPSHOT in context.selected_asset_keys:
                result = take_snapshots(
                    store,
                    context.partition_keys,
                    now,
                    force=config.force,
                    narrator=narrator.open(),
                )
                _report(context, result)
            if REGIONAL_SUMMARY.key in context.selected_asset_keys:
                yield materialise_summary(store, now, result)
    except STORE_ERRORS as error:
        # Their message says all; a traceback would only bury it.
        raise dg.Failure(str(error)) from None


def _report(context: dg.AssetExecutionContext, result: "RunResult") -> None:
    """One materialisation per region that is stored; one failure at the end if any is not."""
    run_metadata = _run_metadata(result)
    for region in result.regions:
        if region.snapshot is None or region.failed:
            context.log.error(f"{region.region_id} failed: {region.error}")
            continue
        context.log_event(
            dg.AssetMaterialization(
                asset_key=REGIONAL_SNAPSHOT,
                partition=region.region_id,
                metadata={**_region_metadata(region), **run_metadata},
                tags={"dagster/data_version": region.snapshot.content.digest},
            )
        )
    if result.failed:
        raise dg.Failure(
            f"{len(result.failed)} of {len(result.regions)} regions failed: "
            + "; ".join(f"{r.region_id}: {r.error}" for r in result.failed),
            metadata={r.region_id: r.error or "" for r in result.failed},
            # Dagster would repeat all partitions; only the failed ones need another run.
            allow_retries=False,
        )


def _region_metadata(region: "RegionResult") -> Mapping[str, Any]:
    from regional_assets.store.wire import encode

    snapshot = region.snapshot
    assert snapshot is not None
    content = snapshot.content
    active = [r.trigger.id for r in content.triggers if r.state == "active"]
    return {
        "outcome": region.outcome + (" (late)" if region.late else ""),
        "snapshot_id": region.stored_id,
        **({"duplicate_of": region.duplicate_of} if region.duplicate_of else {}),
        "regime": content.regime,
        "previous_regime": snapshot.previous_label or "none",
        "trigger_reason": snapshot.changes.trigger_reason,
        "net_balance": content.balance.net_balance,
        "balance": balance_picture(content.balance),
        **{axis: content.balance.axes[axis] for axis in AXES},
        "confidence": content.world.confidence.score,
        "active_triggers": active,
        "alerts_queued": "unknown" if region.alerts_queued is None else region.alerts_queued,
        "axes_without_data": list(content.balance.axes_without_data),
        "defaulted_terms": list(content.balance.defaulted_terms),
        "bytes": len(encode(snapshot.body)),
        "milliseconds": round(region.milliseconds, 1),
        **(_narration_metadata(region.narration) if region.narration else {}),
    }


def _narration_metadata(narration: "Narration") -> Mapping[str, Any]:
    return {
        "narrative_provider": narration.narrative.provider,
        "narrative_model": narration.narrative.model,
        "narrative_tokens": {"in": narration.tokens_in, "out": narration.tokens_out},
        "narrative_cache_hit": narration.cache_hit,
        "narrative_milliseconds": round(narration.milliseconds, 1),
        **({"narrative_problem": narration.problem} if narration.problem else {}),
    }


def _run_metadata(result: "RunResult") -> Mapping[str, Any]:
    """What is the same for all regions of a run: the state of the inputs."""
    world = result.world
    problems = {state.spec.key: state.problem for state in world.inputs.values() if state.problem}
    return {
        "missing_inputs": list(world.confidence.missing_inputs),
        "stale_inputs": list(world.confidence.stale_inputs),
        "input_problems": problems,
        "skipped_records": dict(world.skipped),
    }
