"""Triggers: thresholds that are watched, each of one region (SPEC 4, Triggers)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from regional_assets.intelligence.balance import Balance
from regional_assets.intelligence.baselines import Observation, Trailing, trailing_mean
from regional_assets.intelligence.threats import THREATS

if TYPE_CHECKING:
    # Definitions need this module's names alone; its readers load when a run needs them.
    from regional_assets.intelligence.world import World

TriggerState = Literal["active", "watching", "dormant"]
STATES: tuple[TriggerState, ...] = ("active", "watching", "dormant")
Operator = Literal["gt", "gte", "delta_gt", "delta_lt"]
Baseline = Literal["fixed"] | Trailing

_CLOSE = 0.2


@dataclass(frozen=True, slots=True)
class Trigger:
    """A watched threshold; `lane` is the scenario lane it feeds, the window is in minutes."""

    id: str
    region: str
    lane: str
    metric: str
    operator: Operator
    value: float
    window_minutes: int
    baseline: Baseline
    description: str


TRIGGERS: tuple[Trigger, ...] = (
    Trigger(
        "hormuz_transit_drop",
        "mena",
        "escalation",
        "chokepoint:hormuz:transit_count",
        "delta_lt",
        -0.20,
        1440,
        "trailing_7d",
        "Ship transits through Hormuz fell by more than a fifth below their week's average",
    ),
    Trigger(
        "iran_cii_spike",
        "mena",
        "escalation",
        "cii:IR:combined_score",
        "delta_gt",
        15,
        720,
        "trailing_7d",
        "Iran's instability index rose more than 15 points above its week's average",
    ),
    Trigger(
        "red_sea_critical",
        "mena",
        "escalation",
        "chokepoint:babelm:threat_level",
        "gte",
        0.8,
        60,
        "fixed",
        "Threat to shipping at Bab el-Mandeb is critical or worse",
    ),
    Trigger(
        "mena_coercive_high",
        "mena",
        "escalation",
        "balance:mena:coercive_pressure",
        "gte",
        0.7,
        360,
        "fixed",
        "Coercive pressure in the Middle East and North Africa is at 0.7 or above",
    ),
    Trigger(
        "oref_cluster",
        "mena",
        "escalation",
        "oref:active_alerts_count",
        "gt",
        10,
        60,
        "fixed",
        "Sirens sound in more than ten Israeli localities",
    ),
    Trigger(
        "taiwan_tension_high",
        "east-asia",
        "escalation",
        "chokepoint:taiwan_strait:threat_level",
        "gte",
        0.6,
        120,
        "fixed",
        "Threat to shipping in the Taiwan Strait is high or worse",
    ),
    Trigger(
        "russia_naval_buildup",
        "europe",
        "escalation",
        "theater:eastern_europe:russia_vessel_count",
        "delta_gt",
        5,
        1440,
        "trailing_30d",
        "Russian naval vessels in Eastern Europe are five above their month's average",
    ),
    Trigger(
        "european_capital_stress",
        "europe",
        "fragmentation",
        "balance:europe:capital_stress",
        "gte",
        0.7,
        360,
        "fixed",
        "Capital stress in Europe is at 0.7 or above",
    ),
)


# What was observed of a trigger's metric before, by trigger id.
History = Mapping[str, Sequence[Observation]]

TRAILING_TRIGGERS = tuple(t for t in TRIGGERS if t.baseline != "fixed")


@dataclass(frozen=True, slots=True)
class TriggerReading:
    """A trigger, its metric's value now (None: unavailable), and the state it is in."""

    trigger: Trigger
    value: float | None
    state: TriggerState

    def as_json(self, now: int) -> dict[str, Any]:
        """The entry of a snapshot's `triggers` block."""
        trigger = self.trigger
        active = self.state == "active"
        return {
            "id": trigger.id,
            "description": trigger.description,
            "threshold": {
                "metric": trigger.metric,
                "operator": trigger.operator,
                "value": trigger.value,
                "window_minutes": trigger.window_minutes,
                "baseline": trigger.baseline,
            },
            "activated": active,
            "activated_at": now if active else 0,
            "scenario_lane": trigger.lane,
            "evidence_ids": [],
        }


def read_triggers(
    world: "World", balances: Mapping[str, Balance], history: History
) -> tuple[TriggerReading, ...]:
    """The state of every trigger of every region.

    `balances` holds those of the regions that triggers name; a delta trigger without enough
    `history` is dormant.
    """
    readings = []
    for trigger in TRIGGERS:
        value = _metric(trigger.metric, world, balances)
        baseline = None
        if trigger.baseline != "fixed":
            baseline = trailing_mean(history.get(trigger.id, ()), trigger.baseline, world.now)
        readings.append(TriggerReading(trigger, value, _state(trigger, value, baseline)))
    return tuple(readings)


def _metric(metric: str, world: "World", balances: Mapping[str, Balance]) -> float | None:
    """The metric's value now, None when it is unavailable."""
    kind, _, rest = metric.partition(":")
    subject, _, quantity = rest.partition(":")
    if kind == "balance":
        return balances[subject].axes[quantity]
    if kind == "chokepoint":
        level = world.chokepoints.get(subject)
        if level is None:
            return None
        if quantity == "threat_level":
            return THREATS[level].severity
        # A feed that is silent is no strait without ships: not 0, as the specification has it,
        # which would report a blockade whenever the feed fails.
        transit = world.transits.get(subject)
        return transit.today if transit else None
    if kind == "cii":
        scores = (
            s.score for region in world.risk_scores.values() for s in region if s.country == subject
        )
        return next(scores, None)
    if kind == "oref":
        return world.active_sirens
    return None  # no feed counts vessels in a theater


def _state(trigger: Trigger, value: float | None, baseline: float | None) -> TriggerState:
    if value is None:
        return "dormant"
    if trigger.baseline != "fixed":
        if baseline is None:
            return "dormant"
        if not trigger.metric.endswith(":transit_count"):
            value -= baseline
        elif baseline:
            value = value / baseline - 1
        else:
            return "dormant"  # no change is a share of nothing
    target = trigger.value
    margin = _CLOSE * abs(target)
    if trigger.operator == "delta_lt":
        if value < target:
            return "active"
        return "watching" if value <= target + margin and target else "dormant"
    if value > target or (trigger.operator == "gte" and value == target):
        return "active"
    return "watching" if value >= target - margin and target else "dormant"
