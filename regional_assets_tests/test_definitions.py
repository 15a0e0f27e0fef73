"""The lists that make up the definitions leave nothing out, and what needs a language model is
there only with one."""

import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from datetime import timedelta
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import dagster as dg
import pytest

import regional_assets
from regional_assets import defs as folder
from regional_assets.definitions import definitions
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.assets.summary import REGIONAL_SUMMARY
from regional_assets.defs.jobs import jobs
from regional_assets.defs.resources import resources
from regional_assets.defs.schedules import schedules
from regional_assets.defs.sensors.missed_ticks import missed_tick_sensor
from regional_assets.intelligence.model import Model
from regional_assets_tests.support.built_in import MODEL

PROJECT = Path(regional_assets.__file__).parent.parent


def names(found: dg.Definitions) -> dict[str, Collection[str]]:
    """Kind → the sorted names of all definitions of that kind."""
    graph, repository = found.resolve_asset_graph(), found.get_repository_def()
    return {
        "assets": sorted(key.to_user_string() for key in graph.get_all_asset_keys()),
        "checks": sorted(key.to_user_string() for key in graph.asset_check_keys),
        "jobs": sorted(repository.job_names),
        "schedules": sorted(schedule.name for schedule in repository.schedule_defs),
        "sensors": sorted(sensor.name for sensor in repository.sensor_defs),
    }


def made_of(model: Model) -> Iterator[Any]:
    """The assets and checks that functions anywhere in the folder make of a model."""
    for _, name, _ in walk_packages(folder.__path__, f"{folder.__name__}."):
        for function in vars(import_module(name)).values():
            if isfunction(function) and function.__module__ == name:
                annotations = function.__annotations__
                makes = annotations.get("return")
                made = makes in (dg.AssetsDefinition, dg.AssetChecksDefinition)
                if made and "model" in annotations:
                    assert annotations == {"model": Model, "return": makes}
                    yield function(model)


# The loader also imports the old places of classes.
@pytest.mark.filterwarnings("ignore:dagster.yaml names:FutureWarning")
def test_they_are_what_there_is_in_the_folder() -> None:
    """Dagster's own loader finds what is the same for every model. It takes 170 ms more in every
    process; so it runs only here."""
    found = dg.load_from_defs_folder(path_within_project=PROJECT)
    made = list(made_of(MODEL))
    their_jobs = jobs(MODEL, narrated=True)
    their_schedules = schedules(MODEL, narrated=True)
    everything = definitions(MODEL, narrated=True)
    loaded = dg.Definitions.merge(
        found,
        dg.Definitions(
            assets=[each for each in made if not isinstance(each, dg.AssetChecksDefinition)],
            asset_checks=[each for each in made if isinstance(each, dg.AssetChecksDefinition)],
            # They are made in these lists, or the loader finds them.
            jobs=their_jobs,
            schedules=their_schedules,
            sensors=[missed_tick_sensor(their_schedules, their_jobs, lambda: resources(MODEL))],
            resources=resources(MODEL),
        ),
    )
    gathered = names(everything)
    assert names(loaded) == gathered
    assert all(gathered.values())
    assert set(everything.resources or {}) == set(resources(MODEL))


def test_they_merge_with_somebody_elses() -> None:
    """Their resources have the names that come to mind first."""

    @dg.asset
    def theirs(model: dg.ResourceParam[str], clock: dg.ResourceParam[str]) -> str:
        return f"{model} at {clock}"

    others = {name: name for name in ("model", "store", "snapshot_store", "clock", "narrator")}
    ours = definitions(MODEL, narrated=True)
    merged = dg.Definitions.merge(ours, dg.Definitions([theirs], resources=others))
    assert merged.resources == {**resources(MODEL), **others}
    job = merged.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(asset_selection=[theirs.key])
    assert result.output_for_node("theirs") == "model at clock"


BRIEFS = {
    "assets": {"regional_brief"},
    "jobs": {"regional_brief_job"},
    "schedules": {"regional_brief_retry_schedule", "regional_brief_schedule"},
}


def test_nothing_but_the_briefs_needs_a_language_model() -> None:
    everything = names(definitions(MODEL, narrated=True))
    without = names(definitions(MODEL, narrated=False))
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
    code = "from regional_assets.definitions import defs; print([j.name for j in defs().jobs])"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert ("regional_brief_job" in printed) == there
    assert "regional_snapshot_job" in printed


@pytest.mark.parametrize("key", [REGIONAL_SNAPSHOT, REGIONAL_SUMMARY])
def test_assets_go_stale_after_two_missed_schedules(key: dg.AssetKey) -> None:
    node = definitions(MODEL, narrated=False).resolve_asset_graph().get(key)
    assert node.freshness_policy == dg.FreshnessPolicy.time_window(
        warn_window=timedelta(hours=6.5), fail_window=timedelta(hours=12.5)
    )
    assert node.owners == ["team:regional-intelligence"]
    assert node.tags["domain"] == "regional-intelligence"
