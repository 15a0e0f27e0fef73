"""A run over 120 partitions, of which 50 are materialised, and what it has to leave behind."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from regional_assets.defs.dagster_private import (
    DATA_VERSION_TAG,
    latest_data_versions,
    log_materialisations,
)
from regional_assets.defs.reporting import PartitionReport

MANY = dg.StaticPartitionsDefinition([f"p{number}" for number in range(120)])
ALL_OF_MANY = {
    "dagster/asset_partition_range_start": "p0",
    "dagster/asset_partition_range_end": "p119",
}


@dg.multi_asset(specs=[dg.AssetSpec("many", partitions_def=MANY, skippable=True)])
def many(context: dg.AssetExecutionContext, config: dict[str, str]) -> Iterator[Any]:
    """Logs an event as Dagster does and as a batch does, or reports on the last fifty."""
    asset = dg.AssetKey("many")
    if config["how"] == "both":
        context.log_event(event_of("p0"))
        log_materialisations(context, [event_of("p0")])
    else:
        report = PartitionReport(context, asset, context.partition_keys)
        report.all_materialised((p, {"of": p}, f"v-{p}") for p in context.partition_keys[70:])
        yield from report.finish()


def event_of(partition: str) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        "many", partition=partition, metadata={"a": 1}, tags={DATA_VERSION_TAG: "v"}
    )


def ran_many(instance: dg.DagsterInstance, how: str, **options: Any) -> dg.ExecuteInProcessResult:
    definitions = dg.Definitions([many], executor=dg.in_process_executor)
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={"ops": {"many": {"config": {"how": how}}}},
        **options,
    )


def logged(instance: dg.DagsterInstance, run_id: str) -> list[dg.EventLogEntry]:
    return list(instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION))


def each_of_many_is_reported(instance: dg.DagsterInstance, *, one_by_one: bool = False) -> None:
    """50 of 120 are materialised, 70 are not."""
    result = ran_many(instance, "report", tags=ALL_OF_MANY)
    names = MANY.get_partition_keys()
    found = instance.get_status_by_partition(dg.AssetKey("many"), names, MANY) or {}
    assert [s.value if s else "" for s in found.values()] == ["FAILED"] * 70 + ["MATERIALIZED"] * 50
    entries = logged(instance, result.run_id)
    events = [entry.asset_materialization for entry in entries if entry.asset_materialization]
    assert [event.partition for event in events] == names[70:]
    assert [event.metadata["of"].value for event in events] == names[70:]
    versions = latest_data_versions(instance, dg.AssetKey("many"))
    assert versions == {name: f"v-{name}" for name in names[70:]}
    [record] = instance.get_asset_records([dg.AssetKey("many")])
    last = record.asset_entry.last_materialization
    assert last
    assert last.asset_materialization
    assert last.asset_materialization.partition == names[-1]
    [failure] = result.get_step_failure_events()
    data = failure.step_failure_data.user_failure_data
    assert data
    assert list(data.metadata) == names[:50]
    assert data.description
    assert data.description.startswith("70 of 120 partitions failed: p0: the run reported nothing")
    assert data.description.endswith("20 more, which the run's log names")
    warned = [e for e in instance.all_logs(result.run_id) if "stored one by one" in e.user_message]
    assert len(warned) == one_by_one
