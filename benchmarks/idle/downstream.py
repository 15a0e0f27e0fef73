"""The asset downstream of as many external ones, as `regional_snapshot` is."""

import dagster as dg

from regional_assets.intelligence.catalogue import INPUTS
from regional_assets.intelligence.geography import REGIONS

UPSTREAM = [dg.AssetSpec(f"idle_input_{number}") for number in range(len(INPUTS))]


@dg.asset(
    partitions_def=dg.StaticPartitionsDefinition([region.id for region in REGIONS]),
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=UPSTREAM,
)
def idle_downstream() -> None:
    """Nothing."""


defs = dg.Definitions(
    assets=[*UPSTREAM, idle_downstream],
    jobs=[dg.define_asset_job("idle_downstream_job", selection=[idle_downstream])],
    executor=dg.in_process_executor,
)
