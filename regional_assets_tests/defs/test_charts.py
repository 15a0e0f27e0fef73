"""The pictures that Dagster shows."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import redis
from msgspec.structs import replace

from regional_assets.definitions import definitions
from regional_assets.defs import charts
from regional_assets.defs.charts import line_chart, regions_chart
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.dagster_runs import ALL, SUMMARY, materialisations, run, values
from regional_assets_tests.support.pictures import svg, texts
from regional_assets_tests.support.stores import keys


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


def test_regions_without_outlines_are_drawn_as_bars(
    instance: dg.DagsterInstance,
) -> None:
    others = tuple(region for region in MODEL.regions if region.id != "latam")
    result = run(instance, defs=definitions(replace(MODEL, regions=others)))
    assert list(materialisations(instance, result.run_id)) == [region.id for region in others]
    [summary] = materialisations(instance, result.run_id, SUMMARY).values()
    said = values(summary)
    assert said["no_map"] == "the world map has outlines of the built-in regions only"
    assert "east-asia" in texts(svg(said["chart"]))


def test_text_cannot_leave_its_place_in_a_picture() -> None:
    hostile = '</text><script>"&\x00\ud800'
    for picture in (
        regions_chart([(hostile, hostile, -1.0), ("b", "calm", 1.0)]),
        line_chart("c", [datetime.now(UTC)], {hostile: [0.5]}),
    ):
        image = svg(picture.value or "")
        assert not list(image.iter("{http://www.w3.org/2000/svg}script"))
        assert any('</text><script>"&??' in text for text in texts(image))


def test_a_long_line_is_thinned_and_keeps_its_peaks() -> None:
    line = [0.1] * 5000
    line[1234], line[4321] = 1.0, -1.0
    times = [datetime.now(UTC) + timedelta(minutes=n) for n in range(len(line))]
    image = svg(line_chart("c", times, {"net": line}).value or "")
    [polyline] = image.iter("{http://www.w3.org/2000/svg}polyline")
    points = [tuple(map(float, point.split(","))) for point in polyline.attrib["points"].split()]
    assert len(points) <= charts._MOST_POINTS + 1
    assert points == sorted(points, key=lambda point: point[0])
    heights = {height for _, height in points}
    assert {charts._height(1.0), charts._height(-1.0)} <= heights
