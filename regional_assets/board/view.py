"""What the page shows, worked out of what was read: no text is made here that a feed or a model
could have written, and nothing is left to guess where a thing is not known."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, Literal, TypeVar

import msgspec

from regional_assets.board.world_map import Picture, RegionMark, picture
from regional_assets.intelligence.diff import Diff
from regional_assets.intelligence.ground import not_known
from regional_assets.intelligence.inputs import InputState
from regional_assets.intelligence.metrics import metric_of
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.scoring import AXES, BUFFERS
from regional_assets.intelligence.stored import (
    SECTIONS,
    Actor,
    Airport,
    Airspace,
    Body,
    Driver,
    Narrative,
    Threshold,
    TransmissionPath,
    Trigger,
)
from regional_assets.intelligence.tally import Tally
from regional_assets.intelligence.text import words
from regional_assets.intelligence.timing import MINUTE_MS, YOUNG_MS
from regional_assets.intelligence.triggers import STATES, TriggerState, compared
from regional_assets.runs.health import region_health
from regional_assets.runs.records import Record, Records
from regional_assets.store.health import Seen

T = TypeVar("T")

# No list of a stored snapshot is longer on the page.
_MOST = 20

_OBSERVED_WITHIN = 15 * MINUTE_MS
# Beyond this multiple of its threshold, a value is drawn no further.
_FURTHEST = 3.0
# What drivers rest on besides items of evidence.
_FEEDS = {
    "macro:verdict": "the macro signals",
    "debt:region-avg": "the national debts",
    "stress:composite": "the stress index",
    "energy:mix": "the energy mix",
}


class Few(msgspec.Struct, Generic[T], frozen=True):
    """The first items of a list, and how many more there are."""

    items: Sequence[T]
    more: int = 0


def few(items: Sequence[T], most: int = _MOST) -> Few[T]:
    """At most so many of the items."""
    return Few(items[:most], max(0, len(items) - most))


class Change(msgspec.Struct, frozen=True):
    """What changed in a region: a kind, its subject, before and after; `bad` when it adds to the
    pressure (None: neither)."""

    kind: str
    subject: str
    before: str = ""
    after: str = ""
    bad: bool | None = None


class Cause(msgspec.Struct, frozen=True):
    """A driver, and by name what it rests on."""

    driver: Driver
    rests_on: Few[str]


class Axis(msgspec.Struct, frozen=True):
    """An axis of the balance with what drives it. `unknown` says since when an input has been
    silent that it rests on, "" where it is known; `there` is how far its inputs are (0 to 1)."""

    name: str
    buffer: bool
    value: float
    unknown: str
    there: float
    causes: Few[Cause]


class Watch(msgspec.Struct, frozen=True):
    """A trigger in its state. `observed_at` (ms) is when the value was observed, `way` how far on
    the way to the threshold it is (1: there, at most 3); None for what is not known."""

    trigger: Trigger
    state: TriggerState
    observed_at: int | None
    way: float | None
    value: str
    threshold: str
    baseline: str
    left: str


class Card(msgspec.Struct, frozen=True):
    """A region on the page; without a snapshot, only its first four fields say something. `lanes`
    has the probabilities by lane, one per horizon."""

    id: str
    label: str
    record: Record
    changes: Few[Change]
    axes: Sequence[Axis] = ()
    watches: Mapping[TriggerState, Few[Watch]] = msgspec.field(default_factory=dict)
    horizons: Sequence[str] = ()
    lanes: Mapping[str, Sequence[float | None]] = msgspec.field(default_factory=dict)
    actors: Few[Actor] = Few(())
    paths: Few[TransmissionPath] = Few(())
    airports: Few[Airport] = Few(())
    airspace: Few[Airspace] = Few(())
    closures: Few[str] = Few(())
    passages: Sequence[tuple[str, str]] = ()
    missing: Few[str] = Few(())
    stale: Few[str] = Few(())

    @property
    def confirmed_later(self) -> bool:
        """Whether a later run than the one that wrote the snapshot found nothing new."""
        snapshot = self.record.snapshot
        return snapshot is not None and self.record.confirmed > snapshot.generated_at

    @property
    def news(self) -> Literal["some", "none", "unknown"]:
        """Whether the region's last run changed something."""
        if self.confirmed_later:
            return "none"
        if self.record.snapshot is None or self.record.changes is None:
            return "unknown"
        return "some" if self.changes.items else "none"


