"""The private parts of Dagster that are used, except those of the recipe `reporting`.

A release of Dagster may change any of it without notice; `test_private.py` says which. Everything
else imports `dagster` alone. Only what has no public name belongs here, under a name that says what
it is for, and nothing that decides.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._core.scheduler import instigation
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._utils.schedules import schedule_execution_time_iterator

from regional_assets.dagster_kit.reporting import DATA_VERSION_TAG

if TYPE_CHECKING:
    from dagster._daemon.types import DaemonStatus

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

# What an instance keeps of a schedule or sensor.
Instigator = instigation.InstigatorState
InstigatorType = instigation.InstigatorType
Tick = instigation.InstigatorTick
TickStatus = instigation.TickStatus


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
NEEDED_BY_RUNS = ("dagster", "dagster._cli.api", "dagster._core.storage.sqlite_storage", "upath")


def read_value(instance: dg.DagsterInstance, key: str) -> str | None:
    """What `write_value` stored. Dagster's daemons keep their cursors there: the one place of an
    instance for values that belong to no run, asset or schedule."""
    return instance.daemon_cursor_storage.get_cursor_values({key}).get(key)


def write_value(instance: dg.DagsterInstance, key: str, value: str) -> None:
    """Stores a text in the instance's storage, SQLite's or PostgreSQL's."""
    instance.daemon_cursor_storage.set_cursor_values({key: value})


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


def is_shared(instance: dg.DagsterInstance) -> bool:
    """Whether several machines can share the instance's storage, as all can but Dagster's SQLite
    and the one in memory."""
    from dagster._core.storage.runs import InMemoryRunStorage, SqliteRunStorage

    return not isinstance(instance.run_storage, SqliteRunStorage | InMemoryRunStorage)


def write_tag(instance: dg.DagsterInstance, run_id: str, key: str, value: str) -> None:
    """Writes a tag beside the run and not into it: `add_run_tags` writes the whole run, and two
    threads that do so lose each other's tags."""
    from dagster._core.storage.runs.schema import RunTagsTable as Tags

    storage: Any = instance.run_storage
    with storage.connect() as connection:
        here = (Tags.c.run_id == run_id) & (Tags.c.key == key)
        if not connection.execute(Tags.update().where(here).values(value=value)).rowcount:
            connection.execute(Tags.insert().values(run_id=run_id, key=key, value=value))


def read_tags(instance: dg.DagsterInstance, run_ids: Sequence[str], key: str) -> dict[str, str]:
    """Those tags by run."""
    from dagster._core.storage.runs.schema import RunTagsTable as Tags

    storage: Any = instance.run_storage
    with storage.connect() as connection:
        found = (Tags.c.key == key) & Tags.c.run_id.in_(run_ids)
        rows = connection.execute(Tags.select().where(found)).fetchall()
        return {row.run_id: row.value for row in rows}


def daemon_statuses(instance: dg.DagsterInstance, now: float) -> Sequence["DaemonStatus"]:
    """Whether each daemon that the instance needs gives signs of life, as its health page says."""
    # The daemons' own module, which no run needs.
    from dagster._daemon.controller import get_daemon_statuses

    needed = instance.get_required_daemon_types()
    # Dagster itself takes half an hour for a sign of life.
    found = get_daemon_statuses(instance, needed, now, heartbeat_tolerance_seconds=120)
    return list(found.values())


def latest_cron_time(cron: str | Sequence[str], now: float) -> float:
    """When a schedule in UTC was last due (s)."""
    return next(schedule_execution_time_iterator(now, cron, "UTC", ascending=False)).timestamp()
