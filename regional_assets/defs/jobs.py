"""The jobs that schedules, sensors and the command line launch."""

import dagster as dg

from regional_assets.defs.assets.board import REGIONAL_BOARD
from regional_assets.defs.assets.briefs import REGIONAL_BRIEF
from regional_assets.defs.assets.history import REGIONAL_HISTORY
from regional_assets.defs.assets.inputs import INPUT_ASSETS
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.assets.summary import REGIONAL_SUMMARY
from regional_assets.defs.partitions import GEOGRAPHY

SNAPSHOT_JOB = dg.define_asset_job(
    "regional_snapshot_job",
    # The checks have a job of their own. Each of their results is an event, and to write them all
    # takes longer than to take the snapshots.
    selection=dg.AssetSelection.assets(
        REGIONAL_SNAPSHOT, REGIONAL_SUMMARY, REGIONAL_BOARD
    ).without_checks(),
    tags=GEOGRAPHY,
    description="Takes the snapshots of the chosen regions in one run, then sums up all regions "
    "and writes the board.",
)

CHECK_JOB = dg.define_asset_job(
    "regional_check_job",
    selection=dg.AssetSelection.checks_for_assets(
        REGIONAL_SNAPSHOT, *(spec.key for spec in INPUT_ASSETS)
    ),
    tags=GEOGRAPHY,
    description="Checks what is stored of the chosen regions, and the inputs. Changes nothing.",
)

OBSERVE_INPUTS_JOB = dg.define_asset_job(
    "observe_inputs_job",
    selection=dg.AssetSelection.assets(*(spec.key for spec in INPUT_ASSETS)).without_checks(),
    description=(
        f"Reads all {len(INPUT_ASSETS)} inputs in one round trip and reports the data version, "
        "age, size and freshness of each. Changes nothing in Redis."
    ),
)

HISTORY_JOB = dg.define_asset_job(
    "regional_history_job",
    selection=dg.AssetSelection.assets(REGIONAL_HISTORY),
    tags=GEOGRAPHY,
    description="Writes the history of the chosen regions: a table of their snapshots and a chart.",
)

BRIEF_JOB = dg.define_asset_job(
    "regional_brief_job",
    selection=dg.AssetSelection.assets(REGIONAL_BRIEF),
    tags=GEOGRAPHY,
    description="Writes the weekly briefs of the chosen regions in one run, then their summary.",
)

JOBS = [SNAPSHOT_JOB, CHECK_JOB, HISTORY_JOB, OBSERVE_INPUTS_JOB]
NARRATED_JOBS = [BRIEF_JOB]
