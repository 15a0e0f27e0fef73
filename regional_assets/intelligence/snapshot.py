"""One region's snapshot: first its content, from the inputs; then its comparison with the previous
snapshot (SPEC 5)."""

import math
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import msgspec
from msgspec.structs import astuple, force_setattr, replace

from regional_assets.intelligence.actors import Actor, actors
from regional_assets.intelligence.alerts import Alert, alerts
from regional_assets.intelligence.balance import Balance, balance
from regional_assets.intelligence.diff import Diff, Previous, diff
from regional_assets.intelligence.digest import content_digest
from regional_assets.intelligence.evidence import Evidence, evidence, newest
from regional_assets.intelligence.metrics import BalanceOf
from regional_assets.intelligence.mobility import mobility
from regional_assets.intelligence.narrative import EMPTY, Narrative
from regional_assets.intelligence.numbers import round3
from regional_assets.intelligence.regime import regime_label
from regional_assets.intelligence.scenarios import scenario_sets
from regional_assets.intelligence.scoring import RegimeLabel
from regional_assets.intelligence.transmission import transmission_paths
from regional_assets.intelligence.triggers import (
    STATES,
    History,
    TriggerError,
    TriggerReading,
    read_triggers,
)
from regional_assets.intelligence.world import World


class Assessment(msgspec.Struct, frozen=True):
    """What is computed once for all regions from the shared inputs: the states of all triggers, and
    each region's balance, which `balance_of` computes when it is first asked for."""

    world: World
    balance_of: BalanceOf
    triggers: tuple[TriggerReading, ...]


class Content(msgspec.Struct, frozen=True):
    """What the inputs say about one region: no ids, no clock times, no comparisons.

    `triggers` are the region's own, `evidence` is what is stored, newest first. `about` (in the
    snapshot's `meta`) and `blocks` (beside it) list what a snapshot says: both its stored form and
    `digest` are made from them. `digest` is the dedup key in Redis and the partition's data
    version.
    """

    region_id: str
    world: World
    balance: Balance
    regime: RegimeLabel
    triggers: tuple[TriggerReading, ...]
    actors: tuple[Actor, ...]
    evidence: tuple[Evidence, ...]
    about: Mapping[str, Any]
    blocks: Mapping[str, Any]
    digest: str = ""

    def __post_init__(self) -> None:
        said = {"region_id": self.region_id, **self.about, **self.blocks}
        force_setattr(self, "digest", content_digest(said))


class Snapshot(msgspec.Struct, frozen=True):
    """A complete snapshot and what its commit needs; `body` encodes as the JSON value that is
    stored, `previous_id` is the snapshot it was compared with ("" for none), `observations` what
    its region's triggers observed, by metric (SPEC 7)."""

    content: Content
    narrative: Narrative
    snapshot_id: str
    generated_at: int
    previous_id: str
    previous_label: str
    body: dict[str, Any]
    changes: Diff
    alerts: tuple[Alert, ...]
    history_entry: dict[str, Any] | None
    observations: Mapping[str, float]


def assess(world: World, history: History | None = None) -> Assessment:
    """Evaluates the triggers of all regions, so that a path can reach every region its template
    lists. Never raises: `region_content` raises what went wrong for its region.

    `history` holds what was observed of the metrics of delta triggers before (SPEC 7).
    """
    balance_of = cache(partial(balance, world))
    triggers = world.model.applicable_triggers
    return Assessment(world, balance_of, read_triggers(triggers, world, balance_of, history or {}))


