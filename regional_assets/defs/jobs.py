"""The jobs that schedules, sensors and the command line launch."""

from functools import partial
from typing import Any

import dagster as dg

from regional_assets.defs.assets.board import REGIONAL_BOARD
from regional_assets.defs.assets.briefs import REGIONAL_BRIEF
from regional_assets.defs.assets.history import REGIONAL_HISTORY
from regional_assets.defs.assets.inputs import input_key
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.assets.summary import REGIONAL_SUMMARY
from regional_assets.defs.partitions import model_tags
from regional_assets.intelligence.model import Model

SNAPSHOT_JOB = "regional_snapshot_job"
CHECK_JOB = "regional_check_job"
OBSERVE_INPUTS_JOB = "observe_inputs_job"
HISTORY_JOB = "regional_history_job"
BRIEF_JOB = "regional_brief_job"


def jobs(model: Model, *, narrated: bool) -> list[Any]:
    """The jobs of the model; with those that need a language model if `narrated`."""
    inputs = [input_key(spec.name) for spec in model.inputs]
    chosen = dg.AssetSelection.assets
    job = partial(dg.define_asset_job, tags=model_tags(model))
    found = [
        job(
            SNAPSHOT_JOB,
            # The checks have a job of their own. Each of their results is an event, and to write
            # them all takes longer than to take the snapshots.
            selection=chosen(REGIONAL_SNAPSHOT, REGIONAL_SUMMARY, REGIONAL_BOARD).without_checks(),
            description="Takes the snapshots of the chosen regions in one run, then sums up all "
            "regions and writes the board.",
        ),
        job(
            CHECK_JOB,
            selection=dg.AssetSelection.checks_for_assets(REGIONAL_SNAPSHOT, *inputs),
            description="Checks what is stored of the chosen regions, and the inputs. Changes "
            "nothing.",
        ),
        job(
            HISTORY_JOB,
            selection=chosen(REGIONAL_HISTORY),
            description="Writes the history of the chosen regions: a table of their snapshots.",
        ),
        dg.define_asset_job(
            OBSERVE_INPUTS_JOB,
            selection=chosen(*inputs).without_checks(),
            description=f"Reads all {len(inputs)} inputs in one round trip and reports the data "
            "version, age, size and freshness of each. Changes nothing in Redis.",
        ),
    ]
    if narrated:
        found.append(
            job(
                BRIEF_JOB,
                selection=chosen(REGIONAL_BRIEF),
                description="Writes the weekly briefs of the chosen regions in one run, then their "
                "summary.",
            )
        )
    return found
