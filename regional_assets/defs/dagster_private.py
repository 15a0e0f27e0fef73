"""The private parts of Dagster that this project uses.

A release of Dagster may change any of it without notice; `test_dagster_private.py` says which. The
rest of the project imports `dagster` alone.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.events import AssetMaterializationPlannedData, DagsterEventBatchMetadata
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._core.storage.tags import GRPC_INFO_TAG

DATA_VERSION_TAG = "dagster/data_version"

# The materialisation that a check's result is about. `AssetCheckEvaluation` takes one, but its type
# is exported nowhere. Without it Dagster relates the result to an older materialisation and shows
# the partition as not checked.
CheckTarget = AssetCheckEvaluationTargetMaterializationData

# What a run launcher answers when Dagster asks whether a run's worker is alive.
RunHealth = CheckRunHealthResult
RunWorker = WorkerStatus

# Where a code server of a workspace listens.
CodeServer = GrpcServerCodeLocationOrigin
# Dagster's default launcher notes with it which code server executes a run.
LAUNCHED_BY_CODE_SERVER_TAG = GRPC_INFO_TAG

# `@dg.multi_asset_check` makes the step depend on the output of the checked asset. An asset that
# reports its partitions one by one has no such output, and Dagster would skip the checks.
create_checks = dg.AssetChecksDefinition.create


def command_arguments(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """What `dagster api execute_run` needs to execute a run that was launched. Every launcher that
    starts a process or container passes it that."""
    from dagster._grpc.types import ExecuteRunArgs

    if run.job_code_origin is None:
        raise dg.DagsterInvariantViolationError(f"run {run.run_id} does not say where its code is")
    return dg.serialize_value(
        ExecuteRunArgs(
            job_origin=run.job_code_origin,
            run_id=run.run_id,
            instance_ref=instance.get_ref(),
            set_exit_code_on_failure=False,
        )
    )


def execute_run(arguments: str) -> None:
    """The command itself, in this process."""
    from dagster._cli.api import execute_run_command

    execute_run_command.main([arguments], standalone_mode=False)


# They import all of Dagster that a run needs before it loads its project.
NEEDED_BY_RUNS = ("dagster", "dagster._cli.api", "dagster._core.storage.sqlite_storage")


def plan_partitions(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    asset_key: dg.AssetKey,
    partitions: Sequence[str],
) -> None:
    """Records that the run is about to materialise these partitions. Dagster does so when it
    creates a run for partitions. A partition counts as failed only when that was recorded."""
    for number, partition in enumerate(partitions, 1):
        event = dg.DagsterEvent.build_asset_materialization_planned_event(
            context.run.job_name,
            context.op_def.name,
            AssetMaterializationPlannedData(asset_key, partition=partition),
        )
        # Where Dagster's storage can, a batch is stored at once.
        batch = DagsterEventBatchMetadata(context.run.run_id, number == len(partitions))
        context.instance.report_dagster_event(event, context.run.run_id, batch_metadata=batch)


def read_value(instance: dg.DagsterInstance, key: str) -> str | None:
    """What `write_value` stored. Dagster's daemons keep their cursors there: the one place of an
    instance for values that belong to no run, asset or schedule."""
    return instance.daemon_cursor_storage.get_cursor_values({key}).get(key)


def write_value(instance: dg.DagsterInstance, key: str, value: str) -> None:
    """Stores a text in the instance's storage, SQLite's or PostgreSQL's."""
    instance.daemon_cursor_storage.set_cursor_values({key: value})


def log_materialisations(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    materialisations: Sequence[dg.AssetMaterialization],
) -> None:
    """Stores the materialisations at once where Dagster's storage can (on PostgreSQL), which takes
    a tenth of the time. The events are those of `context.log_event`, which stands in for this when
    a release of Dagster has moved one of the private parts."""
    storage = context.instance.event_log_storage
    try:
        store_batch = storage.store_event_batch
        events = [_materialisation(context, found) for found in materialisations]
    except (ImportError, AttributeError, TypeError) as error:
        context.log.warning(f"materialisations are stored one by one, which is slower: {error!r}")
        for materialisation in materialisations:
            context.log_event(materialisation)
    else:
        store_batch(events)


def _materialisation(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    materialisation: dg.AssetMaterialization,
) -> dg.EventLogEntry:
    from dagster._core.events import StepMaterializationData

    step_context = context.get_step_execution_context()
    step, run = step_context.step, context.run
    event = dg.DagsterEvent(
        dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        run.job_name,
        step_handle=step.handle,
        node_handle=step.node_handle,
        step_kind_value=step.kind.value,
        logging_tags=step_context.event_tags,
        event_specific_data=StepMaterializationData(materialisation),
        message=f"Materialized value {materialisation.label}.",
        pid=os.getpid(),
    )
    # Its constructor has no types.
    entry: Callable[..., dg.EventLogEntry] = dg.EventLogEntry
    return entry(
        error_info=None,
        level=logging.DEBUG,
        user_message=event.message,
        run_id=run.run_id,
        timestamp=time.time(),
        step_key=step.key,
        job_name=run.job_name,
        dagster_event=event,
    )


def check_targets(
    instance: dg.DagsterInstance, asset_key: dg.AssetKey, partitions: Sequence[str]
) -> Mapping[str, CheckTarget]:
    """Partition → its latest materialisation, which a check of it is about, in two queries; without
    those that have none."""
    ids = instance.event_log_storage.get_latest_storage_id_by_partition(
        asset_key, dg.DagsterEventType.ASSET_MATERIALIZATION, set(partitions)
    )
    if not ids:
        return {}
    latest = dg.AssetRecordsFilter(asset_key, storage_ids=list(ids.values()))
    records = instance.fetch_materializations(latest, limit=len(ids)).records
    return {
        record.partition_key: CheckTarget(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in records
        if record.partition_key is not None
    }


def latest_data_versions(instance: dg.DagsterInstance, asset_key: dg.AssetKey) -> Mapping[str, str]:
    """Partition → data version of its latest materialisation, in one query; without those that
    have none."""
    found = instance.event_log_storage.get_latest_tags_by_partition(
        asset_key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    return {partition: tags[DATA_VERSION_TAG] for partition, tags in found.items()}
