"""The platform's readers, each with the plain Redis commands that CONSUMERS says it uses, find
what they need (sections 20.2, 20.3, 20.5, 20.6)."""

import json
import re
from typing import Any

import pytest
import redis

from regional_assets.runs.snapshots import take_snapshots
from regional_assets.runs.summary import update_summary
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.worlds import NOW, sample_values

REGIMES = (
    "calm stressed_equilibrium coercive_stalemate fragmentation_risk managed_deescalation "
    "escalation_ladder"
).split()
REASONS = "scheduled_6h regime_shift trigger_activation corridor_break leverage_shift".split()
EVIDENCE = (
    "vessel_track flight_surge news_headline cii_spike chokepoint_status sanctions_move "
    "market_signal mobility_disruption"
).split()

TEXT, NUMBER, BOOL = str, (int, float), bool
TEXTS = [TEXT]
DRIVER = {
    "axis": TEXT,
    "description": TEXT,
    "magnitude": NUMBER,
    "evidence_ids": TEXTS,
    "orientation": TEXT,
}
SECTION = {"text": TEXT, "evidence_ids": TEXTS}
TRIGGER = {
    "id": TEXT,
    "description": TEXT,
    "threshold": {
        "metric": TEXT,
        "operator": TEXT,
        "value": NUMBER,
        "window_minutes": NUMBER,
        "baseline": TEXT,
    },
    "activated": BOOL,
    "activated_at": NUMBER,
    "scenario_lane": TEXT,
    "evidence_ids": TEXTS,
}
SNAPSHOT: dict[str, Any] = {
    "region_id": TEXT,
    "generated_at": NUMBER,
    "meta": {
        "snapshot_id": TEXT,
        "model_version": TEXT,
        "scoring_version": TEXT,
        "geography_version": TEXT,
        "snapshot_confidence": NUMBER,
        "missing_inputs": TEXTS,
        "stale_inputs": TEXTS,
        "valid_until": NUMBER,
        "trigger_reason": TEXT,
        "narrative_provider": TEXT,
        "narrative_model": TEXT,
    },
    "regime": {
        "label": TEXT,
        "previous_label": TEXT,
        "transitioned_at": NUMBER,
        "transition_driver": TEXT,
    },
    "balance": {
        **dict.fromkeys(
            "coercive_pressure domestic_fragility capital_stress energy_vulnerability "
            "alliance_cohesion maritime_access energy_leverage net_balance".split(),
            NUMBER,
        ),
        "pressures": [DRIVER],
        "buffers": [DRIVER],
    },
    "actors": [
        {
            "actor_id": TEXT,
            "name": TEXT,
            "role": TEXT,
            "leverage_domains": TEXTS,
            "leverage_score": NUMBER,
            "delta": NUMBER,
            "evidence_ids": TEXTS,
        }
    ],
    "leverage_edges": [],
    "scenario_sets": [
        {
            "horizon": TEXT,
            "lanes": [
                {
                    "name": TEXT,
                    "probability": NUMBER,
                    "trigger_ids": TEXTS,
                    "consequences": TEXTS,
                    "transmissions": [],
                }
            ],
        }
    ],
    "transmission_paths": [
        {
            "start": TEXT,
            "mechanism": TEXT,
            "end": TEXT,
            "severity": TEXT,
            "corridor_id": TEXT,
            "confidence": NUMBER,
            "latency_hours": NUMBER,
            "impacted_asset_class": TEXT,
            "impacted_regions": TEXTS,
            "magnitude_low": NUMBER,
            "magnitude_high": NUMBER,
            "magnitude_unit": TEXT,
            "template_id": TEXT,
            "template_version": TEXT,
        }
    ],
    "triggers": {"active": [TRIGGER], "watching": [TRIGGER], "dormant": [TRIGGER]},
    "mobility": {
        "airspace": [{"airspace_id": TEXT, "status": TEXT, "reason": TEXT}],
        "flight_corridors": [],
        "airports": [{"icao": TEXT, "name": TEXT, "status": TEXT, "disruption_reason": TEXT}],
        "reroute_intensity": NUMBER,
        "notam_closures": TEXTS,
    },
    "evidence": [
        {
            "id": TEXT,
            "type": TEXT,
            "source": TEXT,
            "summary": TEXT,
            "confidence": NUMBER,
            "observed_at": NUMBER,
            "theater": TEXT,
            "corridor": TEXT,
        }
    ],
    "narrative": {
        "situation": SECTION,
        "balance_assessment": SECTION,
        "outlook_24h": SECTION,
        "outlook_7d": SECTION,
        "outlook_30d": SECTION,
        "watch_items": [SECTION],
    },
}


def mismatches(shape: Any, value: Any, path: str = "") -> list[str]:
    """Where `value` is not of exactly this shape, fields in this order."""
    if isinstance(shape, dict):
        if not isinstance(value, dict) or list(value) != list(shape):
            return [f"{path}: {value!r}"]
        return [m for name in shape for m in mismatches(shape[name], value[name], f"{path}.{name}")]
    if isinstance(shape, list):
        if not isinstance(value, list) or (value and not shape):
            return [f"{path}: {value!r}"]
        return [m for item in value for m in mismatches(shape[0], item, f"{path}[]")]
    wrong = not isinstance(value, shape) or (isinstance(value, bool) and shape is not BOOL)
    return [f"{path}: {value!r}"] if wrong else []


