"""What changed between a region's previous snapshot and this one (SPEC 5, Diff)."""

import math
from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from regional_assets.errors import PreviousSnapshotError
from regional_assets.intelligence.numbers import round3
from regional_assets.intelligence.regime import CALM
from regional_assets.intelligence.scoring import BUFFERS, Difference, RegimeLabel
from regional_assets.intelligence.stored import Body, Decided, Share, TriggerReason
from regional_assets.intelligence.text import clean, quoted

T = TypeVar("T")

# The versions that a snapshot's `meta` states.
VERSIONS = ("model_version", "scoring_version", "geography_version")


class Previous(msgspec.Struct, frozen=True):
    """The parts of a region's previous snapshot that are compared. Of a snapshot of other versions
    they are those that this version can read. `no_source` lists the inputs that had none; None
    where it does not say; `missing` those that were missing. `lost` is why nothing of it can be
    read."""

    snapshot_id: str
    versions: Mapping[str, str]
    label: RegimeLabel | None
    axes: Mapping[str, float]
    probabilities: Mapping[tuple[str, str], float]
    active_triggers: tuple[str, ...]
    leverage: Mapping[str, float]
    no_source: tuple[str, ...] | None = None
    missing: tuple[str, ...] = ()
    lost: str = ""

    @classmethod
    def unreadable(cls, snapshot_id: str, why: str) -> "Previous":
        """One that there was, and of which nothing can be read."""
        return cls(snapshot_id, {}, None, {}, {}, (), {}, lost=why)


class _Versions(msgspec.Struct, frozen=True):
    # A snapshot without a version is of another one.
    model_version: str = ""
    scoring_version: str = ""
    geography_version: str = ""


class _Meta(_Versions, frozen=True):
    decided: Decided | None = None
    no_source: tuple[str, ...] | None = None
    missing_inputs: tuple[str, ...] = ()


class _Regime(msgspec.Struct):
    label: RegimeLabel


class _Lane(msgspec.Struct, gc=False):
    name: str
    probability: Share


class _ScenarioSet(msgspec.Struct):
    horizon: str
    lanes: list[_Lane]


class _Trigger(msgspec.Struct, gc=False):
    id: str


class _Triggers(msgspec.Struct):
    active: list[_Trigger]


class _Actor(msgspec.Struct, gc=False):
    actor_id: str
    leverage_score: Share


_Buffers = msgspec.defstruct("_Buffers", [(axis, Share) for axis in BUFFERS])


class _Compared(msgspec.Struct):
    """The fields of the body that are compared; the rest is not parsed."""

    region_id: str
    regime: _Regime
    balance: _Buffers  # type: ignore[valid-type]
    scenario_sets: list[_ScenarioSet]
    triggers: _Triggers
    actors: list[_Actor]
    meta: _Meta = _Meta()


_COMPARED = msgspec.json.Decoder(_Compared)
_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_previous(
    region_id: str, snapshot_id: str, body: bytes, versions: Mapping[str, str]
) -> Previous:
    """The previous snapshot of the region from its stored JSON. Of other versions than `versions`
    it is read as far as this code can: a former or later schema is no error. Raises
    `PreviousSnapshotError` for a damaged one of these versions, and for one of another region."""
    try:
        stored = _COMPARED.decode(body)
    except _UNREADABLE as error:
        return _of_other_versions(region_id, snapshot_id, body, versions, error)
    if stored.region_id != region_id:
        raise PreviousSnapshotError("the snapshot of another region")
    decided = stored.meta.decided
    return Previous(
        snapshot_id=snapshot_id,
        versions={name: getattr(stored.meta, name) for name in VERSIONS},
        label=stored.regime.label,
        axes={axis: decided.axes[axis] for axis in BUFFERS if axis in decided.axes}
        if decided
        else msgspec.structs.asdict(stored.balance),
        probabilities={
            (horizon, name): probability
            for horizon, lanes in decided.lanes.items()
            for name, probability in lanes.items()
        }
        if decided
        else _probabilities(stored.scenario_sets),
        active_triggers=tuple(trigger.id for trigger in stored.triggers.active),
        leverage=decided.actors
        if decided
        else {actor.actor_id: actor.leverage_score for actor in stored.actors},
        no_source=stored.meta.no_source,
        missing=stored.meta.missing_inputs,
    )


def _of_other_versions(
    region_id: str, snapshot_id: str, body: bytes, versions: Mapping[str, str], error: Exception
) -> Previous:
    """What can be read of a snapshot that is not of the form of this code, unless it says that it
    is of these `versions`."""
    damaged = PreviousSnapshotError(f"not a snapshot ({quoted(error)})")
    try:
        parts = _PARTS.decode(body)
    except _UNREADABLE:
        raise damaged from None
    found = _versions(parts)
    if found == versions or not parts:
        raise damaged from None
    if _part(parts.get("region_id"), str) not in (None, region_id):
        raise PreviousSnapshotError("the snapshot of another region") from None
    regime = _part(parts.get("regime"), _Regime)
    balance = _part(parts.get("balance"), dict[str, msgspec.Raw]) or {}
    axes = {axis: _part(balance.get(axis), Share) for axis in BUFFERS}
    triggers = _part(parts.get("triggers"), _Triggers)
    return Previous(
        snapshot_id=snapshot_id,
        versions=found,
        label=regime.label if regime else None,
        axes={axis: value for axis, value in axes.items() if value is not None},
        probabilities=_probabilities(_part(parts.get("scenario_sets"), list[_ScenarioSet]) or []),
        active_triggers=tuple(t.id for t in triggers.active) if triggers else (),
        leverage={
            actor.actor_id: actor.leverage_score
            for actor in _part(parts.get("actors"), list[_Actor]) or []
        },
    )