def region_content(assessment: Assessment, region_id: str) -> Content:
    """The content of one region's snapshot. Raises `TriggerError` when one of the region's own
    triggers could not be read."""
    world = assessment.world
    vector = assessment.balance_of(region_id)
    model = world.model
    label = regime_label(vector, model.scoring.regime)
    own = tuple(r for r in assessment.triggers if r.trigger.region == region_id)
    for reading in own:
        if reading.fault:
            raise TriggerError(f"{reading.trigger.id}: {reading.fault!r}") from reading.fault
    found_actors = actors(world, region_id)
    items = evidence(world, region_id)
    about = {
        **model.stored_versions,
        "snapshot_confidence": world.confidence.score,
        "missing_inputs": list(world.confidence.missing_inputs),
        "stale_inputs": list(world.confidence.stale_inputs),
    }
    blocks = {
        "regime": label,
        "balance": vector.as_json(),
        "actors": found_actors,
        "scenario_sets": scenario_sets(world, region_id, own),
        "transmission_paths": transmission_paths(
            region_id, assessment.triggers, model.applicable_templates
        ),
        "triggers": _triggers_json(own, now=0),
        "mobility": mobility(world, region_id),
        # Undated items first, whatever the clock says: the same items have the same digest later.
        "evidence": [astuple(item) for item in newest(items, math.inf)],
    }
    return Content(
        region_id=region_id,
        world=world,
        balance=vector,
        regime=label,
        triggers=own,
        actors=found_actors,
        evidence=tuple(items),
        about=about,
        blocks=blocks,
    )


def complete(
    content: Content,
    previous: Previous | None,
    snapshot_id: str,
    narrative: Narrative = EMPTY,
) -> Snapshot:
    """The snapshot that `content` makes after `previous` (None: the region's first), with that
    `narrative`."""
    now, model = content.world.now, content.world.model
    active = {r.trigger.id: r.trigger.description for r in content.triggers if r.state == "active"}
    changes = diff(
        model.scoring.difference,
        previous,
        model.stored_versions,
        content.regime,
        content.balance.axes,
        content.blocks["scenario_sets"],
        active,
        content.actors,
    )
    previous_label = previous.label if previous else ""
    driver = changes.trigger_reason if changes.regime_changed else ""
    transitioned = content.regime != previous_label
    regime = {
        "label": content.regime,
        "previous_label": previous_label,
        "transitioned_at": now if transitioned else 0,
        "transition_driver": driver,
    }
    # The stored form of the blocks that also hold a time or a comparison.
    completed: dict[str, dict[str, Any]] = {
        "regime": {"regime": regime},
        "actors": {
            "actors": [replace(a, delta=_delta(a, previous)) for a in content.actors],
            "leverage_edges": [],
        },
        "triggers": {"triggers": _triggers_json(content.triggers, now)},
        "evidence": {"evidence": [item.dated(now) for item in content.evidence]},
    }
    body = {
        "region_id": content.region_id,
        "generated_at": now,
        "meta": {
            "snapshot_id": snapshot_id,
            **content.about,
            "valid_until": content.world.confidence.valid_until,
            "trigger_reason": changes.trigger_reason,
            "narrative_provider": narrative.provider,
            "narrative_model": narrative.model,
        },
    }
    for name, said in content.blocks.items():
        body |= completed.get(name, {name: said})
    body["narrative"] = narrative.as_json()
    return Snapshot(
        content=content,
        narrative=narrative,
        snapshot_id=snapshot_id,
        generated_at=now,
        previous_id=previous.snapshot_id if previous else "",
        previous_label=previous_label,
        body=body,
        changes=changes,
        alerts=()
        if changes.rescored
        else tuple(alerts(model.region(content.region_id).label, changes, model.scoring.alerts)),
        history_entry=(
            {"region_id": content.region_id, **regime, "snapshot_id": snapshot_id}
            if changes.regime_changed and not changes.rescored
            else None
        ),
        observations={r.trigger.metric: r.value for r in content.triggers if r.value is not None},
    )


def _delta(actor: Actor, previous: Previous | None) -> float:
    if previous is None:
        return 0
    return round3(actor.leverage_score - previous.leverage.get(actor.actor_id, 0))


def _triggers_json(readings: tuple[TriggerReading, ...], now: int) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {state: [] for state in STATES}
    for reading in readings:
        found[reading.state].append(reading.as_json(now))
    return found
