"""Parsed once, read once, encoded once: how much work a run over all regions is, and what it does
not grow with."""

from collections import Counter
from typing import Any

from msgspec.structs import replace

from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.model import SCORING_VERSION, StatedVersions
from regional_assets.intelligence.snapshot import assess, region_content
from regional_assets.intelligence.triggers import Trigger
from regional_assets.intelligence.world import World, build_world
from regional_assets.store.commit import commit_call
from regional_assets.store.keys import Keys
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.work import work
from regional_assets_tests.support.worlds import NOW, encoded, sample_values, snapshots_of, world_of

DECODES = (
    "<built-in method msgspec._core.json_decode>",
    "<method 'decode' of 'msgspec.json.Decoder' objects>",
)
ENCODES = "<built-in method msgspec._core.json_encode>"
METRIC = "balance:mena:capital_stress"
SEARCHES = "<method 'find_matches_as_strings' of 'builtins.AhoCorasick' objects>"


def test_each_input_is_parsed_once_and_each_body_encoded_once() -> None:
    stored = {key: StoredValue(value) for key, value in sample_values().items()}
    done = work(build_world, MODEL, stored, NOW)
    assert sum(done[name] for name in DECODES) == len(stored)
    world = build_world(MODEL, stored, NOW)
    # For the digests.
    assert work(snapshots_of, world)[ENCODES] == len(REGION_IDS)
    # Without alerts and history, a commit is the body.
    for found in snapshots_of(world, snapshots_of(world), "t").values():
        assert work(lambda s=found: commit_call(Keys(), s, force=False, expiry=1))[ENCODES] == 1


def test_each_balance_is_computed_once() -> None:
    """However many triggers look at it."""

    def contents(world: World) -> None:
        assessment = assess(world)
        for region in REGION_IDS:
            assert region_content(assessment, region).weighed is assessment.weighed[region]

    one, many = (work(contents, watched(number)).total() for number in (1, 51))
    balance = work(lambda: assess(watched(1)).weighed["mena"]).total()
    assert (many - one) / 50 < balance / 4


def watched(number: int) -> World:
    """So many triggers of one region on the balance of another."""
    triggers = [
        Trigger(f"x{n}", "latam", "escalation", METRIC, "gte", 0.5, 60, "fixed", "X")
        for n in range(number)
    ]
    stated = StatedVersions(scoring=SCORING_VERSION)
    return replace(world_of(), model=replace(MODEL, versions=stated, triggers=triggers))


def test_the_text_of_a_forecast_is_gathered_and_searched_once() -> None:
    def world_work(texts: int) -> tuple[Counter[str], Counter[str]]:
        rows = [
            {
                "id": "f",
                "region": "Iran",
                "probability": 0.5,
                "caseFile": {"texts": [f"Iran, NATO and number {n}"] * texts},
            }
            for n in range(5)
        ]
        stored = encoded({"forecasts": {"predictions": rows}})
        world = build_world(MODEL, stored, NOW)
        return work(build_world, MODEL, stored, NOW), work(snapshots_of, world)

    (few, of_few), (many, of_many) = world_work(1), world_work(101)
    assert few[SEARCHES] == many[SEARCHES] == 5
    # A call for each text more.
    assert many.total() - few.total() <= 5 * 100
    # By no region again.
    assert of_few == of_many


def test_only_signals_that_are_stored_are_cleaned() -> None:
    def snapshots_work(number: int) -> Counter[str]:
        rows: list[dict[str, Any]] = [
            {"id": f"s{n}", "theater": "Levant", "summary": "x", "detectedAt": NOW - n}
            for n in range(number)
        ]
        return work(snapshots_of, world_of(cross_source_signals={"signals": rows}))

    assert snapshots_work(100) == snapshots_work(1_000)
