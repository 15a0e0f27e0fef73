"""The private parts of Dagster that this project uses.

A release of Dagster may change any of it without notice; `test_dagster_private.py` says which. The
rest of the project imports `dagster` alone.
"""

from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus

# The materialisation that a check's result is about. `AssetCheckEvaluation` takes one, but its type
# is exported nowhere. Without it Dagster relates the result to an older materialisation and shows
# the partition as not checked.
CheckTarget = AssetCheckEvaluationTargetMaterializationData

# What a run launcher answers when Dagster asks whether a run's worker is alive.
RunHealth = CheckRunHealthResult
RunWorker = WorkerStatus

# `@dg.multi_asset_check` makes the step depend on the output of the checked asset. An asset that
# reports its partitions one by one has no such output, and Dagster would skip the checks.
create_checks = dg.AssetChecksDefinition.create


def plan_partitions(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    asset_key: dg.AssetKey,
    partitions: Iterable[str],
) -> None:
    """Records that the run is about to materialise these partitions. Dagster does so when it
    creates a run for partitions. A partition counts as failed only when that was recorded."""
    for partition in partitions:
        event = dg.DagsterEvent.build_asset_materialization_planned_event(
            context.run.job_name,
            context.op_def.name,
            AssetMaterializationPlannedData(asset_key, partition=partition),
        )
        context.instance.report_dagster_event(event, context.run.run_id)


def read_value(instance: dg.DagsterInstance, key: str) -> str | None:
    """What `write_value` stored. Dagster's daemons keep their cursors there: the one place of an
    instance for values that belong to no run, asset or schedule."""
    return instance.daemon_cursor_storage.get_cursor_values({key}).get(key)


def write_value(instance: dg.DagsterInstance, key: str, value: str) -> None:
    """Stores a text in the instance's storage, SQLite's or PostgreSQL's."""
    instance.daemon_cursor_storage.set_cursor_values({key: value})
