"""The example of `regional_assets.defs.reporting`: an asset of four partitions in one run, of which
one fails. It also is a code location of its own."""

import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg

from regional_assets.defs.reporting import PartitionReport

QUARTERS = ("north", "east", "south", "west")
PARTITIONS = dg.StaticPartitionsDefinition(list(QUARTERS))
# What a run raises in a partition, and the partitions that it forgets.
broken: dict[str, Exception] = {"south": KeyError("roof")}
forgotten: set[str] = set()

with warnings.catch_warnings():
    # A backfill policy of `@dg.asset` is in beta.
    warnings.simplefilter("ignore", dg.BetaWarning)

    @dg.asset(
        partitions_def=PARTITIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        output_required=False,
        # Would repeat the run, if the failure allowed it.
        retry_policy=dg.RetryPolicy(max_retries=1),
    )
    def quarter(context: dg.AssetExecutionContext) -> Iterator[Any]:
        report = PartitionReport(context, context.asset_key, context.partition_keys)
        for partition in context.partition_keys:
            if partition in forgotten:
                continue
            try:
                if partition in broken:
                    raise broken[partition]
            except Exception as error:
                report.failed(partition, error)
            else:
                report.materialised(partition, {"letters": len(partition)}, f"v-{partition}")
        yield from report.finish()


defs = dg.Definitions(
    assets=[quarter],
    jobs=[dg.define_asset_job("quarter_job", selection=[quarter])],
    executor=dg.in_process_executor,
)
