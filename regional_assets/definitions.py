"""The one `Definitions` object; it only gathers what the rooms export."""

import dagster as dg

from regional_assets.assets.snapshots import regional_snapshots
from regional_assets.automation.jobs import SNAPSHOT_JOB
from regional_assets.resources import SnapshotStoreResource

defs = dg.Definitions(
    assets=[regional_snapshots],
    jobs=[SNAPSHOT_JOB],
    resources={"snapshot_store": SnapshotStoreResource()},
    # Each job is one step: a process per step would only add its start to what a person waits.
    executor=dg.in_process_executor,
)