def is_of_other_versions(
    region_id: str, snapshot_id: str, body: bytes, versions: Mapping[str, str]
) -> bool:
    """Whether a stored body states other versions than these, and so may have another form. One
    that says that it is of another region, or another snapshot, is not."""
    try:
        parts = _PARTS.decode(body)
    except _UNREADABLE:
        return False
    stated, meta = _versions(parts), _part(parts.get("meta"), dict[str, msgspec.Raw]) or {}
    return (
        any(stated.values())
        and stated != versions
        and _part(parts.get("region_id"), str) in (None, region_id)
        and _part(meta.get("snapshot_id"), str) in (None, snapshot_id)
    )


def _versions(parts: Mapping[str, msgspec.Raw]) -> Mapping[str, str]:
    """The versions that a stored snapshot states, whatever else is in it; "" for those it lacks."""
    return msgspec.structs.asdict(_part(parts.get("meta"), _Versions) or _Versions())


def _part(part: msgspec.Raw | None, kind: type[T]) -> T | None:
    """The part as that type; None where it is absent or something else."""
    if part is None:
        return None
    try:
        found: T = msgspec.json.decode(part, type=kind)
    except _UNREADABLE:
        return None
    return found


def _probabilities(sets: list[_ScenarioSet]) -> dict[tuple[str, str], float]:
    return {(s.horizon, lane.name): lane.probability for s in sets for lane in s.lanes}


class RegimeChange(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """The labels before ("" for none) and after."""

    before: str
    after: str


class ScenarioJump(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """A lane whose probability jumped."""

    horizon: str
    lane: str
    before: float
    after: float


class TriggerActivation(msgspec.Struct, frozen=True):
    """A trigger that became active."""

    id: str
    description: str


class TriggerDeactivation(msgspec.Struct, frozen=True):
    """A trigger that is active no more."""

    id: str


class CorridorBreak(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """A fall of maritime access; two decimals."""

    corridor_id: str
    before: str
    after: str


class LeverageShift(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """An actor whose leverage changed."""

    actor_id: str
    before: float
    after: float
    delta: float


class BufferFailure(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """A buffer that fell."""

    axis: str
    before: float
    after: float


class Diff(msgspec.Struct, frozen=True):
    """The changes; `rescored` lists the versions that differ; where there are any, the changes may
    come from them alone, and are no news."""

    regime_changed: RegimeChange | None = None
    scenario_jumps: tuple[ScenarioJump, ...] = ()
    trigger_activations: tuple[TriggerActivation, ...] = ()
    trigger_deactivations: tuple[TriggerDeactivation, ...] = ()
    corridor_breaks: tuple[CorridorBreak, ...] = ()
    leverage_shifts: tuple[LeverageShift, ...] = ()
    buffer_failures: tuple[BufferFailure, ...] = ()
    rescored: tuple[str, ...] = ()

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


def diff(rules: Difference, previous: Previous | None, body: Body) -> Diff:
    """The changes since `previous` (None: the region's first snapshot). Thresholds compare plain
    differences of the stored values."""
    label, active, decided = body.regime.label, body.triggers.active, body.decided
    activations = tuple(
        TriggerActivation(trigger.id, trigger.description)
        for trigger in active
        if previous is None or trigger.id not in previous.active_triggers
    )
    if previous is None:
        changed = None if label == CALM else RegimeChange("", label)
        return Diff(changed, trigger_activations=activations)
    if previous.lost:
        return Diff(rescored=(f"the snapshot before is {previous.lost}",))
    now_active = {trigger.id for trigger in active}
    return Diff(
        RegimeChange(previous.label or "", label) if label != previous.label else None,
        tuple(_scenario_jumps(previous, decided, rules)),
        activations,
        tuple(TriggerDeactivation(id) for id in previous.active_triggers if id not in now_active),
        tuple(_corridor_breaks(previous, decided, rules)),
        tuple(_leverage_shifts(previous, decided, rules)),
        tuple(
            BufferFailure(axis, before, after)
            for axis, before in previous.axes.items()
            if before - (after := decided.axes[axis]) > rules.buffer_failure
        ),
        tuple(
            f"{name} {clean(previous.versions[name], 20) or 'none'} → {version}"
            for name in VERSIONS
            if previous.versions[name] != (version := getattr(body.meta, name))
        ),
    )


def _scenario_jumps(
    previous: Previous, decided: Decided, rules: Difference
) -> Iterator[ScenarioJump]:
    for horizon, lanes in decided.lanes.items():
        for lane, probability in lanes.items():
            before = previous.probabilities.get((horizon, lane))
            if before is not None and abs(probability - before) > rules.scenario_jump:
                yield ScenarioJump(horizon, lane, before, probability)


def _corridor_breaks(
    previous: Previous, decided: Decided, rules: Difference
) -> Iterator[CorridorBreak]:
    before, after = previous.axes.get("maritime_access", 0.0), decided.axes["maritime_access"]
    if before - after > rules.corridor_break:
        yield CorridorBreak("aggregate", _two_decimals(before), _two_decimals(after))


def _two_decimals(value: float) -> str:
    """`value` (three decimals) to two, halves up."""
    return f"{math.floor(round(1000 * value) / 10 + 0.5) / 100:.2f}"


def _leverage_shifts(
    previous: Previous, decided: Decided, rules: Difference
) -> Iterator[LeverageShift]:
    for actor, score in decided.actors.items():
        before = previous.leverage.get(actor, 0)
        delta = score - before
        if abs(delta) > rules.leverage_shift:
            yield LeverageShift(actor, before, score, round3(delta))
