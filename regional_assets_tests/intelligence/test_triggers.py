"""Delta triggers and their trailing baselines (SPEC 4 and 7)."""

from typing import Any

import pytest
from msgspec.structs import replace

from regional_assets.intelligence.baselines import Observation, trailing_mean
from regional_assets.intelligence.model import SCORING_VERSION, StatedVersions
from regional_assets.intelligence.model_checks import checked
from regional_assets.intelligence.snapshot import assess, region_content
from regional_assets.intelligence.triggers import History, Trigger, TriggerError
from regional_assets.intelligence.world import World
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.worlds import NOW, content_of, world_of

HOUR = 3_600_000
DAY = 24 * HOUR
HORMUZ = "hormuz_transit_drop"
RULES = MODEL.scoring.triggers


def observed(*values: float, every: int = 6 * HOUR) -> list[Observation]:
    """Observations of those values, the last of them one step before now."""
    return [(NOW - (len(values) - i) * every, value) for i, value in enumerate(values)]


def states(world: World, history: History | None = None) -> dict[str, str]:
    return {r.trigger.id: r.state for r in content_of(world, "mena", history).triggers}


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
    values = {r.trigger.id: r.value for r in content_of(strait(38), "mena").triggers}
    assert values[HORMUZ] == 38
    assert values["iran_cii_spike"] is None
    assert values["oref_cluster"] == 0


def test_every_trailing_trigger_compares_a_difference() -> None:
    assert {t.id for t in MODEL.trailing_triggers} >= {
        HORMUZ,
        "iran_cii_spike",
        "russia_naval_buildup",
    }
    compared = [t for t in MODEL.applicable_triggers if t.operator.startswith("delta_")]
    assert compared == list(MODEL.trailing_triggers)


def test_the_baseline_is_the_mean_of_the_window() -> None:
    inside = observed(*range(1, 9))
    assert trailing_mean(inside, "trailing_7d", NOW, RULES) == 4.5
    # The window begins with its first moment and ends before this run.
    edge = [(NOW - 7 * DAY, 13.5)]
    outside = [(NOW - 7 * DAY - 1, 1000.0), (NOW, 1000.0), (NOW + 1, 1000.0)]
    assert trailing_mean([*edge, *inside, *outside], "trailing_7d", NOW, RULES) == 5.5


def test_eight_observations_at_least() -> None:
    assert trailing_mean(observed(*[1.0] * 7, every=DAY), "trailing_7d", NOW, RULES) is None
    assert trailing_mean(observed(*[1.0] * 8, every=DAY // 2), "trailing_7d", NOW, RULES) == 1


@pytest.mark.parametrize(("window", "days"), [("trailing_7d", 7), ("trailing_30d", 30)])
def test_a_quarter_of_the_window_at_least(window: Any, days: int) -> None:
    step = days * DAY // 4 // 8
    assert trailing_mean(observed(*[1.0] * 9, every=step), window, NOW, RULES) == 1
    assert trailing_mean(observed(*[1.0] * 9, every=step - 1), window, NOW, RULES) is None


def test_the_stored_texts_of_the_metrics() -> None:
    assert {t.id: t.metric for t in MODEL.applicable_triggers} == {
        "hormuz_transit_drop": "chokepoint:hormuz:transit_count",
        "iran_cii_spike": "cii:IR:combined_score",
        "red_sea_critical": "chokepoint:babelm:threat_level",
        "mena_coercive_high": "balance:mena:coercive_pressure",
        "oref_cluster": "oref:active_alerts_count",
        "taiwan_tension_high": "chokepoint:taiwan_strait:threat_level",
        "russia_naval_buildup": "theater:eastern_europe:russia_vessel_count",
        "european_capital_stress": "balance:europe:capital_stress",
    }


def watching(region: str, metric: str) -> Trigger:
    return Trigger("x", region, "escalation", metric, "gte", 0.5, 60, "fixed", "X")


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (
            watching("mena", "balance:atlantis:capital_stress"),
            "x.metric: unknown region 'atlantis'; there are",
        ),
        (watching("mena", "balance:mena:morale"), "x.metric: unknown axis 'morale'"),
        (
            watching("mena", "chokepoint:hormuz_strait:threat_level"),
            "x.metric: unknown chokepoint 'hormuz_strait'; .* hormuz,",
        ),
        (
            watching("mena", "chokepoint:kiel:transit_count"),
            "x.metric: unknown chokepoint 'kiel'",
        ),
        (watching("mena", "cii:QQ:combined_score"), "x.metric: unknown country 'QQ'"),
        (
            watching("mena", "theater:eastern:russia_vessel_count"),
            "x.metric: unknown theater 'eastern'",
        ),
        (watching("mena", "morale:mena"), "x.metric: unknown metric 'morale:mena'; a metric is"),
        (
            replace(MODEL.applicable_triggers[0], region="atlantis"),
            "hormuz_transit_drop.region: unknown region 'atlantis'",
        ),
    ],
)
def test_a_name_that_nothing_has_is_refused(trigger: Trigger, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        checked(replace(MODEL, triggers=(trigger,)))


def watched(world: World, *triggers: Trigger) -> World:
    """The same world, of a model with these triggers that states the version of the built-in."""
    stated = StatedVersions(scoring=SCORING_VERSION)
    return replace(world, model=replace(MODEL, versions=stated, triggers=triggers))


def test_a_trigger_of_one_region_on_the_axis_of_another() -> None:
    world = world_of(macro_signals={"verdict": "CASH"}, stress_index={"compositeScore": 100})
    [stress] = {content_of(world, r).said.balance.capital_stress for r in ("mena", "latam")}
    trigger = replace(watching("latam", "balance:mena:capital_stress"), value=stress)
    assessment = assess(watched(world, trigger))
    contents = {region: region_content(assessment, region) for region in REGION_IDS}
    [reading] = contents["latam"].triggers
    assert (reading.value, reading.state) == (stress, "active")
    assert contents["mena"].triggers == ()


class Breaking(dict[str, Any]):
    """What belongs to regions; of one of them it cannot be had."""

    def get(self, region: str, default: Any = None) -> Any:
        if region == "mena":
            raise ZeroDivisionError("a bug")
        return super().get(region, default)


def test_the_fault_of_a_region_or_a_trigger_stays_with_what_needs_it() -> None:
    trigger = watching("latam", "balance:mena:capital_stress")
    world = world_of()
    broken = replace(world, debt_ratios=Breaking(world.debt_ratios))
    assessment = assess(watched(broken, *MODEL.applicable_triggers, trigger))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        region_content(assessment, "mena")
    with pytest.raises(TriggerError, match="x: ZeroDivisionError"):
        region_content(assessment, "latam")
    for region in set(REGION_IDS) - {"mena", "latam"}:
        assert region_content(assessment, region).digest == content_of(world_of(), region).digest
