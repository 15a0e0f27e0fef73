"""One run over several partitions, each of which reports for itself, on an instance of Dagster.

It goes with `reporting.py`, and needs Dagster and pytest alone. The last tests say what a release
of Dagster may break.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from regional_assets.dagster_kit.reporting import DATA_VERSION_TAG, PartitionReport

QUARTERS = ("north", "east", "south", "west")
MANY = [f"p{number}" for number in range(120)]
# What a run raises in a partition, and the partitions that it forgets.
broken: dict[str, Exception] = {"south": KeyError("roof")}
forgotten: set[str] = set()

with warnings.catch_warnings():
    # A backfill policy of `@dg.asset` is in beta.
    warnings.simplefilter("ignore", dg.BetaWarning)

    @dg.asset(
        partitions_def=dg.StaticPartitionsDefinition(list(QUARTERS)),
        backfill_policy=dg.BackfillPolicy.single_run(),
        output_required=False,
        # Would repeat the run, if the failure allowed it.
        retry_policy=dg.RetryPolicy(max_retries=1),
    )
    def quarter(context: dg.AssetExecutionContext) -> Iterator[Any]:
        report = PartitionReport(context, context.asset_key, QUARTERS)
        for partition in report.partitions:
            if partition in forgotten:
                continue
            try:
                if partition in broken:
                    raise broken[partition]
            except Exception as error:
                report.failed(partition, error)
            else:
                report.materialised(partition, {"letters": len(partition)}, f"v-{partition}")
        yield from report.finish()

    @dg.asset(
        partitions_def=dg.StaticPartitionsDefinition(MANY),
        backfill_policy=dg.BackfillPolicy.single_run(),
        output_required=False,
    )
    def many(context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Reports on the last fifty alone."""
        report = PartitionReport(context, context.asset_key, MANY)
        report.all_materialised((p, {"of": p}, f"v-{p}") for p in report.partitions[70:])
        yield from report.finish()


# The file also is a code location.
defs = dg.Definitions(
    assets=[quarter, many],
    jobs=[
        dg.define_asset_job(f"{each.key.path[0]}_job", selection=[each]) for each in (quarter, many)
    ],
    executor=dg.in_process_executor,
)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(str(tmp_path)) as temporary:
        yield temporary


def run(
    instance: dg.DagsterInstance, *members: str, job: str = "quarter_job"
) -> dg.ExecuteInProcessResult:
    """A run over the partitions from the first to the last of `members`; without any, without."""
    tags = (
        {
            "dagster/asset_partition_range_start": members[0],
            "dagster/asset_partition_range_end": members[-1],
        }
        if members
        else {}
    )
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance, tags=tags, raise_on_error=False
    )


def statuses(
    instance: dg.DagsterInstance, asset: dg.AssetsDefinition = quarter
) -> dict[str, str | None]:
    assert asset.partitions_def
    names = asset.partitions_def.get_partition_keys()
    found = instance.get_status_by_partition(asset.key, names, asset.partitions_def) or {}
    return {name: status.value if status else None for name, status in found.items()}


def materialisations(
    instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult
) -> list[dg.AssetMaterialization]:
    """Those of the run, in their order."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    found = instance.all_logs(result.run_id, of_type=kind)
    return [entry.asset_materialization for entry in found if entry.asset_materialization]


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, dict[str, Any]]:
    """The description of the run's one failure, and its metadata."""
    [event] = result.get_step_failure_events()
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return data.description or "", {name: value.value for name, value in data.metadata.items()}


ONE_FAILED = {
    "north": "MATERIALIZED",
    "east": "MATERIALIZED",
    "south": "FAILED",
    "west": "MATERIALIZED",
}


@pytest.mark.parametrize("members", [QUARTERS, ()], ids=["a range", "without partitions"])
def test_one_of_four_fails_alone(
    instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str], members: tuple[str, ...]
) -> None:
    """Also in a run that was launched without a partition, which is one over all."""
    result = run(instance, *members)
    assert not result.success
    assert statuses(instance) == ONE_FAILED
    found = materialisations(instance, result)
    assert [m.partition for m in found] == ["north", "east", "west"]
    assert [m.metadata["letters"].value for m in found] == [5, 4, 4]
    assert [(m.tags or {})[DATA_VERSION_TAG] for m in found] == ["v-north", "v-east", "v-west"]
    error = "KeyError: 'roof'"
    assert failure(result) == (f"1 of 4 partitions failed: south: {error}", {"south": error})
    assert "raise broken[partition]" in capfd.readouterr().err


