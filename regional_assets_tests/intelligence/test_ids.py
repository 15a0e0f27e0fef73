"""Forecasts and signals without an id have one and the same everywhere: their place in the feed
(SPEC 3, 4)."""

from typing import Any

import pytest

from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.worlds import NOW, content_of, world_of

MOST = MODEL.scoring.evidence.most


def forecast(**fields: Any) -> dict[str, Any]:
    return {"region": "Iran", "probability": 0.9, "caseFile": {"text": "Iran, Russia"}, **fields}


def signal(**fields: Any) -> dict[str, Any]:
    return {"theater": "Levant", "severity": "CRITICAL", "type": "CYBER", **fields}


def ids_of(region: str = "mena", **inputs: Any) -> tuple[list[str], set[str]]:
    """The ids of the evidence, and those that drivers and actors cite."""
    said = content_of(world_of(**inputs), region).said
    drivers = (*said.balance.pressures, *said.balance.buffers)
    cited = {id for driver in drivers for id in driver.evidence_ids}
    cited |= {id for actor in said.actors for id in actor.evidence_ids}
    # Producers have no evidence of their own.
    cited = {id for id in cited if not id.startswith("producer:")}
    return [item.id for item in said.evidence], cited


@pytest.mark.parametrize("nothing", [{}, {"id": None}, {"id": ""}, {"id": " \u200b"}, {"id": []}])
def test_what_is_cited_is_evidence(nothing: dict[str, Any]) -> None:
    evidence, cited = ids_of(
        forecasts={"predictions": [forecast(**nothing)] * 3},
        cross_source_signals={"signals": [signal(**nothing)] * 3},
    )
    names = [f"{kind}:#{n}" for kind in ("xss", "forecast") for n in range(3)]
    assert evidence == names
    assert cited == set(names)


def test_the_place_is_that_in_the_feed() -> None:
    """Whatever others have an id, lie elsewhere or cannot be used."""
    evidence, cited = ids_of(
        forecasts={
            "predictions": [
                forecast(id="f"),
                forecast(probability=None),
                forecast(region="Brazil"),
                forecast(),
            ]
        },
        cross_source_signals={"signals": [signal(theater="Nowhere"), signal(id="s"), signal()]},
    )
    assert sorted(evidence) == ["forecast:#3", "forecast:f", "s", "xss:#2"]
    assert cited == set(evidence)


def test_an_item_of_several_regions_has_one_id() -> None:
    found = {
        region: ids_of(region, forecasts={"predictions": [forecast(), forecast(region="")]})[0]
        for region in REGION_IDS
    }
    assert "forecast:#0" in found["mena"]
    assert "forecast:#1" in found["global"]
    assert {id for ids in found.values() for id in ids} == {"forecast:#0", "forecast:#1"}


def test_ids_are_distinct_and_do_not_depend_on_the_time() -> None:
    rows = [signal(detectedAt=NOW - n * 60_000) for n in range(50)]
    inputs: dict[str, Any] = {"cross_source_signals": {"signals": rows}}
    evidence, cited = ids_of(**inputs)
    assert evidence == [f"xss:#{n}" for n in range(MOST)]
    assert cited == {f"xss:#{n}" for n in range(5)}
    assert ids_of(now=NOW + 1, **inputs) == (evidence, cited)
