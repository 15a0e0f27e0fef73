"""The partitions definitions, and how a choice of partitions becomes runs."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import dagster as dg

from regional_assets.dagster_kit.reporting import PartitionReport, StepContext
from regional_assets.intelligence.model import Model
from regional_assets.settings import PARTITIONS_PER_RUN

# The first and the last partition of a run, as Dagster's own tags name them.
RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def region_partitions(model: Model) -> dg.StaticPartitionsDefinition:
    """A partition per region."""
    return dg.StaticPartitionsDefinition(list(model.region_ids))


def brief_partitions(model: Model) -> dg.StaticPartitionsDefinition:
    """A partition per region that has a weekly brief."""
    return dg.StaticPartitionsDefinition(list(model.narrated))


def model_tags(model: Model) -> dict[str, str]:
    """On every job, so that a run carries the versions of the process that requested it."""
    versions = model.stored_versions
    return {"regional/model": f"{versions['scoring_version']}_{versions['geography_version']}"}


def backfill_policy() -> dg.BackfillPolicy:
    """A single run for all partitions, or runs of `REGIONAL_PARTITIONS_PER_RUN` each."""
    per_run = PARTITIONS_PER_RUN.read()
    return dg.BackfillPolicy.multi_run(per_run) if per_run else dg.BackfillPolicy.single_run()


def report_of(
    context: StepContext,
    asset_key: dg.AssetKey,
    model: Model,
    every: Sequence[str],
    verdict: str,
) -> PartitionReport:
    """The report of a run over partitions of the asset (see there). Raises `dg.Failure` when the
    process that requested the run has another model, and when the run has no partition."""
    for tag, here in model_tags(model).items():
        requested = context.run.tags.get(tag, here)
        if requested != here:
            raise dg.Failure(
                f"the run was requested with the model {requested}, and this process has {here}: "
                "set the same REGIONAL_MODEL for every process and reload the code location",
                allow_retries=False,
            )
    report = PartitionReport(context, asset_key, every, verdict)
    refuse_none(context, report.partitions)
    return report


def refuse_none(
    context: StepContext | dg.AssetCheckExecutionContext, regions: Sequence[str]
) -> None:
    """Raises `dg.Failure` for a run whose range has no region: Dagster takes one that is reversed
    for a run with nothing to do."""
    if not regions:
        first, last = (context.run.tags.get(tag) for tag in RANGE_TAGS)
        raise dg.Failure(
            f"there is no region from {first} to {last}: the first has to come before the last in "
            "the order of the regions (`regional-assets model`, or the asset's partitions)",
            allow_retries=False,
        )


def contiguous(model: Model, regions: Iterable[str]) -> list[list[str]]:
    """`regions` in partition order, cut into what a run each takes: neighbours, as Dagster gives
    one run a range of partitions, never a choice of them; and at most
    `REGIONAL_PARTITIONS_PER_RUN`."""
    per_run = PARTITIONS_PER_RUN.read()
    wanted = set(regions)
    ranges: list[list[str]] = []
    follows = False
    for region in model.region_ids:
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
    return dict(zip(RANGE_TAGS, (members[0], members[-1]), strict=True))


def regions_in(model: Model, run: dg.DagsterRun) -> Sequence[str]:
    """The regions of a run; all where its tags name none."""
    tags = run.tags
    first, last = (tags.get("dagster/partition") or tags.get(tag) for tag in RANGE_TAGS)
    # The table of regions may have been another one.
    if first in model.region_ids and last in model.region_ids:
        keys = dg.PartitionKeyRange(first, last)
        return region_partitions(model).get_partition_keys_in_range(keys)
    return [] if first else model.region_ids


def run_requests(
    model: Model,
    regions: Iterable[str],
    run_key: Callable[[Sequence[str]], str],
    requested_by: str,
) -> Iterator[dg.RunRequest]:
    """The runs for `regions`, each over a range (see `contiguous`). `run_key` makes a key of the
    range; Dagster starts only one run per key, ever. A tag of the run names who requested it."""
    for members in contiguous(model, regions):
        tags = {**range_tags(*members), "regional/requested_by": requested_by}
        yield dg.RunRequest(run_key=run_key(members), tags=tags)
