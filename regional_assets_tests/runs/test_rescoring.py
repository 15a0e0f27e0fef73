"""A change of versions is no news: no alert and no history entry. Later changes are news again
(SPEC 5)."""

import json
from typing import Any

import pytest

from regional_assets.intelligence.model import (
    GEOGRAPHY_VERSION,
    MODEL_VERSION,
    SCORING_VERSION,
)
from regional_assets.runs.snapshots import RegionResult, take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.stored import (
    bodies,
    indexed,
    latest_id,
    listed,
    put_body,
    set_version,
)
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import NOW, quiet_values, sample_values


def stored(store: SnapshotStore, region: str) -> dict[str, Any]:
    [body] = bodies(store.client, [latest_id(store.client, region) or ""])
    found: dict[str, Any] = json.loads(body)
    return found


def take(store: SnapshotStore, now: int) -> RegionResult:
    [result] = take_snapshots(store, ["mena"], now).regions
    assert result.outcome == "written"
    return result


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("scoring_version", "1.1.0", f"scoring_version 1.1.0 → {SCORING_VERSION}"),
        ("model_version", "0.0.9", f"model_version 0.0.9 → {MODEL_VERSION}"),
        ("geography_version", None, f"geography_version none → {GEOGRAPHY_VERSION}"),
    ],
)
def test_another_version_is_no_news(
    store: SnapshotStore, name: str, version: str | None, said: str
) -> None:
    store.write_inputs(quiet_values())
    calm = take(store, NOW)
    assert calm.snapshot
    assert calm.snapshot.content.said.regime.label == "calm"
    set_version(store.client, "mena", name, version)
    store.write_inputs(sample_values())
    result = take(store, NOW + 1)
    assert result.alerts_queued == 0
    assert result.snapshot
    assert result.snapshot.changes.rescored == (said,)
    assert listed(store.client, keys.alert_queue) == []
    assert listed(store.client, keys.regime_history("mena")) == []
    found = stored(store, "mena")
    assert found["meta"]["trigger_reason"] == "rescored"
    # What the region has come to is stored all the same.
    assert found["regime"] == {
        "label": "coercive_stalemate",
        "previous_label": "calm",
        "transitioned_at": NOW + 1,
        "transition_driver": "rescored",
    }
    assert len(found["triggers"]["active"]) == 3
    assert store.verify(["mena"], NOW + 1) == {"mena": []}

    # The next change is news again, and what was stored agrees.
    store.write_inputs(quiet_values())
    back = take(store, NOW + 2)
    assert back.snapshot
    assert back.snapshot.changes.trigger_reason == "regime_shift"
    [entry] = map(json.loads, listed(store.client, keys.regime_history("mena")))
    assert (entry["previous_label"], entry["label"]) == ("coercive_stalemate", "calm")
    assert back.alerts_queued == len(back.snapshot.alerts) > 0
    assert store.verify(["mena"], NOW + 2) == {"mena": []}


def test_the_same_versions_are_news(store: SnapshotStore) -> None:
    store.write_inputs(quiet_values())
    take(store, NOW)
    store.write_inputs(sample_values())
    shift_triggers_and_a_buffer = 1 + 3 + 1
    assert take(store, NOW + 1).alerts_queued == shift_triggers_and_a_buffer
    assert stored(store, "mena")["meta"]["trigger_reason"] == "regime_shift"


def test_a_rescored_region_has_a_gap_in_its_history_that_agrees(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    take(store, NOW)
    set_version(store.client, "mena", "scoring_version", "1.1.0")
    store.write_inputs(quiet_values())
    take(store, NOW + 1)
    store.write_inputs(sample_values())
    take(store, NOW + 2)
    changes = [json.loads(e) for e in listed(store.client, keys.regime_history("mena"))]
    assert [(c["previous_label"], c["label"]) for c in changes] == [
        ("", "coercive_stalemate"),
        ("calm", "coercive_stalemate"),
    ]
    assert store.verify(["mena"], NOW + 2) == {"mena": []}
    # The same gap without a rescored snapshot in it is reported.
    rescored = indexed(store.client, "mena")[1]
    [body] = bodies(store.client, [rescored])
    put_body(store.client, "mena", rescored, body.replace(b"rescored", b"regime_shift"))
    lacking, gap = store.verify(["mena"], NOW + 2)["mena"]
    assert f"lacks the change to calm by {rescored}" in lacking
    assert "has a gap" in gap


def test_a_region_that_is_rescored_in_the_moment_of_a_change_agrees(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    take(store, NOW)
    set_version(store.client, "mena", "scoring_version", "1.1.0")
    store.write_inputs(quiet_values())
    take(store, NOW)
    assert store.verify(["mena"], NOW) == {"mena": []}


def test_switching_over_from_the_old_job_raises_nothing(store: SnapshotStore) -> None:
    """Every region's latest is of scoring version 1.1.0, with content of its own."""
    store.write_inputs(quiet_values())
    take_snapshots(store, REGION_IDS, NOW)
    for region in REGION_IDS:
        set_version(store.client, region, "scoring_version", "1.1.0")
        store.client.delete(keys.confirmed(region), keys.index(region))
    store.write_inputs(sample_values())
    results = take_snapshots(store, REGION_IDS, NOW + 1).regions
    assert [r.outcome for r in results] == ["written"] * len(REGION_IDS)
    assert listed(store.client, keys.alert_queue) == []
    for region in REGION_IDS:
        assert listed(store.client, keys.regime_history(region)) == []
        assert stored(store, region)["meta"]["trigger_reason"] == "rescored"
