"""Runs on a real instance, and what they left in its event log."""

import uuid
from collections.abc import Iterator
from typing import Any, Protocol

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from regional_assets.definitions import definitions
from regional_assets.defs.assets.briefs import REGIONAL_BRIEF
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.assets.summary import REGIONAL_SUMMARY
from regional_assets.defs.partitions import range_tags, region_partitions
from regional_assets.replay.replay import ReplayClock
from regional_assets_tests.support.built_in import MODEL, REGION_IDS

DEFS = definitions(MODEL)
# As they are when a language model is configured.
WITH_BRIEFS = definitions(MODEL, narrated=True)
ALL = range_tags(REGION_IDS[0], REGION_IDS[-1])
SUMMARY = REGIONAL_SUMMARY
INPUT_NAMES = [spec.name for spec in MODEL.inputs]
# Nothing can be known from such a cursor of a sensor.
DAMAGED_CURSORS = ["{", "[]", "null", "1e400", "[" * 100_000, "\ud800"]
MATERIALISED = dg.DagsterEventType.ASSET_MATERIALIZATION


def run(
    instance: dg.DagsterInstance,
    *,
    defs: dg.Definitions = DEFS,
    force: bool = False,
    **options: Any,
) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("regional_snapshot_job")
    config = {"ops": {"regional_snapshots": {"config": {"force": force}}}}
    return job.execute_in_process(
        instance=instance, run_config=config, raise_on_error=False, **options
    )


def materialisations(
    instance: dg.DagsterInstance, run_id: str, asset: dg.AssetKey = REGIONAL_SNAPSHOT
) -> dict[str | None, dg.AssetMaterialization]:
    """Partition → its materialisation in that run; each once."""
    found = [
        entry.asset_materialization
        for entry in instance.all_logs(run_id, of_type=MATERIALISED)
        if entry.asset_materialization and entry.asset_materialization.asset_key == asset
    ]
    by_partition = {m.partition: m for m in found}
    assert len(by_partition) == len(found)
    return by_partition


def statuses(instance: dg.DagsterInstance) -> dict[str, str]:
    partitions = region_partitions(MODEL)
    found = instance.get_status_by_partition(REGIONAL_SNAPSHOT, REGION_IDS, partitions) or {}
    return {region: status.value for region, status in found.items() if status}


def values(materialisation: dg.AssetMaterialization) -> dict[str, Any]:
    return {name: value.value for name, value in materialisation.metadata.items()}


def observations(instance: dg.DagsterInstance, run_id: str) -> dict[str, dg.AssetObservation]:
    """Input name → its observation in that run; each once."""
    found = [
        entry.asset_observation
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_OBSERVATION)
        if entry.asset_observation
    ]
    by_name = {observation.asset_key.path[-1]: observation for observation in found}
    assert len(by_name) == len(found)
    return by_name


class Tick(Protocol):
    """A sensor's tick so many seconds after the start, with this cursor or the one that the tick
    before left."""

    def __call__(self, seconds: float, given: str | None = None) -> dg.SensorResult: ...


def ticking(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, start: int = 0, **resources: Any
) -> Tick:
    """The ticks of a sensor with these resources, the clock set; `start` in ms."""
    cursor: str | None = None

    def tick(seconds: float, given: str | None = None) -> dg.SensorResult:
        nonlocal cursor
        clock = ReplayClock(at=start + int(seconds * 1000))
        with dg.build_sensor_context(
            instance=instance,
            cursor=given or cursor,
            resources={"regional_clock": clock, "regional_model": MODEL, **resources},
        ) as context:
            result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        cursor = result.cursor
        return result

    return tick


def ranges(result: dg.SensorResult) -> list[tuple[str, str]]:
    return [
        (
            request.tags["dagster/asset_partition_range_start"],
            request.tags["dagster/asset_partition_range_end"],
        )
        for request in result.run_requests or []
    ]


def reason(result: dg.SensorResult) -> str:
    assert not result.run_requests
    return result.skip_reason.skip_message or "" if result.skip_reason else ""


def a_run(
    instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus, **tags: str
) -> dg.DagsterRun:
    """A run of that job in that status; `dagster/` precedes the names of its tags."""
    # Queued runs have to know where their code is.
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "repository")
    return instance.add_run(
        dg.DagsterRun(
            job_name=job,
            run_id=str(uuid.uuid4()),
            status=status,
            tags={f"dagster/{name}": value for name, value in tags.items()},
            remote_job_origin=RemoteJobOrigin(repository, job),
        )
    )


def outcomes(instance: dg.DagsterInstance, run_id: str) -> dict[str | None, str]:
    found = materialisations(instance, run_id, REGIONAL_BRIEF)
    return {region: values(m)["outcome"] for region, m in found.items()}


def everything_said(
    instance: dg.DagsterInstance,
    run_id: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[str]:
    for entry in instance.all_logs(run_id):
        yield str(entry)
        yield dg.serialize_value(entry)
    yield caplog.text
    yield from capfd.readouterr()
