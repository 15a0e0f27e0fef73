"""The golden cases: every compared field, both steps, all regions; in their plain shapes and
rewritten into the shapes that live writers write."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from regional_assets.intelligence import world as world_module
from regional_assets.intelligence.snapshot import Snapshot
from regional_assets.intelligence.world import build_world
from regional_assets_tests.support.built_in import MODEL, VERSIONS
from regional_assets_tests.support.live_shapes import as_live
from regional_assets_tests.support.worlds import (
    Case,
    encoded,
    golden_cases,
    snapshots_of,
    stored_body,
)

CASES = list(golden_cases())


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


def said(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot in the shape of the golden cases."""
    messages = [
        alert.as_json(snapshot.content.region_id, snapshot.snapshot_id, snapshot.generated_at)
        for alert in snapshot.alerts
    ]
    return {
        "snapshot": stored_body(snapshot),
        "diff": snapshot.changes.as_json(),
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
        "history": snapshot.history_entry,
    }


@pytest.mark.parametrize("rewrite", [dict, as_live], ids=["plain", "live"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden_case(
    case: Case,
    rewrite: Callable[[dict[str, str]], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    previous: dict[str, Snapshot] = {}
    found = []
    for number, step in enumerate(case.steps):
        # Inputs and triggers that are newer than the cases leave them alone; lost ones fail them.
        missing = {
            key for e in step.expected.values() for key in e["snapshot"]["meta"]["missing_inputs"]
        }
        inputs = [spec for spec in MODEL.inputs if spec.key in missing | step.inputs.keys()]
        monkeypatch.setattr(world_module, "MODEL.inputs", inputs)
        world = build_world(MODEL, encoded(rewrite(step.inputs)), step.now)
        known = {
            trigger["id"]
            for region in step.expected.values()
            for listed in region["snapshot"]["triggers"].values()
            for trigger in listed
        }
        triggers = [trigger for trigger in MODEL.applicable_triggers if trigger.id in known]
        previous = snapshots_of(world, previous, triggers=triggers)
        assert step.expected
        for region, expected in step.expected.items():
            # The cases hold for every version with their numbers; SPEC 5.1 names the versions.
            expected["snapshot"]["meta"] |= VERSIONS
            found += differences(expected, said(previous[region]), f"step {number} {region}")
    assert found == []


def test_the_comparison_sees_a_difference() -> None:
    expected = CASES[0].steps[0].expected["mena"]["snapshot"]
    changed = json.loads(json.dumps(expected))
    changed["balance"]["net_balance"] += 1e-6
    del changed["meta"]["valid_until"]
    changed["evidence"].pop()
    assert len(differences(expected, changed, "mena")) == 3
