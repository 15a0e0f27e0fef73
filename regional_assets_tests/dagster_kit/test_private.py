"""What a release of Dagster may break: each of the private names does what it is used for."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

import regional_assets
from regional_assets.dagster_kit.private import (
    CheckTarget,
    create_checks,
    read_value,
    write_value,
)
from regional_assets.dagster_kit.reporting import PartitionReport

ASSET = dg.AssetKey("reported")
PARTITIONS = dg.StaticPartitionsDefinition(["a"])
SPEC = dg.AssetCheckSpec("check", asset=ASSET)


@dg.multi_asset(specs=[dg.AssetSpec(ASSET, partitions_def=PARTITIONS, skippable=True)])
def reported(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Without an output, as our assets are."""
    report = PartitionReport(context, ASSET, ["a"])
    report.materialised("a")
    yield from report.finish()


def evaluation(instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    [record] = instance.fetch_materializations(ASSET, limit=1).records
    target = CheckTarget(
        storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
    )
    return dg.AssetCheckEvaluation(
        asset_key=ASSET,
        check_name=SPEC.name,
        passed=True,
        metadata={},
        target_materialization_data=target,
    )


@dg.op(out={SPEC.name: dg.Out(dg.Nothing, is_required=False)}, tags={"dagster/priority": "-1"})
def look(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckEvaluation]:
    yield evaluation(context.instance)


CHECKS = create_checks(
    keys_by_input_name={},
    node_def=look,
    check_specs_by_output_name={SPEC.name: SPEC},
    can_subset=False,
)


def ran(instance: dg.DagsterInstance, checks: dg.AssetChecksDefinition) -> list[Any]:
    """The evaluations of a run of the asset and of `checks`."""
    definitions = dg.Definitions([reported], asset_checks=[checks], executor=dg.in_process_executor)
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance, partition_key="a")
    assert result.success
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    return [e.asset_check_evaluation_data for e in result.all_events if e.event_type == kind]


def test_create_checks_makes_a_step_that_runs_though_the_asset_has_no_output(
    instance: dg.DagsterInstance,
) -> None:
    assert [found.check_name for found in ran(instance, CHECKS)] == [SPEC.name]


def test_create_checks_is_still_needed(instance: dg.DagsterInstance) -> None:
    @dg.multi_asset_check(specs=[SPEC])
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckEvaluation]:
        yield evaluation(context.instance)

    assert ran(instance, checks) == [], "use the public @dg.multi_asset_check from now on"


def test_a_check_target_links_a_result_to_its_materialisation(
    instance: dg.DagsterInstance,
) -> None:
    [found] = ran(instance, CHECKS)
    [record] = instance.fetch_materializations(ASSET, limit=1).records
    assert found.target_materialization_data.storage_id == record.storage_id
    assert found.target_materialization_data.run_id == record.run_id


def test_nothing_else_imports_a_private_module_of_dagster() -> None:
    root = Path(regional_assets.__file__).parent
    private = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
        if name and name.partition(".")[0] == "dagster" and name != "dagster"
    }
    assert private == {"dagster_kit/private.py", "dagster_kit/reporting.py"}


def test_a_value_of_the_instance_is_there_for_the_next_who_opens_it(folder: Path) -> None:
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        assert read_value(instance, "key") is None
        for value in ("one", "two"):
            write_value(instance, "key", value)
        write_value(instance, "other", "three")
    with dg.DagsterInstance.local_temp(str(folder)) as again:
        assert read_value(again, "key") == "two"
