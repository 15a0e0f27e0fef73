"""One region's snapshot: first its content, from the inputs; then its comparison with the previous
snapshot (SPEC 5)."""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import astuple, replace

from regional_assets.intelligence.actors import actors
from regional_assets.intelligence.alerts import alerts
from regional_assets.intelligence.balance import Weighed, weighed
from regional_assets.intelligence.diff import VERSIONS, Diff, Previous, diff
from regional_assets.intelligence.digest import content_digest
from regional_assets.intelligence.evidence import Dated, evidence
from regional_assets.intelligence.ground import (
    axis_confidence,
    back,
    held,
    is_known,
    no_source,
    passed,
    unknown_axes,
    without,
)
from regional_assets.intelligence.mobility import mobility
from regional_assets.intelligence.numbers import round3
from regional_assets.intelligence.regime import regime_label
from regional_assets.intelligence.scenarios import scenario_sets
from regional_assets.intelligence.stored import (
    NO_NARRATIVE,
    Actor,
    Alert,
    Balance,
    Body,
    Meta,
    Narrative,
    Regime,
    Transition,
)
from regional_assets.intelligence.transmission import transmission_paths
from regional_assets.intelligence.triggers import (
    History,
    TriggerError,
    TriggerReading,
    by_state,
    read_triggers,
)
from regional_assets.intelligence.world import World


class Assessment(msgspec.Struct, frozen=True):
    """What is computed once for all regions from the shared inputs: the states of all triggers, and
    each region's balance, which `weighed` computes when it is first asked for. Labels and triggers
    are those of the world in which things are `decided`; without one, of this world."""

    world: World
    weighed: Mapping[str, Weighed]
    triggers: tuple[TriggerReading, ...]
    decided: "Assessment | None" = None


class Content(msgspec.Struct, frozen=True):
    """What the inputs say about one region: no ids, no clock times, no comparisons.

    `said` is a body in which all that is empty; it was made from `weighed` and `triggers` (the
    region's own). `digest` is the dedup key in Redis and the partition's data version.
    """

    world: World
    said: Body
    weighed: Weighed
    triggers: tuple[TriggerReading, ...]
    digest: str

    @property
    def region_id(self) -> str:
        """The region."""
        return self.said.region_id


class Snapshot(msgspec.Struct, frozen=True):
    """A complete snapshot and what its commit needs; `body` is what is stored, `previous_id` the
    snapshot it was compared with ("" for none), `observations` what its region's triggers observed,
    by metric (SPEC 7). `lost_previous` is why nothing of the snapshot before could be read."""

    content: Content
    body: Body
    previous_id: str
    changes: Diff
    alerts: tuple[Alert, ...]
    history_entry: Transition | None
    observations: Mapping[str, float]
    lost_previous: str = ""

    @property
    def snapshot_id(self) -> str:
        """The id that it is stored under."""
        return self.body.meta.snapshot_id


def assess(
    world: World, history: History | None = None, decided: World | None = None
) -> Assessment:
    """Evaluates the triggers of all regions, so that a path can reach every region its template
    lists. Never raises: `region_content` raises what went wrong for its region.

    `history` holds what was observed of the metrics of delta triggers before (SPEC 7). In the world
    `decided` silent inputs have their last words, too (SPEC 2.4).
    """
    if decided is not None:
        of_decided = assess(decided, history)
        return Assessment(world, _Weighed(world), of_decided.triggers, of_decided)
    found = _Weighed(world)

    def balance_of(region: str) -> Balance:
        return found[region].balance

    triggers = world.model.applicable_triggers
    return Assessment(world, found, read_triggers(triggers, world, balance_of, history or {}))


