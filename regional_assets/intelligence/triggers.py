"""Triggers: thresholds that are watched, each of one region (SPEC 4, Triggers)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from regional_assets.intelligence.baselines import Observation, Trailing, trailing_mean
from regional_assets.intelligence.metrics import BalanceOf, metric_of
from regional_assets.intelligence.scoring import Lane, TriggerRules

if TYPE_CHECKING:
    # Definitions need this module's names alone; readers and schemas load when a run needs them.
    from regional_assets.intelligence.stored import Trigger as StoredTrigger
    from regional_assets.intelligence.stored import Triggers
    from regional_assets.intelligence.world import World

TriggerState = Literal["active", "watching", "dormant"]
STATES: tuple[TriggerState, ...] = ("active", "watching", "dormant")
Operator = Literal["gt", "gte", "delta_gt", "delta_lt"]
Baseline = Literal["fixed"] | Trailing
Name = Annotated[str, msgspec.Meta(min_length=1)]


class TriggerError(RuntimeError):
    """A trigger that could not be read; the message names it and says why."""


class Trigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A watched threshold; `lane` is the scenario lane it feeds, the window is in minutes; see
    `metrics` for the texts of metrics."""

    id: Name
    region: str
    lane: Lane
    metric: str
    operator: Operator
    # Stored as it is written here: 15 is not 15.0.
    value: int | float
    window_minutes: Annotated[int, msgspec.Meta(ge=1)]
    baseline: Baseline
    description: Name


# fmt: off
TRIGGERS: tuple[Trigger, ...] = (
    Trigger("hormuz_transit_drop", "mena", "escalation",
            "chokepoint:hormuz:transit_count", "delta_lt", -0.20, 1440, "trailing_7d",
            "Ship transits through the Strait of Hormuz fell by more than a fifth below their "
            "week's average"),
    Trigger("iran_cii_spike", "mena", "escalation",
            "cii:IR:combined_score", "delta_gt", 15, 720, "trailing_7d",
            "Iran's instability index rose more than 15 points above its week's average"),
    Trigger("red_sea_critical", "mena", "escalation",
            "chokepoint:babelm:threat_level", "gte", 0.8, 60, "fixed",
            "Threat to shipping at Bab el-Mandeb is critical or worse"),
    Trigger("mena_coercive_high", "mena", "escalation",
            "balance:mena:coercive_pressure", "gte", 0.7, 360, "fixed",
            "Coercive pressure in the Middle East and North Africa is at 0.7 or above"),
    Trigger("oref_cluster", "mena", "escalation",
            "oref:active_alerts_count", "gt", 10, 60, "fixed",
            "Sirens sound in more than ten Israeli localities"),
    Trigger("taiwan_tension_high", "east-asia", "escalation",
            "chokepoint:taiwan_strait:threat_level", "gte", 0.6, 120, "fixed",
            "Threat to shipping in the Taiwan Strait is high or worse"),
    Trigger("russia_naval_buildup", "europe", "escalation",
            "theater:eastern_europe:russia_vessel_count", "delta_gt", 5, 1440, "trailing_30d",
            "Russian naval vessels in Eastern Europe are five above their month's average"),
    Trigger("european_capital_stress", "europe", "fragmentation",
            "balance:europe:capital_stress", "gte", 0.7, 360, "fixed",
            "Capital stress in Europe is at 0.7 or above"),
)
# fmt: on

# What was observed of a trigger's metric before, by trigger id.
History = Mapping[str, Sequence[Observation]]


class TriggerReading(msgspec.Struct, frozen=True):
    """A trigger, its metric's value now (None: unavailable), and the state it is in; `fault` is
    what went wrong when it was read. `observed`: no input that it rests on speaks with its last
    words, so that its value is an observation."""

    trigger: Trigger
    value: float | None
    state: TriggerState
    fault: Exception | None = None
    observed: bool = True

    def stored(self, now: int, *, known: bool) -> "StoredTrigger":
        """The entry of a snapshot's `triggers`."""
        from regional_assets.intelligence.stored import Threshold
        from regional_assets.intelligence.stored import Trigger as StoredTrigger

        trigger, active = self.trigger, self.state == "active"
        return StoredTrigger(
            trigger.id,
            trigger.description,
            Threshold(
                trigger.metric,
                trigger.operator,
                trigger.value,
                trigger.window_minutes,
                trigger.baseline,
            ),
            active,
            now if active else 0,
            trigger.lane,
            evidence_ids=(),
            known=msgspec.UNSET if known else False,
        )


def by_state(
    readings: Iterable[TriggerReading], now: int, unknown: Collection[str] = ()
) -> "Triggers":
    """The snapshot's `triggers`; those whose ids are `unknown` rest on a silent input."""
    from regional_assets.intelligence.stored import Triggers

    found: dict[TriggerState, list[StoredTrigger]] = {state: [] for state in STATES}
    for reading in readings:
        found[reading.state].append(reading.stored(now, known=reading.trigger.id not in unknown))
    return Triggers(**{state: tuple(entries) for state, entries in found.items()})


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
        rules = world.model.scoring.triggers
        metric = metric_of(trigger.metric)
        value = metric.value(world, balance_of)
        # Last words are compared with the baseline of when they were said: its window moves on, and
        # would end a trigger of which nothing new is known.
        inputs = [world.inputs[n] for n in metric.feeds(world.model) if n in world.inputs]
        said = [i.seen for i in inputs if i.freshness == "held" and i.seen is not None]
        baseline = None
        if trigger.baseline != "fixed":
            observations = history.get(trigger.id, ())
            baseline = trailing_mean(
                observations, trigger.baseline, min(said, default=world.now), rules
            )
        state = _state(trigger, value, baseline, rules)
        return TriggerReading(trigger, value, state, observed=not said)
    except Exception as error:
        return TriggerReading(trigger, None, "dormant", error)


def compared(trigger: Trigger, value: float | None, baseline: float | None) -> float | None:
    """What is compared with the trigger's threshold: the value, or its change from the baseline;
    None when that is not known."""
    if value is None or trigger.baseline == "fixed":
        return value
    if baseline is None:
        return None
    if not metric_of(trigger.metric).relative:
        return value - baseline
    # A change from zero has no percentage.
    return value / baseline - 1 if baseline else None


def _state(
    trigger: Trigger, value: float | None, baseline: float | None, rules: TriggerRules
) -> TriggerState:
    value = compared(trigger, value, baseline)
    if value is None:
        return "dormant"
    target = trigger.value
    margin = rules.close * abs(target)
    if trigger.operator == "delta_lt":
        if value < target:
            return "active"
        return "watching" if value <= target + margin and target else "dormant"
    if value > target or (trigger.operator == "gte" and value == target):
        return "active"
    return "watching" if value >= target - margin and target else "dormant"
