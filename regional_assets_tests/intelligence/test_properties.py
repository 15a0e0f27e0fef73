"""Whatever JSON the inputs hold, every region has a snapshot, and it is strict JSON."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regional_assets.intelligence import world as world_module
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.scoring import AXES
from regional_assets.intelligence.world import build_world
from regional_assets.store.wire import encode
from regional_assets_tests.support.built_in import COMPANION_KEYS, INPUT_KEYS, MODEL, REGION_IDS
from regional_assets_tests.support.worlds import NOW, as_previous, sample_values, snapshots_of

# Names that the readers look for, so that odd values come where they hurt.
NAMES = st.sampled_from(
    "_seed data fetchedAt ciiScores region combinedScore trend computedAt predictions probability "
    "projections h24 timeHorizon caseFile signals confidence chokepoints id threatLevel summaries "
    "hormuz wowChangePct todayTotal type severity theater detectedAt history timestamp alerts "
    "activeAlertCount verdict entries iso3 debtToGdp compositeScore DE importShare fillPct months "
    "daysOfCover icao name delayType closedIcaos restrictedIcaos reasons hexes lat lon level "
    "flights onGround updatedAt status __proto__".split()
)
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["Iran", "Levant", "IR", "high", "CRITICAL", "rising", "military", "7d", "1e999", "", "<\x00>",
     "\ud800", "hormuz", "2026-01-01", "9" * 400]
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=NOW - 10**9, max_value=NOW + 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([10**400, -(10**400), 1e308, -1e308])
    | TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | TEXTS, inner, max_size=5),
    max_leaves=25,
)


def mutated(value: Any, draw: st.DrawFn) -> Any:
    """A value in which some part, anywhere, is another value."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(value)))
        return {**value, name: mutated(value[name], draw)}
    if isinstance(value, list) and value and draw(st.booleans()):
        position = draw(st.integers(0, len(value) - 1))
        return [*value[:position], mutated(value[position], draw), *value[position + 1 :]]
    return draw(VALUES)


@st.composite
def stored_inputs(draw: st.DrawFn) -> dict[str, StoredValue]:
    """The sample world with some inputs replaced by anything, or changed somewhere inside."""
    stored = {key: StoredValue(value) for key, value in sample_values().items()}
    for key in draw(st.sets(st.sampled_from([*INPUT_KEYS, *COMPANION_KEYS]), max_size=5)):
        kind = draw(st.sampled_from(["bytes", "value", "mutated", "absent"]))
        if kind == "absent":
            stored.pop(key)
        elif kind == "bytes":
            stored[key] = StoredValue(draw(st.binary(max_size=30)))
        else:
            original = json.loads(stored[key].data or b"")
            value = draw(VALUES) if kind == "value" else mutated(original, draw)
            stored[key] = StoredValue(json.dumps(value).encode())
    return stored


def reject(name: str) -> Any:
    raise AssertionError(f"{name} is not strict JSON")


@given(stored_inputs())
@settings(max_examples=300, deadline=None)
def test_any_input_gives_strict_json_in_range(stored: dict[str, StoredValue]) -> None:
    world = build_world(MODEL, stored, NOW)
    for region, snapshot in snapshots_of(world).items():
        body = encode(snapshot.body)
        found = json.loads(body, parse_constant=reject)
        assert found["region_id"] == region
        assert all(0 <= found["balance"][axis] <= 1 for axis in AXES)
        for scenarios in found["scenario_sets"]:
            assert math.isclose(sum(x["probability"] for x in scenarios["lanes"]), 1, abs_tol=0.003)
        assert len(found["evidence"]) <= 30
        assert not set(b"<>\x00") & set(body)
        previous = as_previous(snapshot)
        assert previous is not None
        assert previous.label == found["regime"]["label"]


@given(stored_inputs())
@settings(max_examples=50, deadline=None)
def test_nothing_changes_between_two_equal_runs(stored: dict[str, StoredValue]) -> None:
    first = snapshots_of(build_world(MODEL, stored, NOW))
    second = snapshots_of(build_world(MODEL, stored, NOW), first, "t")
    for region in REGION_IDS:
        assert first[region].content.digest == second[region].content.digest
        assert second[region].changes.trigger_reason == "scheduled_6h"
        assert second[region].alerts == ()


@given(stored_inputs())
@settings(max_examples=150, deadline=None)
def test_records_are_read_alike_by_their_schema_and_field_by_field(
    stored: dict[str, StoredValue],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world_module, "DECODERS", {})
        expected = build_world(MODEL, stored, NOW)
    assert build_world(MODEL, stored, NOW) == expected
