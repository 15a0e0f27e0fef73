"""The lists that make up the definitions leave nothing out, and what needs a language model is
there only with one."""

import os
import subprocess
import sys
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

import regional_assets
from regional_assets.definitions import build
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.assets.summary import REGIONAL_SUMMARY
from regional_assets.defs.resources import RESOURCES

PROJECT = Path(regional_assets.__file__).parent.parent


def names(definitions: dg.Definitions) -> dict[str, Collection[str]]:
    """Kind → the sorted names of all definitions of that kind."""
    graph, repository = definitions.resolve_asset_graph(), definitions.get_repository_def()
    return {
        "assets": sorted(key.to_user_string() for key in graph.get_all_asset_keys()),
        "checks": sorted(key.to_user_string() for key in graph.asset_check_keys),
        "jobs": sorted(repository.job_names),
        "schedules": sorted(schedule.name for schedule in repository.schedule_defs),
        "sensors": sorted(sensor.name for sensor in repository.sensor_defs),
    }


def test_they_are_what_dagster_finds_in_the_folder() -> None:
    """Dagster's own loader takes 170 ms more in every process; so it runs only here."""
    found = dg.load_from_defs_folder(path_within_project=PROJECT)
    # A loader takes resources only from functions that return definitions.
    loaded = dg.Definitions.merge(found, dg.Definitions(resources=RESOURCES))
    everything = build(narrated=True)
    gathered = names(everything)
    assert names(loaded) == gathered
    assert all(gathered.values())
    assert set(everything.resources or {}) == set(RESOURCES)


BRIEFS = {
    "assets": {"regional_brief"},
    "jobs": {"regional_brief_job"},
    "schedules": {"regional_brief_retry_schedule", "regional_brief_schedule"},
}


def test_nothing_but_the_briefs_needs_a_language_model() -> None:
    everything, without = names(build(narrated=True)), names(build(narrated=False))
    lacking = {kind: set(everything[kind]) - set(without[kind]) for kind in everything}
    assert {kind: found for kind, found in lacking.items() if found} == BRIEFS


@pytest.mark.parametrize(
    ("providers", "there"), [(None, False), ("", False), ("groq", True), (",", True)]
)
def test_the_briefs_are_there_when_a_model_is_configured_rightly_or_wrongly(
    providers: str | None, there: bool
) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("REGIONAL_NARRATIVE_")}
    if providers is not None:
        environment["REGIONAL_NARRATIVE_PROVIDERS"] = providers
    code = "from regional_assets.definitions import defs; print([j.name for j in defs.jobs])"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert ("regional_brief_job" in printed) == there
    assert "regional_snapshot_job" in printed


@pytest.mark.parametrize("key", [REGIONAL_SNAPSHOT, REGIONAL_SUMMARY])
def test_assets_go_stale_after_two_missed_schedules(key: dg.AssetKey) -> None:
    node = build(narrated=False).resolve_asset_graph().get(key)
    assert node.freshness_policy == dg.FreshnessPolicy.time_window(
        warn_window=timedelta(hours=6.5), fail_window=timedelta(hours=12.5)
    )
    assert node.owners == ["team:regional-intelligence"]
    assert node.tags["domain"] == "regional-intelligence"
