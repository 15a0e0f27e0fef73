"""Nothing but the asset."""

import dagster as dg

from regional_assets.intelligence.geography import REGION_IDS


@dg.asset(
    partitions_def=dg.StaticPartitionsDefinition(list(REGION_IDS)),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def idle() -> None:
    """Nothing."""


defs = dg.Definitions(
    assets=[idle],
    jobs=[dg.define_asset_job("idle_job", selection=[idle])],
    executor=dg.in_process_executor,
)