class _Weighed(dict[str, Weighed]):
    """Region → what it weighs, when it is first asked for."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __missing__(self, region: str) -> Weighed:
        self[region] = found = weighed(self._world, region)
        return found


def region_content(assessment: Assessment, region_id: str) -> Content:
    """The content of one region's snapshot. Raises `TriggerError` when one of the region's own
    triggers could not be read."""
    world = assessment.world
    model = world.model
    found = assessment.weighed[region_id]
    own = tuple(r for r in assessment.triggers if r.trigger.region == region_id)
    for reading in own:
        if reading.fault:
            raise TriggerError(f"{reading.trigger.id}: {reading.fault!r}") from reading.fault
    items = evidence(world, region_id)
    apart = assessment.decided
    weighed = apart.weighed[region_id] if apart else found
    label = regime_label(weighed.balance, model.scoring.regime)
    said = Body(
        region_id=region_id,
        generated_at=0,
        meta=Meta(
            snapshot_id="",
            model_version=model.stored_versions["model_version"],
            scoring_version=model.stored_versions["scoring_version"],
            geography_version=model.stored_versions["geography_version"],
            snapshot_confidence=world.confidence.score,
            missing_inputs=world.confidence.missing_inputs,
            stale_inputs=world.confidence.stale_inputs,
            valid_until=0,
            trigger_reason="scheduled_6h",
        ),
        regime=Regime(label, "", 0, ""),
        balance=found.balance,
        actors=actors(world, region_id),
        leverage_edges=(),
        scenario_sets=scenario_sets(world, region_id, own),
        transmission_paths=transmission_paths(
            region_id, assessment.triggers, model.applicable_templates
        ),
        triggers=by_state(own, now=0, unknown=_unknown(own, world)),
        mobility=mobility(world, region_id),
        evidence=tuple(item for item, _ in items),
        narrative=NO_NARRATIVE,
    )
    said = replace(said, meta=_grounded(said.meta, world, region_id))
    if apart:
        lanes = scenario_sets(apart.world, region_id, own)
        decided = replace(
            said,
            balance=weighed.balance,
            actors=actors(apart.world, region_id),
            scenario_sets=lanes,
        ).decided
        if decided != said.decided:
            said = replace(said, meta=replace(said.meta, decided=decided))
    return Content(world, said, found, own, _digest(said, items))


def _grounded(meta: Meta, world: World, region_id: str) -> Meta:
    """With what it says of the ground that the numbers rest on."""
    if not world.remembers:
        return meta
    return replace(
        meta,
        held_inputs=held(world) or msgspec.UNSET,
        no_source=no_source(world),
        unknown_axes=unknown_axes(world, region_id) or msgspec.UNSET,
        axis_confidence=axis_confidence(world, region_id),
    )


def _digest(said: Body, items: tuple[Dated, ...]) -> str:
    meta = said.meta
    # Undated items first, whatever the clock says: the same items have the same digest later.
    newest = sorted(
        items, key=lambda dated: dated[0].observed_at if dated[1] else math.inf, reverse=True
    )
    return content_digest(
        {
            "region_id": said.region_id,
            **{name: getattr(meta, name) for name in VERSIONS},
            "snapshot_confidence": meta.snapshot_confidence,
            "missing_inputs": meta.missing_inputs,
            "stale_inputs": meta.stale_inputs,
            # Not since when an input is held or silent, which a digest would outlive.
            **({"held": sorted(meta.held_inputs)} if meta.held_inputs else {}),
            **({"no_source": meta.no_source} if meta.no_source else {}),
            **({"decided": meta.decided} if meta.decided else {}),
            "regime": said.regime.label,
            "balance": said.balance,
            "actors": said.actors,
            "scenario_sets": said.scenario_sets,
            "transmission_paths": said.transmission_paths,
            "triggers": said.triggers,
            "mobility": said.mobility,
            "evidence": [
                (*astuple(item)[:5], item.observed_at if known else None, *astuple(item)[6:])
                for item, known in newest
            ],
        }
    )


def complete(
    content: Content,
    previous: Previous | None,
    snapshot_id: str,
    narrative: Narrative = NO_NARRATIVE,
    *,
    provider: str = "",
    model_name: str = "",
) -> Snapshot:
    """The snapshot that `content` makes after `previous` (None: the region's first), with that
    `narrative`, of the model `model_name` of the `provider`."""
    said, world = content.said, content.world
    now, model = world.now, world.model
    own = [reading.trigger for reading in content.triggers]
    changes = diff(model.scoring.difference, previous, said)
    news = not changes.rescored
    if previous and said.meta.no_source is not msgspec.UNSET:
        sources = passed(previous, said.meta.no_source, said.meta.missing_inputs)
        changes = without(changes, sources, model, said.region_id, own)
    label, before = said.regime.label, (previous.label or "") if previous else ""
    regime = Regime(
        label,
        before,
        now if label != before else 0,
        changes.trigger_reason if changes.regime_changed else "",
    )
    body = replace(
        said,
        generated_at=now,
        meta=replace(
            said.meta,
            snapshot_id=snapshot_id,
            valid_until=world.confidence.valid_until,
            trigger_reason=changes.trigger_reason,
            narrative_provider=provider,
            narrative_model=model_name,
        ),
        regime=regime,
        actors=_compared(said, previous),
        triggers=by_state(content.triggers, now, _unknown(content.triggers, world)),
        narrative=narrative,
    )
    again: Sequence[str] = ()
    if previous and previous.missing and world.remembers:
        again = back(world, said.region_id, own, previous.missing)
    region, rules = model.region(said.region_id), model.scoring.alerts
    return Snapshot(
        content=content,
        body=body,
        previous_id=previous.snapshot_id if previous else "",
        changes=changes,
        alerts=tuple(alerts(region, changes, rules, snapshot_id, now, again)) if news else (),
        history_entry=(
            Transition(
                said.region_id,
                label,
                before,
                regime.transitioned_at,
                regime.transition_driver,
                snapshot_id,
            )
            if changes.regime_changed and news
            else None
        ),
        observations={
            r.trigger.metric: r.value
            for r in content.triggers
            if r.observed and r.value is not None
        },
        lost_previous=previous.lost if previous else "",
    )


def _compared(said: Body, previous: Previous | None) -> tuple[Actor, ...]:
    """The actors with their changes."""
    if previous is None:
        return said.actors
    scores = said.decided.actors
    return tuple(
        replace(a, delta=round3(scores.get(a.actor_id, 0) - previous.leverage.get(a.actor_id, 0)))
        for a in said.actors
    )


def _unknown(readings: Iterable[TriggerReading], world: World) -> set[str]:
    """The ids of the triggers that rest on a silent input."""
    return {r.trigger.id for r in readings if not is_known(world, r.trigger.metric)}
