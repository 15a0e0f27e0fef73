"""Jobs: what schedules, sensors and the command line launch."""

import dagster as dg

from regional_assets.defs.assets.briefs import REGIONAL_BRIEF
from regional_assets.defs.assets.history import REGIONAL_HISTORY
from regional_assets.defs.assets.inputs import INPUT_ASSETS
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.assets.summary import REGIONAL_SUMMARY

SNAPSHOT_JOB = dg.define_asset_job(
    "regional_snapshot_job",
    # Without the checks: each of their results is an event to write, which takes longer than the
    # snapshots. They have a job of their own.
    selection=dg.AssetSelection.assets(REGIONAL_SNAPSHOT, REGIONAL_SUMMARY.key).without_checks(),
    description="The snapshots of the chosen regions in one run, then the summary of all.",
)

CHECK_JOB = dg.define_asset_job(
    "regional_check_job",
    selection=dg.AssetSelection.checks_for_assets(REGIONAL_SNAPSHOT),
    description="The checks of what is stored of the chosen regions. It changes nothing.",
)

OBSERVE_INPUTS_JOB = dg.define_asset_job(
    "observe_inputs_job",
    selection=dg.AssetSelection.assets(*(spec.key for spec in INPUT_ASSETS)),
    description=(
        "Looks at all inputs in one round trip and reports of each its data version, "
        "age, size and freshness. It changes nothing in Redis."
    ),
)

HISTORY_JOB = dg.define_asset_job(
    "regional_history_job",
    selection=dg.AssetSelection.assets(REGIONAL_HISTORY),
    description="The tables of the stored snapshots of the chosen regions, as files and charts.",
)

BRIEF_JOB = dg.define_asset_job(
    "regional_brief_job",
    selection=dg.AssetSelection.assets(REGIONAL_BRIEF),
    description="The weekly briefs of the chosen regions in one run, then the summary of all.",
)
