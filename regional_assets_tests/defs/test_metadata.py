"""What Dagster shows: one picture a run, and numbers that it plots itself."""

import json

import dagster as dg
import pytest
import redis
from msgspec.structs import replace

from regional_assets.board import world_map
from regional_assets.definitions import definitions
from regional_assets.defs.assets.board import REGIONAL_BOARD
from regional_assets.defs.assets.history import REGIONAL_HISTORY
from regional_assets.intelligence.geography import Region
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.scoring import AXES
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.dagster_runs import (
    ALL,
    DEFS,
    SUMMARY,
    materialisations,
    run,
    statuses,
    values,
)
from regional_assets_tests.support.pictures import svg, texts
from regional_assets_tests.support.stores import keys

NORTH = Region("north", "The north")
OTHERS = {
    "a region less": replace(MODEL, regions=tuple(r for r in MODEL.regions if r.id != "latam")),
    "a ninth region": replace(MODEL, regions=(*MODEL.regions, NORTH)),
}


def test_the_summary_draws_all_regions(instance: dg.DagsterInstance, client: redis.Redis) -> None:
    result = run(instance, tags=ALL)
    [summary] = materialisations(instance, result.run_id, SUMMARY).values()
    found = texts(svg(values(summary)["chart"]))
    # The table says the same in words.
    balances = {r.data["region"]: r.data["net_balance"] for r in values(summary)["table"].records}
    for region in REGION_IDS:
        body = json.loads(client.get(keys.latest_body(region)) or b"")
        assert MODEL.geography.regions[region].label in found
        regime = body["regime"]["label"].replace("_", " ")
        assert f"{body['balance']['net_balance']:+.3f} {regime}" in found
        assert balances[region] == body["balance"]["net_balance"]


def test_a_run_stores_one_picture(instance: dg.DagsterInstance, client: redis.Redis) -> None:
    result = run(instance, tags=ALL)
    stored = "".join(map(dg.serialize_value, instance.all_logs(result.run_id)))
    assert stored.count("data:image") == 1


def test_dagster_can_plot_the_balance(instance: dg.DagsterInstance, client: redis.Redis) -> None:
    taken = materialisations(instance, run(instance, tags=ALL).run_id)
    for found in taken.values():
        for name in (*AXES, "net_balance", "confidence"):
            assert isinstance(found.metadata[name], dg.FloatMetadataValue)
    job = DEFS.resolve_job_def("regional_history_job")
    wrote = job.execute_in_process(instance=instance, tags=ALL).run_id
    for region, found in materialisations(instance, wrote, REGIONAL_HISTORY).items():
        for name in ("net_balance", "coercive_pressure", "confidence"):
            assert isinstance(found.metadata[name], dg.FloatMetadataValue)
            assert found.metadata[name] == taken[region].metadata[name]


def no_map(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> str:
    """Why the run has no map, which its log says once for the summary and once for the page."""
    assert result.success
    [summary] = materialisations(instance, result.run_id, SUMMARY).values()
    [board] = materialisations(instance, result.run_id, REGIONAL_BOARD).values()
    said = values(summary)
    assert "chart" not in said
    assert len(said["table"].records) == said["regions"] == values(board)["regions"]
    why: str = said["no_map"]
    logged = [entry.user_message for entry in instance.all_logs(result.run_id)]
    for subject in ("summary", "page"):
        assert logged.count(f"the {subject} has no map: {why}") == 1
    return why


@pytest.mark.parametrize("other", OTHERS)
def test_regions_without_outlines_have_no_map(
    instance: dg.DagsterInstance, client: redis.Redis, other: str
) -> None:
    model: Model = OTHERS[other]
    result = run(instance, defs=definitions(model))
    assert list(materialisations(instance, result.run_id)) == list(model.region_ids)
    why = no_map(instance, result)
    assert why == "the world map has outlines of the built-in regions only"


def test_a_region_whose_label_has_no_place_costs_the_map_alone(
    instance: dg.DagsterInstance, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(world_map.PLACES, "latam")
    assert "no place for the label of latam" in no_map(instance, run(instance, tags=ALL))


def test_a_fault_in_drawing_costs_the_map_alone(
    instance: dg.DagsterInstance, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(world_map.PLACES, "latam", None)
    why = no_map(instance, run(instance, tags=ALL))
    assert why.startswith("the world map cannot be drawn: TypeError: ")
    assert set(statuses(instance).values()) == {"MATERIALIZED"}
    assert json.loads(client.get(keys.summary) or b"")["regions"]