class Board(msgspec.Struct, frozen=True):
    """The page: a card for each region, and what all of them have in common. `made_at` is in ms;
    `marks` is what the `map` shows; `hidden` regions under less pressure have no card; `tallies`
    are those of inputs with records that are not fully used, of `records` in all inputs. `troubles`
    says by label which regions fail or are stale, and why."""

    made_at: int
    cards: Sequence[Card]
    inputs: Mapping[str, InputState]
    tallies: Mapping[str, Tally]
    marks: Mapping[str, RegionMark]
    map: Picture
    hidden: int
    records: int
    troubles: Mapping[str, str] = msgspec.field(default_factory=dict)

    def of(self, freshness: str) -> list[InputState]:
        """The inputs in that state."""
        return [state for state in self.inputs.values() if state.freshness == freshness]

    @property
    def damaged(self) -> dict[str, str]:
        """Why the snapshots of regions cannot be shown, by region."""
        return {card.id: card.record.problem for card in self.cards if card.record.problem}

    def with_news(self, news: str) -> list[Card]:
        """The cards of the regions in which the last run changed something, nothing, or nobody
        knows what."""
        return [card for card in self.cards if card.news == news]


def board_of(records: Records) -> Board:
    """The board of these regions."""
    world, model = records.world, records.world.model
    marks = {
        region: RegionMark.of(record.snapshot, stale=world.now - record.confirmed >= YOUNG_MS)
        for region, record in records.by_region.items()
        if record.snapshot
    }
    seen = Seen(records.runs, {r: one.confirmed for r, one in records.by_region.items()}, {})
    troubles = {r: region_health(seen, r, world.now).trouble for r in records.by_region}
    return Board(
        made_at=world.now,
        cards=[_card(model, region, record) for region, record in records.by_region.items()],
        inputs=world.inputs,
        tallies={name: tally for name, tally in world.tallies.items() if tally.counts},
        marks=marks,
        map=picture(model.geography.regions, marks),
        hidden=records.hidden,
        records=sum(tally.records for tally in world.tallies.values()),
        troubles={model.region(r).label: why for r, why in troubles.items() if why},
    )


def _card(model: Model, region: str, record: Record) -> Card:
    snapshot, label = record.snapshot, model.region(region).label
    if snapshot is None:
        return Card(region, label, record, Few(()))
    mobility = snapshot.mobility
    horizons = [scenarios.horizon for scenarios in snapshot.scenario_sets[:_MOST]]
    shares = [
        {lane.name: lane.probability for lane in scenarios.lanes}
        for scenarios in snapshot.scenario_sets[:_MOST]
    ]
    return Card(
        region,
        label,
        record,
        changes_of(snapshot, record.changes),
        axes=[_axis(model, axis, snapshot) for axis in AXES],
        watches={
            state: few(
                [
                    _watch(model, t, state, snapshot, record)
                    for t in getattr(snapshot.triggers, state)
                ]
            )
            for state in STATES
        },
        horizons=horizons,
        lanes={
            lane: [found.get(lane) for found in shares]
            for lane in dict.fromkeys(name for found in shares for name in found)
        },
        actors=few(snapshot.actors),
        paths=few(sorted(snapshot.transmission_paths, key=lambda path: path.latency_hours)),
        airports=few(mobility.airports),
        airspace=few(mobility.airspace),
        closures=few(mobility.notam_closures),
        passages=[*_passages(snapshot.narrative)],
        missing=few([_input_name(model, key) for key in snapshot.meta.missing_inputs]),
        stale=few([_input_name(model, key) for key in snapshot.meta.stale_inputs]),
    )


def _by_state(snapshot: Body) -> Iterator[tuple[TriggerState, Sequence[Trigger]]]:
    return ((state, getattr(snapshot.triggers, state)) for state in STATES)


def _input_name(model: Model, key: str) -> str:
    return words(next((spec.name for spec in model.inputs if spec.key == key), key))


def _passages(narrative: Narrative) -> Iterator[tuple[str, str]]:
    for name in SECTIONS:
        if text := getattr(narrative, name).text:
            yield words(name), text
    for item in narrative.watch_items[:_MOST]:
        yield "watch", item.text


def _axis(model: Model, axis: str, snapshot: Body) -> Axis:
    balance = snapshot.balance
    summaries = {item.id: item.summary for item in snapshot.evidence}
    causes = [
        Cause(driver, few(list(dict.fromkeys(_names(model, driver.evidence_ids, summaries))), 6))
        for driver in (*balance.pressures, *balance.buffers)
        if driver.axis == axis
    ]
    there = (snapshot.meta.axis_confidence or {}).get(axis, 1.0)
    unknown = not_known(snapshot).get(axis, "")
    return Axis(axis, axis in BUFFERS, getattr(balance, axis), unknown, there, few(causes))


