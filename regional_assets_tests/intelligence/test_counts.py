"""Parsed once, read once, encoded once: what a run over all regions does how often."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from regional_assets.intelligence import digest, inputs, readers, snapshot
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.stored import Body
from regional_assets.intelligence.world import build_world
from regional_assets.store import commit
from regional_assets.store.keys import Keys
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.worlds import NOW, encoded, sample_values, snapshots_of, world_of

Count = Callable[[object, str], list[Any]]


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Count:
    """Records the first argument of each call of a function."""

    def counted(owner: object, name: str) -> list[Any]:
        calls: list[Any] = []
        function = getattr(owner, name)

        def recording(first: Any, *arguments: Any, **options: Any) -> Any:
            calls.append(first)
            return function(first, *arguments, **options)

        monkeypatch.setattr(owner, name, recording)
        return calls

    return counted


def test_each_input_is_parsed_once_and_each_body_encoded_once(count: Count) -> None:
    parsed = count(inputs, "_decode")
    bodies_encoded, digests = count(commit, "encode"), count(digest, "encode")
    values = sample_values()
    world = build_world(MODEL, {key: StoredValue(value) for key, value in values.items()}, NOW)
    for found in snapshots_of(world).values():
        commit.commit_call(Keys(), found, force=False, expiry=1)
    bodies = [value for value in bodies_encoded if isinstance(value, Body)]
    assert Counter(parsed) == Counter(values.values())
    assert [body.region_id for body in bodies] == list(REGION_IDS)
    assert len(digests) == len(REGION_IDS)


def test_each_balance_is_computed_once(count: Count) -> None:
    worlds = count(snapshot, "weighed")
    snapshots_of(world_of())
    assert len(worlds) == len(REGION_IDS)


def test_the_text_of_a_forecast_is_gathered_and_searched_once(count: Count) -> None:
    model = replace(MODEL)
    gathered, searched = count(readers, "strings"), count(model.word_finder, "mentions")
    case_files = [{"text": f"Iran, NATO and number {n}"} for n in range(5)]
    rows = [
        {"id": "f", "region": "Iran", "probability": 0.5, "caseFile": case_file}
        for case_file in case_files
    ]
    snapshots_of(build_world(model, encoded({"forecasts": {"predictions": rows}}), NOW))
    assert gathered == case_files
    assert len(searched) == len(case_files)


def test_only_signals_that_are_stored_are_cleaned(count: Count) -> None:
    rows = [
        {"id": f"s{n}", "theater": "Levant", "summary": "x", "detectedAt": NOW - n}
        for n in range(1_000)
    ]
    world = world_of(cross_source_signals={"signals": rows})
    cleaned = count(readers, "clean")
    snapshots_of(world)
    # Of thirty items two texts each, and the ids of five that a driver may name; the theater that
    # all share is cleaned with the world.
    assert 60 <= len(cleaned) <= 65
