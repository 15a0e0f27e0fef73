"""Delta triggers and their trailing baselines (SPEC 4 and 7)."""

from typing import Any

import pytest

from regional_assets.intelligence.baselines import Observation, trailing_mean
from regional_assets.intelligence.triggers import TRAILING_TRIGGERS, History
from regional_assets.intelligence.world import World
from regional_assets_tests.support.worlds import NOW, picture_of, world_of

HOUR = 3_600_000
DAY = 24 * HOUR
HORMUZ = "hormuz_transit_drop"


def observed(*values: float, every: int = 6 * HOUR) -> list[Observation]:
    """Observations of those values, the last of them one step before now."""
    return [(NOW - (len(values) - i) * every, value) for i, value in enumerate(values)]


def states(world: World, history: History | None = None) -> dict[str, str]:
    return {r.trigger.id: r.state for r in picture_of(world, "mena", history).triggers}


def strait(today: float | None) -> World:
    summaries: dict[str, Any] = {} if today is None else {"hormuz": {"todayTotal": today}}
    return world_of(
        chokepoints={"chokepoints": [{"id": "hormuz"}]},
        transit_summaries={"summaries": summaries},
    )


@pytest.mark.parametrize(
    ("today", "state"), [(79, "active"), (80, "watching"), (84, "watching"), (85, "dormant")]
)
def test_a_relative_drop_against_a_trailing_baseline(today: float, state: str) -> None:
    world = strait(today)
    assert states(world, {HORMUZ: observed(*[90.0, 110.0] * 4)})[HORMUZ] == state
    assert states(world)[HORMUZ] == "dormant"
    assert states(world, {HORMUZ: observed(*[0.0] * 8)})[HORMUZ] == "dormant"


def test_a_feed_that_is_silent_is_no_blockade() -> None:
    assert states(strait(None), {HORMUZ: observed(*[100.0] * 8)})[HORMUZ] == "dormant"


def test_a_rise_against_a_trailing_baseline() -> None:
    world = world_of(risk_scores={"ciiScores": [{"region": "IR", "combinedScore": 60}]})
    for baseline, state in ((44.0, "active"), (45.0, "watching"), (49.0, "dormant")):
        history = {"iran_cii_spike": observed(*[baseline] * 8)}
        assert states(world, history)["iran_cii_spike"] == state


def test_the_metrics_that_are_available_are_what_a_commit_observes() -> None:
    values = {r.trigger.id: r.value for r in picture_of(strait(38), "mena").triggers}
    assert values[HORMUZ] == 38
    assert values["iran_cii_spike"] is None
    assert values["oref_cluster"] == 0


def test_every_trailing_trigger_compares_a_difference() -> None:
    assert {t.id for t in TRAILING_TRIGGERS} == {
        HORMUZ,
        "iran_cii_spike",
        "russia_naval_buildup",
    }
    assert all(t.operator.startswith("delta_") for t in TRAILING_TRIGGERS)


def test_the_baseline_is_the_mean_of_the_window() -> None:
    inside = observed(*range(1, 9))
    assert trailing_mean(inside, "trailing_7d", NOW) == 4.5
    # The window begins with its first moment and ends before this run.
    edge = [(NOW - 7 * DAY, 13.5)]
    outside = [(NOW - 7 * DAY - 1, 1000.0), (NOW, 1000.0), (NOW + 1, 1000.0)]
    assert trailing_mean([*edge, *inside, *outside], "trailing_7d", NOW) == 5.5


def test_eight_observations_at_least() -> None:
    assert trailing_mean(observed(*[1.0] * 7, every=DAY), "trailing_7d", NOW) is None
    assert trailing_mean(observed(*[1.0] * 8, every=DAY // 2), "trailing_7d", NOW) == 1


@pytest.mark.parametrize(("window", "days"), [("trailing_7d", 7), ("trailing_30d", 30)])
def test_a_quarter_of_the_window_at_least(window: Any, days: int) -> None:
    step = days * DAY // 4 // 8
    assert trailing_mean(observed(*[1.0] * 9, every=step), window, NOW) == 1
    assert trailing_mean(observed(*[1.0] * 9, every=step - 1), window, NOW) is None
