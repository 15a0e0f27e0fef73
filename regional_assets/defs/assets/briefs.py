"""`regional_brief`, one partition per region that has a weekly brief (SPEC 6, Weekly brief)."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.partitions import BRIEF_REGIONS, OWNERS, TAGS, backfill_policy
from regional_assets.defs.resources import ClockResource, NarratorResource, SnapshotStoreResource
from regional_assets.intelligence.brief import STANDS_IN_WORDS
from regional_assets.store.errors import STORE_ERRORS

if TYPE_CHECKING:
    from regional_assets.runs.briefs import BriefResult

REGIONAL_BRIEF = dg.AssetKey("regional_brief")

_DESCRIPTION = f"""
What the week meant in one world region, in words: a recap, where its regime is going, key
developments and the risks ahead. A language model writes it, from the region's stored snapshot and
the last week's regime history.

Each partition is a region; `global` has no brief. A run asks for all its regions side by side and
stores each brief as soon as it is there.

* **Skipped.** A brief younger than {STANDS_IN_WORDS} stands, and its partition is materialised
  with the outcome `skipped`. Run with `force: true` to write it all the same.
* **When a region fails**, it alone is marked failed, and the run page says why. A region that no
  model answered validly is marked failed, too; the summary of the briefs is then still written, and
  says how much of the week is covered.
* **Needs a language model** (README, Narratives and weekly briefs). Without one a run fails and
  says so, and the schedules start none.
"""


class BriefConfig(dg.Config):
    """What a run of `regional_brief` can be told."""

    force: bool = Field(
        default=False,
        description=f"Write a brief even when the stored one is younger than {STANDS_IN_WORDS}.",
    )


@dg.multi_asset(
    name="regional_brief",
    specs=[
        dg.AssetSpec(
            REGIONAL_BRIEF,
            deps=[dg.AssetDep(REGIONAL_SNAPSHOT, partition_mapping=dg.IdentityPartitionMapping())],
            description=_DESCRIPTION,
            group_name="snapshots",
            kinds={"python", "openai", "redis"},
            owners=OWNERS,
            tags=TAGS,
            partitions_def=BRIEF_REGIONS,
            # Partitions are reported one by one, as those of `regional_snapshot` are.
            skippable=True,
        )
    ],
    backfill_policy=backfill_policy(),
)
def regional_brief(
    context: dg.AssetExecutionContext,
    config: BriefConfig,
    snapshot_store: SnapshotStoreResource,
    narrator: NarratorResource,
    clock: ClockResource,
) -> Iterator[dg.MaterializeResult[Any]]:
    """Writes the briefs of the run's regions, then the summary of the week's."""
    from regional_assets.runs.briefs import update_summary, write_briefs
    from regional_assets.store.brief_store import BriefStore

    # A generator that yields nothing: what a plain function returns counts as an output, and
    # would materialise every partition a second time.
    yield from ()
    told = narrator.open()
    why_not = narrator.why_not()
    if told is None or why_not:
        raise dg.Failure(why_not, allow_retries=False)
    now = clock.now()
    results: list[BriefResult] = []
    try:
        with snapshot_store.open() as opened:
            store = BriefStore(opened)
            written = write_briefs(store, told, context.partition_keys, now, force=config.force)
            # Closed even by what ends the run, so that no question outlives it.
            with closing(written):
                for result in written:
                    _report(context, result)
                    results.append(result)
            if not any(result.failed for result in results):
                lacking = update_summary(store, results, now)
                context.log.info(f"without a brief of this week: {', '.join(lacking) or 'none'}")
    except STORE_ERRORS as error:
        # Their message says all; a traceback would only bury it.
        raise dg.Failure(str(error)) from None
    errors = {r.region_id: r.error for r in results if r.brief is None}
    undone = {region: errors[region] for region in context.partition_keys if region in errors}
    if undone:
        raise dg.Failure(
            f"{len(undone)} of {len(results)} regions have no new brief: "
            + "; ".join(f"{region}: {error}" for region, error in undone.items()),
            metadata=undone,
            # Dagster would repeat all partitions; only the failed ones need another run.
            allow_retries=False,
        )


def _report(context: dg.AssetExecutionContext, result: "BriefResult") -> None:
    if result.brief is None:
        context.log.error(f"{result.region_id} {result.outcome}: {result.error}")
        return
    context.log.info(f"{result.region_id}: {result.outcome}")
    context.log_event(
        dg.AssetMaterialization(
            REGIONAL_BRIEF, partition=result.region_id, metadata=_metadata(result)
        )
    )


def _metadata(result: "BriefResult") -> Mapping[str, Any]:
    assert result.brief is not None
    metadata: dict[str, Any] = {
        "outcome": result.outcome,
        # Not as markdown: a model's words could place pictures there that a browser would fetch.
        "brief": dg.MetadataValue.json(result.brief),
    }
    if result.reply:
        metadata |= {
            "provider": result.reply.provider,
            "model": result.reply.model,
            "tokens": {"in": result.reply.tokens_in, "out": result.reply.tokens_out},
            "regime_changes": result.changes,
            "milliseconds": round(result.reply.milliseconds, 1),
        }
    return metadata
