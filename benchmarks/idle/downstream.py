"""The asset downstream of as many external ones, as `regional_snapshot` is."""

import dagster as dg

from regional_assets.intelligence.catalogue import CATALOGUE
from regional_assets.intelligence.geography import REGION_IDS

INPUTS = [dg.AssetSpec(f"idle_input_{number}") for number in range(len(CATALOGUE))]


@dg.asset(
    partitions_def=dg.StaticPartitionsDefinition(list(REGION_IDS)),
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=INPUTS,
)
def idle_downstream() -> None:
    """Nothing."""


defs = dg.Definitions(
    assets=[*INPUTS, idle_downstream],
    jobs=[dg.define_asset_job("idle_downstream_job", selection=[idle_downstream])],
    executor=dg.in_process_executor,
)
