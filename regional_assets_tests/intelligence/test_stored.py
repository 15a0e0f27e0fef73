"""The schema of stored snapshots takes what the platform's readers take, and nothing else."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from regional_assets.intelligence.diff import read_previous
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.snapshot import Snapshot, complete
from regional_assets.intelligence.stored import (
    NO_NARRATIVE,
    Alert,
    BodyError,
    Passage,
    read_body,
    read_transition,
)
from regional_assets.intelligence.text import visible
from regional_assets.intelligence.world import build_world
from regional_assets.store.wire import encode
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.worlds import (
    Case,
    content_of,
    golden_cases,
    sample_world,
    snapshot_of,
    snapshots_of,
    stored_body,
)

# CONSUMERS 20.2: a reader puts "" in the place of these.
OPTIONAL = {
    *("model_version", "scoring_version", "geography_version"),
    *("narrative_provider", "narrative_model", "theater", "corridor", "corridor_id"),
}

# Fields that no reader knows, and the items of lists.
FREE = {"weight", "of", 0}


def old_body() -> dict[str, Any]:
    """A snapshot as the platform's earlier job wrote it: every list of CONSUMERS 20.2 with an
    item, and a field that no reader knows."""
    body = stored_body(snapshot_of(sample_world(), "mena", snapshot_id="old"))
    body["meta"]["scoring_version"] = "1.1.0"
    path = body["transmission_paths"][0]
    path["severity"] = "low"
    body["scenario_sets"][0]["lanes"][0] |= {
        "consequences": ["dearer oil"],
        "transmissions": [path],
    }
    body["leverage_edges"] = [
        {
            "from_actor_id": "iran",
            "to_actor_id": "iraq",
            "mechanism": "energy",
            "strength": 0.4,
            "evidence_ids": [],
        }
    ]
    body["mobility"]["flight_corridors"] = [
        {"corridor": "Gulf", "stress_level": "high", "rerouted_flights_24h": 3}
    ]
    body["mobility"]["airports"] = [
        {"icao": "OIIE", "name": "Tehran", "status": "closed", "disruption_reason": ""}
    ]
    body["narrative"]["watch_items"] = [{"text": "watch", "evidence_ids": ["x"]}]
    body["balance"]["pressures"][0]["weight"] = {"of": [1]}
    return body


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every field of a JSON value, of lists of their first item."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1])
    for name, part in inner:
        yield (*path, name)
        if isinstance(part, dict | list):
            yield from places(part, (*path, name))


def accepted(body: dict[str, Any]) -> bool:
    try:
        read_body("mena", "old", encode(body))
    except BodyError:
        return False
    # What is a snapshot can be compared with, too.
    read_previous("mena", "old", encode(body), MODEL.stored_versions)
    return True


def test_a_snapshot_of_the_earlier_job_is_one() -> None:
    body = old_body()
    assert accepted(body)
    read = read_body("mena", "old", encode(body))
    assert read.meta.scoring_version == "1.1.0"
    assert read.narrative.texts() == ["watch"]


def test_everything_that_readers_need_is_required() -> None:
    whole = old_body()
    absent: set[Any] = set()
    wrong: set[Any] = set()
    # Where a list is expected, [None] is one of the wrong items.
    for path in places(whole):
        *parents, last = path
        for value, found in ((None, absent), ([None], wrong)):
            body = copy.deepcopy(whole)
            part = body
            for name in parents:
                part = part[name]
            if value is None and isinstance(last, str):
                del part[last]
            else:
                part[last] = value
            if accepted(body):
                found.add(last)
    assert absent == OPTIONAL | FREE
    assert wrong == FREE


@pytest.mark.parametrize("case", list(golden_cases()), ids=lambda case: case.name)
def test_what_a_run_stores_is_a_snapshot(case: Case) -> None:
    previous: dict[str, Snapshot] = {}
    for step in case.steps:
        inputs = {
            key: StoredValue(value.encode("utf-8", "replace")) for key, value in step.inputs.items()
        }
        previous = snapshots_of(build_world(MODEL, inputs, step.now), previous)
        for region, snapshot in previous.items():
            body = read_body(region, snapshot.snapshot_id, encode(snapshot.body))
            assert body == snapshot.body
            for alert in snapshot.alerts:
                assert msgspec.json.decode(encode(alert), type=Alert) == alert
            if snapshot.history_entry:
                entry = read_transition(region, encode(snapshot.history_entry))
                assert entry == snapshot.history_entry


def test_a_narrated_snapshot_is_what_is_read_of_it() -> None:
    passage = Passage("Tense → calm.", ("chokepoint:hormuz",))
    narrative = replace(NO_NARRATIVE, situation=passage, watch_items=(passage,) * 3)
    content = content_of(sample_world(), "mena")
    snapshot = complete(content, None, "s", narrative, provider="good", model_name="m")
    body = read_body("mena", "s", encode(snapshot.body))
    assert body == snapshot.body
    assert body.narrative == narrative
    assert (body.meta.narrative_provider, body.meta.narrative_model) == ("good", "m")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("net_balance", "1e400"),
        ("net_balance", "NaN"),
        ("net_balance", "-1.001"),
        ("capital_stress", "1.001"),
        ("capital_stress", "true"),
        ("capital_stress", "-0.001"),
    ],
)
def test_numbers_are_finite_and_in_range(path: str, value: str) -> None:
    body = old_body()
    body["balance"][path] = "HERE"
    with pytest.raises(BodyError, match="not a snapshot"):
        read_body("mena", "old", json.dumps(body).replace('"HERE"', value).encode())


def test_what_steers_a_terminal_is_made_visible() -> None:
    assert visible("a\x1b[2J\x9b\u202e\u2066\u200f\u200b\ufeff\n\x00\ud83d") == (
        r"a\x1b[2J\x9b\u202e\u2066\u200f\u200b\ufeff\n\x00\ud83d"
    )
    plain = "Côte d'Ivoire → 日本 \u00a0 🚢 [x] `y`"
    assert visible(plain) == plain
