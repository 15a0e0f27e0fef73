"""A month of snapshots in a store, of inputs that change from run to run."""

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.worlds import KEY, sample_values

HOUR = 3_600_000


def live_through(store: SnapshotStore, now: int, days: int = 30, runs_a_day: int = 4) -> None:
    """Takes the snapshots of all regions as a schedule does, the last ones at `now` (ms)."""
    count = days * runs_a_day
    for left in reversed(range(count)):
        at = now - left * 24 * HOUR // runs_a_day
        store.write_inputs(tenser(sample_values(at), 1 - left / count))
        assert take_snapshots(store, REGION_IDS, at, force=True).failed == ()


def tenser(values: Mapping[str, bytes], progress: float) -> dict[str, bytes]:
    """The inputs on the way to the samples: at 1 they are these, but for a place that nobody knows
    and a feed that is late; before, calmer, up and down."""
    found: dict[str, Any] = {key: json.loads(value) for key, value in values.items()}
    wave = min(1.0, max(0.0, progress + 0.12 * math.sin(23 * progress)))
    signals, forecasts = (
        found[KEY[name]]["data"] for name in ("cross_source_signals", "forecasts")
    )
    signals["signals"] = signals["signals"][: 1 + round(wave * len(signals["signals"]))]
    signals["signals"][-1]["theater"] = "Atlantis"
    predictions = forecasts["predictions"]
    forecasts["predictions"] = predictions[: 2 + round(wave * len(predictions))]
    for score in found[KEY["risk_scores"]]["ciiScores"]:
        score["combinedScore"] = round(score["combinedScore"] * (0.8 + 0.15 * wave))
    for summary in found[KEY["transit_summaries"]]["data"]["summaries"].values():
        summary["todayTotal"] = round(summary["todayTotal"] * (1.3 - 0.55 * wave))
    if progress < 1:
        for chokepoint in found[KEY["chokepoints"]]["chokepoints"]:
            chokepoint["warRiskTier"] = "WAR_RISK_TIER_ELEVATED"
            chokepoint["status"] = "yellow" if wave > 0.6 else "green"
        found[KEY["oref_alerts"]]["data"]["history"] = []
    else:
        late = datetime.fromisoformat(found[KEY["stress_index"]]["seededAt"]) - timedelta(hours=4)
        found[KEY["stress_index"]]["seededAt"] = late.isoformat()
    return {key: json.dumps(value).encode() for key, value in found.items()}
