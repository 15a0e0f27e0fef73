"""Nothing but the asset."""

from collections.abc import Iterable

import dagster as dg

from regional_assets.intelligence.geography import REGIONS, Region


def definitions(regions: Iterable[Region]) -> dg.Definitions:
    """With a partition per region."""

    @dg.asset(
        partitions_def=dg.StaticPartitionsDefinition([region.id for region in regions]),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def idle() -> None:
        """Nothing."""

    return dg.Definitions(
        assets=[idle],
        jobs=[dg.define_asset_job("idle_job", selection=[idle])],
        executor=dg.in_process_executor,
    )


defs = definitions(REGIONS)
