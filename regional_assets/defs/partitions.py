"""The partitions definitions and how backfills of them are cut into runs."""

from collections.abc import Iterable

import dagster as dg

from regional_assets.intelligence.geography import REGION_IDS
from regional_assets.intelligence.narrative import NARRATED_REGIONS
from regional_assets.settings import PARTITIONS_PER_RUN

# On every asset.
OWNERS = ["team:regional-intelligence"]
TAGS = {"domain": "regional-intelligence"}

REGIONS = dg.StaticPartitionsDefinition(list(REGION_IDS))
BRIEF_REGIONS = dg.StaticPartitionsDefinition(list(NARRATED_REGIONS))


def backfill_policy() -> dg.BackfillPolicy:
    """A single run for all partitions, or runs of `REGIONAL_PARTITIONS_PER_RUN` each."""
    per_run = PARTITIONS_PER_RUN.read()
    return dg.BackfillPolicy.multi_run(per_run) if per_run else dg.BackfillPolicy.single_run()


def contiguous(regions: Iterable[str]) -> list[list[str]]:
    """`regions` in partition order, cut where they are not neighbours: the ranges of partitions
    that Dagster can give to one run."""
    wanted = set(regions)
    ranges: list[list[str]] = []
    follows = False
    for region in REGION_IDS:
        if region not in wanted:
            follows = False
            continue
        if follows:
            ranges[-1].append(region)
        else:
            ranges.append([region])
        follows = True
    return ranges


def range_tags(first: str, last: str) -> dict[str, str]:
    """The run tags that make one run work on the partitions from `first` to `last`."""
    return {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }
