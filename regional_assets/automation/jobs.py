"""Jobs: what schedules, sensors and the command line launch."""

import dagster as dg

from regional_assets.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.assets.summary import REGIONAL_SUMMARY

SNAPSHOT_JOB = dg.define_asset_job(
    "regional_snapshot_job",
    selection=dg.AssetSelection.assets(REGIONAL_SNAPSHOT, REGIONAL_SUMMARY.key),
    description="The snapshots of the chosen regions in one run, then the summary of all.",
)
