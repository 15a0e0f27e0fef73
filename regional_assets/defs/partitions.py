"""The partitions definitions, and how a choice of partitions becomes runs."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import dagster as dg

from regional_assets.defs.dagster_private import plan_partitions
from regional_assets.intelligence.geography import GEOGRAPHY_VERSION, REGION_IDS
from regional_assets.intelligence.narrative import NARRATED_REGIONS
from regional_assets.settings import PARTITIONS_PER_RUN

# On every asset.
OWNERS = ["team:regional-intelligence"]
TAGS = {"domain": "regional-intelligence"}
# On every job, so that a run carries the version of the process that requested it.
GEOGRAPHY = {"regional/geography": GEOGRAPHY_VERSION}

REGIONS = dg.StaticPartitionsDefinition(list(REGION_IDS))
BRIEF_REGIONS = dg.StaticPartitionsDefinition(list(NARRATED_REGIONS))


def backfill_policy() -> dg.BackfillPolicy:
    """A single run for all partitions, or runs of `REGIONAL_PARTITIONS_PER_RUN` each."""
    per_run = PARTITIONS_PER_RUN.read()
    return dg.BackfillPolicy.multi_run(per_run) if per_run else dg.BackfillPolicy.single_run()


def partitions_of(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    asset_key: dg.AssetKey,
    definition: dg.StaticPartitionsDefinition,
) -> Sequence[str]:
    """The partitions of the asset that a run was launched for; all of `definition` when it was
    launched without any, as the launchpad and `dagster job execute` allow. Raises `dg.Failure` when
    another geography was installed where the run was requested."""
    for tag, here in GEOGRAPHY.items():
        requested = context.run.tags.get(tag, here)
        if requested != here:
            raise dg.Failure(
                f"the run was requested with geography {requested}, and this process has {here}: "
                "set the same REGIONAL_GEOGRAPHY for every process and reload the code location",
                allow_retries=False,
            )
    if context.has_partition_key or context.has_partition_key_range:
        return context.partition_keys
    partitions = definition.get_partition_keys()
    plan_partitions(context, asset_key, partitions)
    return partitions


def contiguous(regions: Iterable[str]) -> list[list[str]]:
    """`regions` in partition order, cut into what a run each takes: neighbours, as Dagster gives
    one run a range of partitions, never a choice of them; and at most
    `REGIONAL_PARTITIONS_PER_RUN`."""
    per_run = PARTITIONS_PER_RUN.read()
    wanted = set(regions)
    ranges: list[list[str]] = []
    follows = False
    for region in REGION_IDS:
        if region not in wanted:
            follows = False
            continue
        if follows and len(ranges[-1]) != per_run:
            ranges[-1].append(region)
        else:
            ranges.append([region])
        follows = True
    return ranges


def range_tags(*members: str) -> dict[str, str]:
    """The run tags of a range of partitions, from the first to the last of `members`."""
    return {
        "dagster/asset_partition_range_start": members[0],
        "dagster/asset_partition_range_end": members[-1],
    }


def regions_in(run: dg.DagsterRun) -> Sequence[str]:
    """The regions of a run; all where its tags name none."""
    tags = run.tags
    first = tags.get("dagster/partition") or tags.get("dagster/asset_partition_range_start")
    last = tags.get("dagster/partition") or tags.get("dagster/asset_partition_range_end")
    # The table of regions may have been another one.
    if first in REGION_IDS and last in REGION_IDS:
        return REGIONS.get_partition_keys_in_range(dg.PartitionKeyRange(first, last))
    return [] if first else REGION_IDS


ALL_REGIONS = range_tags(*REGION_IDS)


def run_requests(
    regions: Iterable[str], run_key: Callable[[Sequence[str]], str], requested_by: str
) -> Iterator[dg.RunRequest]:
    """The runs for `regions`, each over a range (see `contiguous`). `run_key` makes a key of the
    range; Dagster starts only one run per key, ever. A tag of the run names who requested it."""
    for members in contiguous(regions):
        tags = {**range_tags(*members), "regional/requested_by": requested_by}
        yield dg.RunRequest(run_key=run_key(members), tags=tags)