def text(value: Any) -> str:
    assert isinstance(value, bytes)
    return value.decode()


@pytest.fixture
def client(store: SnapshotStore) -> redis.Redis:
    """A server after a run on the samples, and the summary."""
    store.write_inputs(sample_values())
    assert take_snapshots(store, REGION_IDS, NOW).failed == ()
    update_summary(store, NOW)
    return store.client


def test_the_panel_reads_a_snapshot(client: redis.Redis) -> None:
    seen: dict[str, int] = {}
    for region in REGION_IDS:
        assert re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", region)
        id = text(client.get(f"intelligence:snapshot:v1:{region}:latest"))
        assert not id.startswith('"')
        found = json.loads(client.get(f"intelligence:snapshot-by-id:v1:{id}") or b"")
        # Fields of our own come after those that readers know.
        assert list(found["meta"])[-2:] == ["no_source", "axis_confidence"]
        assert found["meta"].pop("no_source") == []
        assert set(found["meta"].pop("axis_confidence").values()) == {1.0}
        assert mismatches(SNAPSHOT, found) == []
        assert found["region_id"] == region
        assert found["meta"]["snapshot_id"] == id
        assert found["regime"]["label"] in REGIMES
        assert found["meta"]["trigger_reason"] in REASONS
        assert [s["horizon"] for s in found["scenario_sets"]] == ["24h", "7d", "30d"]
        for scenarios in found["scenario_sets"]:
            lanes = [lane["name"] for lane in scenarios["lanes"]]
            assert lanes == ["base", "escalation", "containment", "fragmentation"]
        assert {e["type"] for e in found["evidence"]} <= set(EVIDENCE)
        assert {a["role"] for a in found["actors"]} <= {
            "aggressor", "stabilizer", "swing", "broker",
        }  # fmt: skip
        assert {a["status"] for a in found["mobility"]["airports"]} <= {"disrupted", "closed"}
        for name in ("actors", "transmission_paths", "evidence"):
            seen[name] = seen.get(name, 0) + len(found[name])
        for name in ("airspace", "airports", "notam_closures"):
            seen[name] = seen.get(name, 0) + len(found["mobility"][name])
    # The samples show something of everything.
    assert all(seen.values()), seen


def test_the_history_reader(client: redis.Redis) -> None:
    shape = {
        "region_id": TEXT,
        "label": TEXT,
        "previous_label": TEXT,
        "transitioned_at": NUMBER,
        "transition_driver": TEXT,
        "snapshot_id": TEXT,
    }
    labels = {}
    for region in REGION_IDS:
        for entry in client.lrange(f"intelligence:regime-history:v1:{region}", 0, 49):
            transition = json.loads(entry)
            assert mismatches(shape, transition) == []
            assert transition["previous_label"] == ""
            labels[region] = transition["label"]
    # Calm regions have no entry for their first snapshot.
    assert labels == {
        "mena": "coercive_stalemate",
        "europe": "managed_deescalation",
        "south-asia": "stressed_equilibrium",
    }


def test_the_health_check(client: redis.Redis) -> None:
    data, meta = (
        "intelligence:regional-snapshots:summary:v1",
        "seed-meta:intelligence:regional-snapshots",
    )
    assert client.strlen(data) > 0
    assert client.strlen(data) != 10
    found = json.loads(client.get(meta) or b"")
    assert found == {"fetchedAt": NOW, "recordCount": len(REGION_IDS)}
    for key in (data, meta):
        assert 86_395 <= client.ttl(key) <= 86_400
    summary = json.loads(client.get(data) or b"")
    assert summary["generatedAt"] == NOW
    assert [row["region"] for row in summary["regions"]] == list(REGION_IDS)
    assert summary["regions"][0] == {
        "region": "mena",
        "regime": "coercive_stalemate",
        "confidence": 1.0,
        "active_triggers": 3,
        "trigger_reason": "regime_shift",
    }


def test_the_notification_relay(client: redis.Redis) -> None:
    messages = []
    while message := client.rpop("wm:events:queue"):
        messages.append(json.loads(text(message)))
    # First in, first out, in the order of the specification within a region.
    mena = [m for m in messages if m["payload"]["region_id"] == "mena"]
    assert [m["eventType"] for m in mena] == [
        "regional_regime_shift",
        *["regional_trigger_activation"] * 3,
    ]
    shape = {
        "eventType": TEXT,
        "severity": TEXT,
        "payload": {
            "title": TEXT,
            "region_id": TEXT,
            "snapshot_id": TEXT,
            "triggered_at": NUMBER,
            "details": dict,
        },
        "publishedAt": NUMBER,
    }
    for found in messages:
        assert mismatches(shape, found) == []
        assert found["severity"] in ("critical", "high")
        assert found["payload"]["region_id"] in REGION_IDS
    assert len(messages) == 3 + 3 + 1
