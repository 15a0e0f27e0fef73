"""The inputs as Dagster sees them: a real instance, real observations, a real server."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import redis
from msgspec.structs import replace

from regional_assets.defs.assets.inputs import input_assets, input_key
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.runs.clock import current_time
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.dagster_runs import DEFS, INPUT_NAMES, observations
from regional_assets_tests.support.servers import calls
from regional_assets_tests.support.worlds import COMPANION, KEY


def observe(
    instance: dg.DagsterInstance, names: Sequence[str] | None = None
) -> dg.ExecuteInProcessResult:
    return DEFS.resolve_job_def("observe_inputs_job").execute_in_process(
        instance=instance,
        asset_selection=None if names is None else [input_key(name) for name in names],
        raise_on_error=False,
    )


def observed(instance: dg.DagsterInstance) -> dict[str, dict[str, Any]]:
    """Input name → what an observation now says of it, its data version as `version`."""
    result = observe(instance)
    assert result.success
    return {
        name: {
            "version": observation.tags["dagster/data_version"],
            **{key: value.value for key, value in observation.metadata.items()},
        }
        for name, observation in observations(instance, result.run_id).items()
    }


def test_the_inputs_are_upstream_of_the_snapshot_and_explain_themselves() -> None:
    graph = DEFS.resolve_asset_graph()
    keys = {input_key(name) for name in INPUT_NAMES}
    assert len(keys) == len(MODEL.inputs)
    assert graph.get(REGIONAL_SNAPSHOT).parent_keys == keys
    for spec in MODEL.inputs:
        node = graph.get(input_key(spec.name))
        assert node.is_external
        assert node.is_observable
        assert node.group_name == "inputs"
        assert node.kinds == {"redis"}
        assert node.owners == ["team:regional-intelligence"]
        assert spec.cadence in (node.description or "")
        companion = {"companion_key": spec.companion} if spec.companion else {}
        assert node.metadata == {
            "redis_key": spec.key,
            "cadence": spec.cadence,
            "max_age_minutes": spec.max_age_minutes,
            **companion,
        }
    assert sum("companion_key" in asset.metadata for asset in input_assets(MODEL)) == 11


def test_an_input_that_nothing_reads_yet_says_so() -> None:
    """A model of one's own may leave an input unread; the definitions load all the same."""
    idle = [replace(spec, also=()) for spec in MODEL.inputs if spec.name == "oref_alerts"]
    model = replace(MODEL, inputs=tuple(idle))
    assert not any("oref_alerts" in feeds for feeds in model.feeds_of_axis.values())
    (asset,) = input_assets(model)
    assert "Feeds nothing. Its writer" in (asset.description or "")


def test_every_input_is_observed_once(instance: dg.DagsterInstance, client: redis.Redis) -> None:
    seen = observed(instance)
    assert list(seen) == INPUT_NAMES
    for name, said in seen.items():
        stored = client.get(KEY[name])
        assert isinstance(stored, bytes)
        assert said["version"] == hashlib.sha256(stored).hexdigest()
        assert said["bytes"] == len(stored)
        assert said["freshness"] == "fresh"
        assert isinstance(said["age_minutes"], float)
        assert "problem" not in said
    latest = instance.get_latest_data_version_record(input_key("forecasts"), is_source=True)
    assert latest
    assert (latest.event_log_entry.tags or {})["dagster/data_version"] == seen["forecasts"][
        "version"
    ]


