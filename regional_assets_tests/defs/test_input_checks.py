"""The checks of the inputs through Dagster: records that lie in no region."""

import json
from typing import Any

import dagster as dg
import pytest
import redis

from regional_assets.defs.input_checks import placed_inputs
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.dagster_runs import ALL, DEFS
from regional_assets_tests.support.worlds import KEY

PLACED_INPUTS = placed_inputs(MODEL)


def results(instance: dg.DagsterInstance) -> dict[str, dg.AssetCheckEvaluation]:
    """Input → the result of its check in a run of the job that checks."""
    result = DEFS.resolve_job_def("regional_check_job").execute_in_process(
        instance=instance, tags=ALL, raise_on_error=False
    )
    assert result.success
    found = [e for e in result.get_asset_check_evaluations() if e.asset_key.path[0] == "inputs"]
    assert len(found) == len(PLACED_INPUTS)
    return {evaluation.asset_key.path[1]: evaluation for evaluation in found}


def signals(nowhere: int, somewhere: int) -> bytes:
    rows: list[dict[str, Any]] = [{"theater": f"Atlantis {n}"} for n in range(nowhere)]
    return json.dumps({"signals": rows + [{"theater": "Levant"}] * somewhere}).encode()


def test_the_samples_lie_in_regions(instance: dg.DagsterInstance, client: redis.Redis) -> None:
    found = results(instance)
    assert set(found) == set(PLACED_INPUTS)
    assert all(evaluation.passed for evaluation in found.values())
    assert all(evaluation.metadata["records"].value for evaluation in found.values())


def test_too_many_records_in_no_region_are_a_warning(
    instance: dg.DagsterInstance, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.delete(KEY["forecasts"])
    for nowhere, somewhere, passed in ((2, 8, True), (3, 7, False)):
        client.set(KEY["cross_source_signals"], signals(nowhere, somewhere))
        found = results(instance)
        assert found["cross_source_signals"].passed == passed
        # What is missing has no such records.
        assert found["forecasts"].passed
    warned = found["cross_source_signals"]
    assert warned.severity == dg.AssetCheckSeverity.WARN
    assert warned.description == (
        "3 of 10 records lie in no region, which is more than 20% (REGIONAL_UNPLACED_SHARE): "
        "Atlantis 0; Atlantis 1; Atlantis 2"
    )
    monkeypatch.setenv("REGIONAL_UNPLACED_SHARE", "0.3")
    assert results(instance)["cross_source_signals"].passed
    monkeypatch.setenv("REGIONAL_UNPLACED_SHARE", "many")
    assert "REGIONAL_UNPLACED_SHARE='many'" in (results(instance)["forecasts"].description or "")