def _names(
    model: Model, evidence_ids: Iterable[str], summaries: Mapping[str, str]
) -> Iterator[str]:
    """What these ids stand for, in words: an id means nothing to a reader of the page."""
    corridors = {c.chokepoint: c.name for c in model.corridors if c.chokepoint}
    for evidence_id in evidence_ids:
        kind, _, rest = evidence_id.partition(":")
        if evidence_id in summaries:
            yield summaries[evidence_id]
        elif evidence_id in _FEEDS:
            yield _FEEDS[evidence_id]
        elif kind == "cii":
            yield f"the instability index of {rest}"
        elif kind == "chokepoint":
            yield f"the threat level at {corridors.get(rest, rest)}"
        elif kind == "producer":
            yield "the list of energy producers"
        else:
            yield "an item that is not in the snapshot's evidence"


def _watch(
    model: Model, stored: Trigger, state: TriggerState, snapshot: Body, record: Record
) -> Watch:
    trigger = next((t for t in model.triggers if t.id == stored.id), None)
    threshold = stored.threshold
    at, value = record.observed.get(threshold.metric, (None, None))
    # An older one is of an earlier snapshot: now there was no value.
    if at is not None and abs(snapshot.generated_at - at) > _OBSERVED_WITHIN:
        at = value = None
    mean = record.baselines.get(stored.id)
    relative = trigger is not None and metric_of(trigger.metric).relative
    change = compared(trigger, value, mean) if trigger else None
    # A threshold of another sign than the change is not on the way to it.
    way = None if change is None or not threshold.value else change / threshold.value
    window = words(threshold.baseline)
    if threshold.baseline == "fixed":
        against = "fixed threshold"
    elif mean is None:
        against = f"too few observations yet ({window})"
    else:
        moved = "" if change is None else f", now {_amount(change, relative, signed=True)}"
        against = f"{mean:.4g} ({window}){moved}"
    left = ""
    if state == "watching" and change is not None:
        left = f"{_amount(abs(threshold.value - change), relative)} ({window})"
    return Watch(
        stored,
        state,
        at,
        None if way is None else min(_FURTHEST, max(0.0, way)),
        "not available at this snapshot" if value is None else f"{value:.4g}",
        _threshold(threshold, relative),
        against,
        left,
    )


def _threshold(threshold: Threshold, relative: bool) -> str:
    """When the trigger is active, in words: "10 or above", "more than 15 above the baseline"."""
    size = _amount(abs(threshold.value), relative)
    match threshold.operator:
        case "delta_gt":
            return f"more than {size} above the baseline"
        case "delta_lt":
            return f"more than {size} below the baseline"
        case "gt":
            return f"above {_amount(threshold.value, relative)}"
        case "gte":
            return f"{_amount(threshold.value, relative)} or above"
    return f"{threshold.operator} {threshold.value:g}"


def _amount(value: float, relative: bool, *, signed: bool = False) -> str:
    """A value or change; of a relative metric, in percent."""
    sign = "+" if signed else ""
    text = f"{100 * value:{sign}.3g} %" if relative else f"{value:{sign}.4g}"
    return text.replace("-", "−")


def changes_of(snapshot: Body, changes: Diff | None) -> Few[Change]:
    """What changed between the snapshot before and this one, in words."""
    return few([*_changes(snapshot, changes)] if changes else [])


def _changes(snapshot: Body, changes: Diff) -> Iterator[Change]:
    described = {t.id: t.description for _, found in _by_state(snapshot) for t in found}
    named = {actor.actor_id: actor.name for actor in snapshot.actors}
    if changes.rescored:
        yield Change("Rules", "; ".join(changes.rescored) + ": what follows may come of that alone")
    if shift := changes.regime_changed:
        yield Change("Regime", "", words(shift.before) or "none", words(shift.after))
    for activation in changes.trigger_activations:
        yield Change("Trigger on", activation.description, bad=True)
    for end in changes.trigger_deactivations:
        yield Change("Trigger off", described.get(end.id) or words(end.id), bad=False)
    for jump in changes.scenario_jumps:
        subject = f"{jump.lane} within {jump.horizon}"
        yield Change("Scenario", subject, f"{jump.before:.1%}", f"{jump.after:.1%}")
    for fall in changes.buffer_failures:
        before, after = f"{fall.before:.3f}", f"{fall.after:.3f}"
        yield Change("Buffer fell", words(fall.axis), before, after, bad=True)
    for move in changes.leverage_shifts:
        subject = named.get(move.actor_id) or move.actor_id
        yield Change("Leverage", subject, f"{move.before:.3f}", f"{move.after:.3f}")
