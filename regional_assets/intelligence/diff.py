"""What changed between a region's previous snapshot and this one (SPEC 5, Diff)."""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Protocol

import msgspec

from regional_assets.intelligence.numbers import round3
from regional_assets.intelligence.regime import CALM
from regional_assets.intelligence.scoring import BUFFERS, Difference, RegimeLabel
from regional_assets.intelligence.text import clean, quoted

TriggerReason = Literal[
    "rescored",
    "regime_shift",
    "trigger_activation",
    "corridor_break",
    "leverage_shift",
    "scheduled_6h",
]


class Actor(Protocol):
    """An actor, computed or stored."""

    @property
    def actor_id(self) -> str: ...

    @property
    def leverage_score(self) -> float: ...


class PreviousSnapshotError(ValueError):
    """A region's stored snapshot that cannot be compared with; the message says why."""


class Previous(msgspec.Struct, frozen=True):
    """The parts of a region's previous snapshot that are compared."""

    snapshot_id: str
    versions: Mapping[str, str]
    label: RegimeLabel
    axes: Mapping[str, float]
    probabilities: Mapping[tuple[str, str], float]
    active_triggers: tuple[str, ...]
    leverage: Mapping[str, float]


_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Versions(msgspec.Struct, frozen=True):
    # A snapshot without a version is of another one.
    model_version: str = ""
    scoring_version: str = ""
    geography_version: str = ""


class _Regime(msgspec.Struct):
    label: RegimeLabel


class _Buffers(msgspec.Struct):
    alliance_cohesion: _Share
    maritime_access: _Share
    energy_leverage: _Share


class _Lane(msgspec.Struct, gc=False):
    name: str
    probability: _Share


class _ScenarioSet(msgspec.Struct):
    horizon: str
    lanes: list[_Lane]


class _Trigger(msgspec.Struct, gc=False):
    id: str


class _Triggers(msgspec.Struct):
    active: list[_Trigger]


class _Actor(msgspec.Struct, gc=False):
    actor_id: str
    leverage_score: _Share


class _StoredSnapshot(msgspec.Struct):
    """The fields of the body that are compared; the rest is not parsed."""

    regime: _Regime
    balance: _Buffers
    scenario_sets: list[_ScenarioSet]
    triggers: _Triggers
    actors: list[_Actor]
    meta: _Versions = _Versions()


_STORED = msgspec.json.Decoder(_StoredSnapshot)


def read_previous(snapshot_id: str, body: bytes) -> Previous:
    """The previous snapshot from its stored JSON; raises `PreviousSnapshotError`."""
    try:
        stored = _STORED.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PreviousSnapshotError(f"not a snapshot ({quoted(error)})") from None
    return Previous(
        snapshot_id=snapshot_id,
        versions=msgspec.structs.asdict(stored.meta),
        label=stored.regime.label,
        axes={axis: getattr(stored.balance, axis) for axis in BUFFERS},
        probabilities={
            (scenarios.horizon, lane.name): lane.probability
            for scenarios in stored.scenario_sets
            for lane in scenarios.lanes
        },
        active_triggers=tuple(trigger.id for trigger in stored.triggers.active),
        leverage={actor.actor_id: actor.leverage_score for actor in stored.actors},
    )