@pytest.mark.parametrize("members", [QUARTERS, ()], ids=["a range", "without partitions"])
def test_when_none_fails_each_is_materialised_once(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, members: tuple[str, ...]
) -> None:
    """Dagster would add a materialisation of each for what a plain function returns."""
    monkeypatch.setitem(globals(), "broken", {})
    result = run(instance, *members)
    assert result.success
    assert statuses(instance) == dict.fromkeys(QUARTERS, "MATERIALIZED")
    assert [m.partition for m in materialisations(instance, result)] == list(QUARTERS)


def test_a_failed_partition_is_repaired_by_itself(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(instance, *QUARTERS)
    monkeypatch.setitem(globals(), "broken", {})
    again = run(instance, "south")
    assert again.success
    assert [m.partition for m in materialisations(instance, again)] == ["south"]
    assert statuses(instance) == dict.fromkeys(QUARTERS, "MATERIALIZED")


def test_a_partition_that_the_run_forgets_has_failed(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "forgotten", {"west"})
    description, errors = failure(run(instance, *QUARTERS))
    assert description.startswith("2 of 4 partitions failed: south: ")
    assert errors["west"] == "the run reported nothing about it"
    assert {p for p, status in statuses(instance).items() if status == "FAILED"} == set(errors)


def test_several_errors_are_in_one_failure(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = {name: ValueError(f"no\n{name}") for name in QUARTERS}
    monkeypatch.setitem(globals(), "broken", errors)
    description, found = failure(run(instance, *QUARTERS))
    assert found == {name: f"ValueError: no {name}" for name in QUARTERS}
    assert description.startswith("4 of 4 partitions failed: north: ValueError: no north; east: ")


@pytest.mark.parametrize("members", [MANY, ()], ids=["a range", "without partitions"])
@pytest.mark.parametrize("batch", ["0", "250"])
def test_of_many_partitions_each_is_reported(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, batch: str, members: list[str]
) -> None:
    """50 of 120 are materialised, 70 are not; Dagster stores batches of so many events."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", batch)
    stored: list[int] = []
    storage = type(instance.event_log_storage)
    store = storage.store_event_batch

    def counting(self: Any, events: Any) -> None:
        stored.append(len(events))
        store(self, events)

    monkeypatch.setattr(storage, "store_event_batch", counting)
    result = run(instance, *members, job="many_job")
    assert list(statuses(instance, many).values()) == ["FAILED"] * 70 + ["MATERIALIZED"] * 50
    found = materialisations(instance, result)
    assert [m.partition for m in found] == [m.metadata["of"].value for m in found] == MANY[70:]
    assert [(m.tags or {})[DATA_VERSION_TAG] for m in found] == [f"v-{p}" for p in MANY[70:]]
    description, errors = failure(result)
    assert list(errors) == MANY[:50]
    assert description.startswith("70 of 120 partitions failed: p0: the run reported nothing")
    assert description.endswith("20 more, which the run's log names")
    # Planned, then materialised.
    assert stored == ([120, 50] if batch == "250" else [])


def test_events_before_an_error_of_many_are_stored(instance: dg.DagsterInstance) -> None:
    @dg.op
    def failing(context: dg.OpExecutionContext) -> None:
        def materialised() -> Iterator[tuple[str, dict[str, Any], None]]:
            yield "p0", {}, None
            raise ValueError

        PartitionReport(context, many.key, MANY).all_materialised(materialised())

    @dg.job
    def broken_off() -> None:
        failing()

    result = broken_off.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    assert [m.partition for m in materialisations(instance, result)] == ["p0"]


def test_a_run_without_partitions_still_has_to_plan_them(instance: dg.DagsterInstance) -> None:
    """When Dagster does it by itself, `_plan` can go."""

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a"]))
    def unplanned() -> None:
        raise ValueError

    dg.materialize([unplanned], instance=instance, raise_on_error=False)
    assert statuses(instance, unplanned) == {"a": None}


def test_what_is_only_observed_is_done_and_keeps_its_materialisation(tmp_path: Path) -> None:
    """What this run made is older than what another one has made meanwhile."""

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]), output_required=False)
    def older(context: dg.AssetExecutionContext) -> Iterator[Any]:
        report = PartitionReport(context, context.asset_key, ["a", "b"])
        report.materialised("a")
        report.observed("b", {"outcome": "late"})
        yield from report.finish()

    with dg.DagsterInstance.ephemeral(str(tmp_path)) as instance:
        newer = dg.AssetMaterialization("older", partition="b", metadata={"of": "the newer run"})
        instance.report_runless_asset_event(newer)
        result = dg.materialize([older], instance=instance)
        assert result.success
        found = instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey("older"), asset_partitions=["b"]), limit=10
        )
        assert [r.asset_materialization for r in found.records] == [newer]
        observed = instance.fetch_observations(dg.AssetKey("older"), limit=10).records
        assert [(r.partition_key) for r in observed] == ["b"]
