"""Triggers: thresholds that are watched, each of one region (SPEC 4, Triggers)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from regional_assets.intelligence.baselines import Observation, Trailing, trailing_mean
from regional_assets.intelligence.geography import known_anywhere
from regional_assets.intelligence.metrics import (
    ActiveSirens,
    AxisMetric,
    BalanceOf,
    InstabilityIndex,
    Metric,
    ThreatLevel,
    Transits,
    VesselCount,
    ids,
    lacking,
)

if TYPE_CHECKING:
    # Definitions need this module's names alone; its readers load when a run needs them.
    from regional_assets.intelligence.world import World

TriggerState = Literal["active", "watching", "dormant"]
STATES: tuple[TriggerState, ...] = ("active", "watching", "dormant")
Operator = Literal["gt", "gte", "delta_gt", "delta_lt"]
Baseline = Literal["fixed"] | Trailing

_CLOSE = 0.2


class TriggerError(RuntimeError):
    """A trigger that could not be read; the message names it and says why."""


class Trigger(msgspec.Struct, frozen=True):
    """A watched threshold; `lane` is the scenario lane it feeds, the window is in minutes."""

    id: str
    region: str
    lane: str
    metric: Metric
    operator: Operator
    value: float
    window_minutes: int
    baseline: Baseline
    description: str

    def __post_init__(self) -> None:
        if self.region not in known_anywhere(ids):
            raise ValueError(f"trigger {self.id}: unknown region {self.region!r}")

    def lacks(self) -> str:
        """What it names that the installed geography lacks: "region 'mena'"; "" when nothing."""
        return lacking("region", self.region, ids) or self.metric.lacks()


# fmt: off
_TABLE: tuple[Trigger, ...] = (
    Trigger("hormuz_transit_drop", "mena", "escalation",
            Transits("hormuz"), "delta_lt", -0.20, 1440, "trailing_7d",
            "Ship transits through the Strait of Hormuz fell by more than a fifth below their "
            "week's average"),
    Trigger("iran_cii_spike", "mena", "escalation",
            InstabilityIndex("IR"), "delta_gt", 15, 720, "trailing_7d",
            "Iran's instability index rose more than 15 points above its week's average"),
    Trigger("red_sea_critical", "mena", "escalation",
            ThreatLevel("babelm"), "gte", 0.8, 60, "fixed",
            "Threat to shipping at Bab el-Mandeb is critical or worse"),
    Trigger("mena_coercive_high", "mena", "escalation",
            AxisMetric("mena", "coercive_pressure"), "gte", 0.7, 360, "fixed",
            "Coercive pressure in the Middle East and North Africa is at 0.7 or above"),
    Trigger("oref_cluster", "mena", "escalation",
            ActiveSirens(), "gt", 10, 60, "fixed",
            "Sirens sound in more than ten Israeli localities"),
    Trigger("taiwan_tension_high", "east-asia", "escalation",
            ThreatLevel("taiwan_strait"), "gte", 0.6, 120, "fixed",
            "Threat to shipping in the Taiwan Strait is high or worse"),
    Trigger("russia_naval_buildup", "europe", "escalation",
            VesselCount("eastern-europe", "russia"), "delta_gt", 5, 1440, "trailing_30d",
            "Russian naval vessels in Eastern Europe are five above their month's average"),
    Trigger("european_capital_stress", "europe", "fragmentation",
            AxisMetric("europe", "capital_stress"), "gte", 0.7, 360, "fixed",
            "Capital stress in Europe is at 0.7 or above"),
)
# fmt: on

# What the installed geography cannot have is left out. Trigger id → what it names that is lacking.
TRIGGERS = tuple(trigger for trigger in _TABLE if not trigger.lacks())
LEFT_OUT: Mapping[str, str] = {t.id: lacks for t in _TABLE if (lacks := t.lacks())}

# What was observed of a trigger's metric before, by trigger id.
History = Mapping[str, Sequence[Observation]]

TRAILING_TRIGGERS = tuple(t for t in TRIGGERS if t.baseline != "fixed")


class TriggerReading(msgspec.Struct, frozen=True):
    """A trigger, its metric's value now (None: unavailable), and the state it is in; `fault` is
    what went wrong when it was read."""

    trigger: Trigger
    value: float | None
    state: TriggerState
    fault: Exception | None = None

    def as_json(self, now: int) -> dict[str, Any]:
        """The entry of a snapshot's `triggers` block."""
        trigger = self.trigger
        active = self.state == "active"
        return {
            "id": trigger.id,
            "description": trigger.description,
            "threshold": {
                "metric": str(trigger.metric),
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
    triggers: Iterable[Trigger], world: "World", balance_of: BalanceOf, history: History
) -> tuple[TriggerReading, ...]:
    """The state of each trigger; a delta trigger without enough `history` is dormant. Never raises:
    a trigger that cannot be read is dormant to other regions than its own."""
    return tuple(_read(trigger, world, balance_of, history) for trigger in triggers)


def _read(
    trigger: Trigger, world: "World", balance_of: BalanceOf, history: History
) -> TriggerReading:
    try:
        value = trigger.metric.value(world, balance_of)
        baseline = None
        if trigger.baseline != "fixed":
            baseline = trailing_mean(history.get(trigger.id, ()), trigger.baseline, world.now)
        return TriggerReading(trigger, value, _state(trigger, value, baseline))
    except Exception as error:
        return TriggerReading(trigger, None, "dormant", error)


def compared(trigger: Trigger, value: float | None, baseline: float | None) -> float | None:
    """What is compared with the trigger's threshold: the value, or its change from the baseline;
    None when that is not known."""
    if value is None or trigger.baseline == "fixed":
        return value
    if baseline is None:
        return None
    if not trigger.metric.relative:
        return value - baseline
    # No change is a share of nothing.
    return value / baseline - 1 if baseline else None


def _state(trigger: Trigger, value: float | None, baseline: float | None) -> TriggerState:
    value = compared(trigger, value, baseline)
    if value is None:
        return "dormant"
    target = trigger.value
    margin = _CLOSE * abs(target)
    if trigger.operator == "delta_lt":
        if value < target:
            return "active"
        return "watching" if value <= target + margin and target else "dormant"
    if value > target or (trigger.operator == "gte" and value == target):
        return "active"
    return "watching" if value >= target - margin and target else "dormant"