class Diff(msgspec.Struct, frozen=True):
    """The changes, in the shapes of the specification. `rescored` lists the versions that differ;
    where there are any, the changes may come from them alone, and are no news."""

    regime_changed: dict[str, str] | None
    scenario_jumps: list[dict[str, Any]]
    trigger_activations: list[dict[str, str]]
    trigger_deactivations: list[dict[str, str]]
    corridor_breaks: list[dict[str, str]]
    leverage_shifts: list[dict[str, Any]]
    buffer_failures: list[dict[str, Any]]
    rescored: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The diff as one JSON object, the parts that nothing computes yet included."""
        return {
            "regime_changed": self.regime_changed,
            "scenario_jumps": self.scenario_jumps,
            "trigger_activations": self.trigger_activations,
            "trigger_deactivations": self.trigger_deactivations,
            "corridor_breaks": self.corridor_breaks,
            "leverage_shifts": self.leverage_shifts,
            "buffer_failures": self.buffer_failures,
            "reroute_waves": None,
            "mobility_disruptions": [],
        }

    @property
    def trigger_reason(self) -> TriggerReason:
        """Why this snapshot matters: the first kind of change there is."""
        if self.rescored:
            return "rescored"
        if self.regime_changed:
            return "regime_shift"
        if self.trigger_activations:
            return "trigger_activation"
        if self.corridor_breaks:
            return "corridor_break"
        if self.leverage_shifts:
            return "leverage_shift"
        return "scheduled_6h"


def diff(
    rules: Difference,
    previous: Previous | None,
    versions: Mapping[str, str],
    label: str,
    axes: Mapping[str, float],
    scenario_sets: Iterable[Mapping[str, Any]],
    active_triggers: Mapping[str, str],
    actors: Iterable[Actor],
) -> Diff:
    """The changes since `previous` (None: the region's first snapshot).

    `versions` maps the names of this snapshot's versions to them, `active_triggers` ids to
    descriptions. Thresholds compare plain differences of the stored values.
    """
    activations = [
        {"id": id, "description": description}
        for id, description in active_triggers.items()
        if previous is None or id not in previous.active_triggers
    ]
    if previous is None:
        changed = None if label == CALM else {"from": "", "to": label}
        return Diff(changed, [], activations, [], [], [], [])
    return Diff(
        regime_changed=({"from": previous.label, "to": label} if label != previous.label else None),
        scenario_jumps=_scenario_jumps(previous, scenario_sets, rules),
        trigger_activations=activations,
        trigger_deactivations=[
            {"id": id} for id in previous.active_triggers if id not in active_triggers
        ],
        corridor_breaks=_corridor_breaks(previous, axes, rules),
        leverage_shifts=_leverage_shifts(previous, actors, rules),
        buffer_failures=[
            {"axis": axis, "from": previous.axes[axis], "to": axes[axis]}
            for axis in BUFFERS
            if previous.axes[axis] - axes[axis] > rules.buffer_failure
        ],
        rescored=tuple(
            f"{name} {clean(previous.versions[name], 20) or 'none'} → {version}"
            for name, version in versions.items()
            if previous.versions[name] != version
        ),
    )


def _scenario_jumps(
    previous: Previous, scenario_sets: Iterable[Mapping[str, Any]], rules: Difference
) -> list[dict[str, Any]]:
    jumps = []
    for scenarios in scenario_sets:
        for lane in scenarios["lanes"]:
            before = previous.probabilities.get((scenarios["horizon"], lane["name"]))
            if before is not None and abs(lane["probability"] - before) > rules.scenario_jump:
                jumps.append(
                    {
                        "horizon": scenarios["horizon"],
                        "lane": lane["name"],
                        "from": before,
                        "to": lane["probability"],
                    }
                )
    return jumps


def _corridor_breaks(
    previous: Previous, axes: Mapping[str, float], rules: Difference
) -> list[dict[str, str]]:
    before, after = previous.axes["maritime_access"], axes["maritime_access"]
    if not before - after > rules.corridor_break:
        return []
    return [{"corridor_id": "aggregate", "from": _two_decimals(before), "to": _two_decimals(after)}]


def _two_decimals(value: float) -> str:
    """`value` (three decimals) to two, halves up."""
    return f"{math.floor(round(1000 * value) / 10 + 0.5) / 100:.2f}"


def _leverage_shifts(
    previous: Previous, actors: Iterable[Actor], rules: Difference
) -> list[dict[str, Any]]:
    shifts = []
    for actor in actors:
        before = previous.leverage.get(actor.actor_id, 0)
        delta = actor.leverage_score - before
        if abs(delta) > rules.leverage_shift:
            shifts.append(
                {
                    "actor_id": actor.actor_id,
                    "from": before,
                    "to": actor.leverage_score,
                    "delta": round3(delta),
                }
            )
    return shifts