def test_the_data_version_changes_when_the_value_does(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    first = observed(instance)
    client.set(KEY["stress_index"], b'{"compositeScore": 50}')
    # A companion gives the age, not the content.
    two_days = current_time() - 2 * 86_400_000
    client.set(COMPANION["gps_jamming"], json.dumps({"fetchedAt": two_days}))
    second = observed(instance)
    changed = {name for name in INPUT_NAMES if first[name]["version"] != second[name]["version"]}
    assert changed == {"stress_index"}
    assert second["gps_jamming"]["freshness"] == "stale"


def test_missing_stale_and_unreadable_inputs_are_told(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    client.delete(KEY["military_flights"])
    client.set(KEY["forecasts"], b'{"generatedAt": 1700000000000}')
    four_hours = current_time() - 4 * 3_600_000
    client.set(COMPANION["intl_delays"], json.dumps({"fetchedAt": four_hours}))
    client.set(KEY["stress_index"], b"{}")
    client.set(KEY["macro_signals"], b'{"fetchedAt": 1e300}')
    client.set(KEY["strategic_reserves"], b"{")
    client.delete(KEY["chokepoints"])
    client.lpush(KEY["chokepoints"], "a list")
    seen = observed(instance)
    assert seen["military_flights"] == {"version": "missing", "freshness": "missing", "bytes": 0}
    assert seen["intl_delays"]["freshness"] == "stale"
    assert seen["forecasts"]["freshness"] == "missing"
    assert "beyond five times its allowed age" in seen["forecasts"]["problem"]
    assert seen["forecasts"]["timestamp"] == 1_700_000_000
    assert seen["forecasts"]["age_minutes"] > 60
    for undatable in ("stress_index", "macro_signals"):
        assert seen[undatable]["freshness"] == "stale"
        assert not {"age_minutes", "timestamp"} & set(seen[undatable])
    assert seen["strategic_reserves"]["freshness"] == "missing"
    assert seen["strategic_reserves"]["bytes"] == 1
    assert "not JSON" in seen["strategic_reserves"]["problem"]
    assert seen["chokepoints"]["version"] == "unreadable"
    assert "WRONGTYPE" in seen["chokepoints"]["problem"]


def test_what_became_of_the_records_is_observed(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    places = ["Atlantis", "Lemuria", "At<b>lantis", "Cibola", "Hyperborea", "Thule Basin", "Utopia"]
    signals = [{"theater": place, "severity": "LOW"} for place in (*places, "Levant", "Levant")]
    client.set(KEY["cross_source_signals"], json.dumps({"signals": [*signals, 7]}))
    client.set(
        KEY["transit_summaries"], '{"summaries": {"suez": {"todayTotal": null, "wowChangePct": 1}}}'
    )
    client.delete(KEY["military_flights"])
    seen = observed(instance)
    said = seen["cross_source_signals"]
    assert (said["records"], said["skipped"], said["unplaced"]) == (10, 1, 7)
    # Distinct and cleaned; five.
    assert said["unplaced_labels"] == ["Atlantis", "Lemuria", "Atblantis", "Cibola", "Hyperborea"]
    assert "incomplete" not in said
    assert (seen["transit_summaries"]["records"], seen["transit_summaries"]["incomplete"]) == (1, 1)
    assert "records" not in seen["military_flights"]


def test_all_inputs_are_one_round_trip(instance: dg.DagsterInstance, client: redis.Redis) -> None:
    observe(instance)
    client.config_resetstat()
    assert observe(instance).success
    counted = calls(client)
    # Of the inputs, of the store's identity and of its count of commits, in one pipeline with the
    # scripts.
    assert (counted["mget"], counted["evalsha_ro"]) == (3, 2)
    # Of the scripts, and of this test.
    others = {"type", "zrange", "hgetall", "config|resetstat", "info"}
    assert set(counted) - others == {"mget", "evalsha_ro"}


def test_some_inputs_alone(instance: dg.DagsterInstance, client: redis.Redis) -> None:
    chosen = ["forecasts", "gps_jamming"]
    assert list(observations(instance, observe(instance, chosen).run_id)) == chosen


def test_the_ui_can_observe_them_without_the_job(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    result = DEFS.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, asset_selection=[input_key("forecasts")]
    )
    assert list(observations(instance, result.run_id)) == ["forecasts"]


def test_a_server_that_is_not_there_is_one_plain_error(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("REDIS_URL", f"unix://user:secret@{folder}/nothing.sock")
    monkeypatch.setenv("REGIONAL_RETRIES", "0")
    result = observe(instance)
    assert observations(instance, result.run_id) == {}
    [failure] = result.get_step_failure_events()
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    assert f"Redis at unix://{folder}/nothing.sock does not answer" in (said.description or "")
    for entry in instance.all_logs(result.run_id):
        assert "secret" not in str(entry)


def test_loading_the_definitions_says_nothing() -> None:
    """The decorator is beta in Dagster 1.13 and would say so in every process."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import regional_assets.definitions"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout + loaded.stderr == ""
