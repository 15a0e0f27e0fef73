"""The lists that make up the definitions leave nothing out."""

from collections.abc import Collection
from pathlib import Path

import dagster as dg

import regional_assets
from regional_assets.definitions import defs
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
    gathered = names(defs)
    assert names(loaded) == gathered
    assert all(gathered.values())
    assert set(defs.resources or {}) == set(RESOURCES)
