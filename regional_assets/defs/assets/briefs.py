"""`regional_brief`, a partition per region that has a weekly brief (SPEC 6, Weekly brief)."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec
from pydantic import Field

from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.partitions import backfill_policy, brief_partitions, report_of
from regional_assets.defs.resources import ClockResource, NarratorResource, SnapshotStoreResource
from regional_assets.defs.specs import made_asset
from regional_assets.intelligence.brief import STANDS_IN_WORDS
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.timing import HOUR_MS, YOUNG_MS

if TYPE_CHECKING:
    from regional_assets.runs.briefs import BriefResult

REGIONAL_BRIEF = dg.AssetKey("regional_brief")

_DESCRIPTION = f"""
The week in one world region, in words: a recap, the direction of its regime, key developments and
the risks ahead. A language model writes it from the region's stored snapshot and the regime changes
of the last week.

Each partition is a region; `global` has no brief. A run asks the model about all its regions at the
same time and stores each brief as soon as it arrives.

* **Skipped.** A brief younger than {STANDS_IN_WORDS} is kept; run with `force: true` to write a new
  one anyway. A brief is written only from a snapshot that was written or confirmed in the last
  {YOUNG_MS // HOUR_MS} hours. In both cases the partition is materialised with the outcome
  `skipped` and the reason; its metadata has a `brief` only where a young one is stored.
* **When a region fails**, it alone is marked as failed, and the run page shows its error. A region
  for which no model gave a valid answer is marked as failed, too; the summary of the briefs is then
  still written and shows how much of the week is covered.
* **A language model is required** (see docs/operations.md). This asset is here because one is
  configured; when it cannot be asked, a run fails with the reason, and the schedules start none.
"""


class BriefConfig(dg.Config):
    """The options of a run of `regional_brief`."""

    force: bool = Field(
        default=False,
        description=f"Write a brief even when the stored one is younger than {STANDS_IN_WORDS}.",
    )


def _write_briefs(
    context: dg.AssetExecutionContext,
    config: BriefConfig,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_narrator: NarratorResource,
    regional_clock: ClockResource,
) -> Iterator[Any]:
    """Writes the briefs of the run's regions, then the summary of the week."""
    from regional_assets.runs.briefs import update_summary, write_briefs
    from regional_assets.runs.narration import spent
    from regional_assets.store.brief_store import BriefStore

    models = regional_narrator.open()
    why_not = regional_narrator.why_not()
    if models is None or why_not:
        raise dg.Failure(why_not, allow_retries=False)
    now = regional_clock.now()
    regions, verdict = regional_model.narrated, "regions have no new brief"
    report = report_of(context, REGIONAL_BRIEF, regional_model, regions, verdict)
    results: list[BriefResult] = []
    with regional_store.open_or_fail(regional_model) as opened:
        store = BriefStore(opened)
        written = write_briefs(store, models, report.partitions, now, force=config.force)
        # Closed whatever ends the run, so that no request to a model outlives it.
        with closing(written):
            for result in written:
                results.append(result)
                if result.failed:
                    report.failed(result.region_id, result.reason)
                else:
                    if result.outcome == "skipped":
                        context.log.info(f"{result.region_id}: skipped: {result.reason}")
                    report.materialised(result.region_id, _metadata(result))
        replies = [result.reply for result in results if result.reply]
        context.log_event(dg.AssetObservation(REGIONAL_BRIEF, metadata=spent(replies)))
        if not any(result.outcome == "failed" for result in results):
            lacking = update_summary(store, results, now)
            context.log.info(f"without a brief of this week: {', '.join(lacking) or 'none'}")
    yield from report.finish()


def regional_brief(model: Model) -> dg.AssetsDefinition:
    """The weekly briefs of the model's regions. Not by @dg.asset: it warns in every process that
    its `backfill_policy` is in beta."""
    spec = made_asset(
        REGIONAL_BRIEF,
        _DESCRIPTION,
        "openai",
        deps=[dg.AssetDep(REGIONAL_SNAPSHOT, partition_mapping=dg.IdentityPartitionMapping())],
        partitions_def=brief_partitions(model),
    )
    return dg.multi_asset(name="regional_brief", specs=[spec], backfill_policy=backfill_policy())(
        _write_briefs
    )


def _metadata(result: "BriefResult") -> Mapping[str, Any]:
    from regional_assets.runs.narration import spent

    metadata: dict[str, Any] = {"outcome": result.outcome}
    if result.reason:
        metadata["reason"] = result.reason
    if result.brief:
        # Not as Markdown, in which a model's text could embed images for the browser to fetch.
        metadata["brief"] = dg.MetadataValue.json(msgspec.to_builtins(result.brief))
    if result.reply:
        metadata |= {
            "provider": result.reply.provider,
            "model": result.reply.model,
            "regime_changes": result.changes,
            "cut": list(result.reply.cut),
            **spent([result.reply]),
        }
    return metadata
