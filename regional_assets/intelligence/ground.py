"""What a region's numbers rest on: inputs that are known, that have no source, or that have gone
silent (SPEC 2.4)."""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from regional_assets.intelligence.diff import Diff, Previous
from regional_assets.intelligence.metrics import metric_of
from regional_assets.intelligence.numbers import round3
from regional_assets.intelligence.stored import Body
from regional_assets.intelligence.timing import utc

if TYPE_CHECKING:
    # Commands that show what is stored need no world.
    from regional_assets.intelligence.model import Model
    from regional_assets.intelligence.triggers import Trigger
    from regional_assets.intelligence.world import World

T = TypeVar("T")

# What an input adds to the confidence in an axis that reads it.
_TRUST = {"fresh": 1.0, "stale": 0.5, "held": 0.5, "missing": 0.0}
# What actors and scenario lanes are made of.
_ACTORS = ("forecasts",)


def no_source(world: "World") -> tuple[str, ...]:
    """The keys of the inputs that the store has not seen for 30 days: their defaults are values."""
    return tuple(
        state.spec.key
        for state in world.inputs.values()
        if state.freshness == "missing" and state.seen is None
    )


def held(world: "World") -> dict[str, int]:
    """The keys of the inputs that speak with their last words, and when each was last seen (ms)."""
    states = world.inputs.values()
    return {s.spec.key: s.seen for s in states if s.freshness == "held" and s.seen is not None}


def unknown_axes(world: "World", region_id: str) -> dict[str, int]:
    """The axes of the region that read an input that has gone silent, and since when (ms)."""
    found = {}
    for axis, feeds in world.model.feeds_in[region_id].items():
        silent = [world.inputs[feed] for feed in feeds if world.inputs[feed].unknown]
        if silent:
            found[axis] = min(state.seen for state in silent if state.seen is not None)
    return found


def axis_confidence(world: "World", region_id: str) -> dict[str, float]:
    """For each axis of the region that reads inputs, how far they are there, from 0 to 1."""
    return {
        axis: round3(sum(_TRUST[world.inputs[feed].freshness] for feed in feeds) / len(feeds))
        for axis, feeds in world.model.feeds_in[region_id].items()
    }


def is_known(world: "World", metric: str) -> bool:
    """Whether the metric of a trigger rests on no input that has gone silent."""
    feeds = metric_of(metric).feeds(world.model)
    return not any(world.inputs[feed].unknown for feed in feeds if feed in world.inputs)


def shown(body: Body, axis: str) -> str:
    """The value of the axis to three decimals, and how far its inputs are fresh; where it is not
    known, since when, and the last."""
    since = (body.meta.unknown_axes or {}).get(axis)
    if since is None:
        there = (body.meta.axis_confidence or {}).get(axis, 1.0)
        note = "" if there == 1 else f" ({there:.0%} of its inputs are fresh)"
        return f"{body.balance.axis(axis):.3f}{note}"
    return f"no data since {utc(since)} (last {body.decided.axes[axis]:.2f})"


def not_known(body: Body) -> dict[str, str]:
    """The axes that are not known, in words."""
    return {axis: shown(body, axis) for axis in body.meta.unknown_axes or {}}


def back(
    world: "World", region_id: str, own: Iterable["Trigger"], missing: Collection[str]
) -> list[str]:
    """Those of the keys that were missing whose inputs are there again, and count in the region and
    its `own` triggers."""
    model = world.model
    read = {feed for feeds in model.feeds_in[region_id].values() for feed in feeds} | {*_ACTORS}
    for trigger in own:
        read |= {*metric_of(trigger.metric).feeds(model)}
    states = (world.inputs[name] for name in read if name in world.inputs)
    return sorted(s.spec.key for s in states if s.present and s.spec.key in missing)


def passed(
    previous: Previous, no_source: Collection[str], missing: Collection[str]
) -> tuple[str, ...]:
    """The inputs that had no source in the previous snapshot and have one now, or the other way
    round. Where it does not say, its missing inputs were defaults, and those that are `missing` now
    may speak with words of before it: both may have passed."""
    if previous.no_source is None:
        return tuple(sorted({*previous.missing, *missing}))
    return tuple(sorted({*previous.no_source} ^ {*no_source}))


def without(
    changes: Diff, keys: Collection[str], model: "Model", region_id: str, own: Iterable["Trigger"]
) -> Diff:
    """The changes of the region and its `own` triggers that do not rest on these inputs, by key.
    What does has had another meaning before, and is rescored."""
    names = {spec.name for spec in model.inputs if spec.key in keys}
    if not names:
        return changes
    axes = {a: names.isdisjoint(feeds) for a, feeds in model.feeds_in[region_id].items()}
    triggers = {t.id: names.isdisjoint(metric_of(t.metric).feeds(model)) for t in own}
    spoken = names.isdisjoint(_ACTORS)
    kept = replace(
        changes,
        regime_changed=changes.regime_changed if all(axes.values()) else None,
        scenario_jumps=changes.scenario_jumps if spoken and all(triggers.values()) else (),
        trigger_activations=_kept(changes.trigger_activations, "id", triggers),
        trigger_deactivations=_kept(changes.trigger_deactivations, "id", triggers),
        corridor_breaks=changes.corridor_breaks if axes.get("maritime_access", True) else (),
        leverage_shifts=changes.leverage_shifts if spoken else (),
        buffer_failures=_kept(changes.buffer_failures, "axis", axes),
    )
    if kept == changes:
        return changes
    return replace(kept, rescored=(*changes.rescored, *(f"source of {key}" for key in keys)))


def _kept(changes: tuple[T, ...], name: str, kept: Mapping[str, bool]) -> tuple[T, ...]:
    return tuple(change for change in changes if kept.get(getattr(change, name), True))
