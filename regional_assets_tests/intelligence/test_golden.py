"""The golden cases, on the model that they were made with: every compared field, both steps, all
regions; in their plain shapes and rewritten into the shapes that live writers write. And what the
built-in model of today gives on the sample world."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from regional_assets.intelligence.model_file import read_model
from regional_assets.intelligence.snapshot import Snapshot
from regional_assets.intelligence.world import build_world
from regional_assets.store.wire import encode
from regional_assets_tests.support.live_shapes import as_live
from regional_assets_tests.support.sample_record import RECORD, sample_record
from regional_assets_tests.support.worlds import (
    GOLDEN,
    Case,
    encoded,
    golden_cases,
    snapshots_of,
    stored_body,
)

CASES = list(golden_cases())
SCORING = "6b86e74cbafd006ee6bf76fdb9de54472642a16460e1eb28cc049f6eb700ee32"
GEOGRAPHY = "d23d7066c64da77373d69db057cbdf5d8b2674b7dac6595f88a235e2d7b2b623"
PINNED = read_model((GOLDEN / "model.toml").read_text(encoding="utf-8"))


def differences(expected: Any, found: Any, path: str) -> list[str]:
    """Where `found` differs from what is expected of it; it may say more than that."""
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return [f"{path}: {found!r}"]
        return [
            difference
            for name, value in expected.items()
            for difference in (
                differences(value, found[name], f"{path}.{name}")
                if name in found
                else [f"{path}.{name} is absent"]
            )
        ]
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return [f"{path}: {found!r}, not {expected!r}"]
        return [
            difference
            for position, (a, b) in enumerate(zip(expected, found, strict=True))
            for difference in differences(a, b, f"{path}[{position}]")
        ]
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        close = isinstance(found, int | float) and abs(expected - found) <= 1e-9
        return [] if close else [f"{path}: {found!r}, not {expected!r}"]
    return [] if expected == found else [f"{path}: {found!r}, not {expected!r}"]


def as_json(value: object) -> Any:
    return json.loads(encode(value))


def said(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot in the shape of the golden cases."""
    messages = as_json(snapshot.alerts)
    return {
        "snapshot": stored_body(snapshot),
        "diff": as_json(snapshot.changes) | {"reroute_waves": None, "mobility_disruptions": []},
        "alerts": [
            {
                "eventType": message["eventType"],
                "severity": message["severity"],
                "region_id": message["payload"]["region_id"],
                "triggered_at": message["payload"]["triggered_at"],
                "details": message["payload"]["details"],
            }
            for message in messages
        ],
        "history": as_json(snapshot.history_entry),
    }


@pytest.mark.parametrize("rewrite", [dict, as_live], ids=["plain", "live"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden_case(case: Case, rewrite: Callable[[dict[str, str]], dict[str, str]]) -> None:
    previous: dict[str, Snapshot] = {}
    found = []
    for number, step in enumerate(case.steps):
        previous = snapshots_of(
            build_world(PINNED, encoded(rewrite(step.inputs)), step.now), previous
        )
        assert step.expected
        for region, expected in step.expected.items():
            found += differences(expected, said(previous[region]), f"step {number} {region}")
    assert found == []


def test_the_pinned_model_is_the_one_of_the_cases() -> None:
    """What is off in it leaves these digests alone: a switch that a later version adds, a term of
    weight 0. Everything else that moves a number moves them."""
    assert PINNED.stored_versions["scoring_version"] == "1.2.0"
    assert PINNED.stored_versions["geography_version"] == "1.0.0"
    assert PINNED.scoring_digest == SCORING
    assert PINNED.geography_digest == GEOGRAPHY


def test_the_comparison_sees_a_difference() -> None:
    expected = CASES[0].steps[0].expected["mena"]["snapshot"]
    changed = json.loads(json.dumps(expected))
    changed["balance"]["net_balance"] += 1e-6
    del changed["meta"]["valid_until"]
    changed["evidence"].pop()
    assert len(differences(expected, changed, "mena")) == 3


def test_the_built_in_model_gives_what_is_on_record() -> None:
    """`make golden` writes the record anew; whoever does so reads the difference."""
    assert sample_record() == RECORD.read_text(encoding="utf-8")
