"""The schemas of what is stored: a snapshot, an entry of the regime history, the summary of all
regions, a weekly brief (SPEC 5, 6).

What the platform's readers rely on is required, and fields that they do not know are let pass, so
that a snapshot of the platform's earlier job is as good as one of this project. A comparison needs
less: see `diff.read_previous`.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, TypeVar

import msgspec

from regional_assets.intelligence.scoring import AXES, Horizon, RegimeLabel, Severity
from regional_assets.intelligence.scoring import Lane as LaneName
from regional_assets.intelligence.text import quoted

T = TypeVar("T")

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"

# From here on (ms), times are beyond Python's dates and pandas'.
YEAR_10000 = 253_402_300_800_000

# JSON has neither NaN nor infinities, and a number beyond a double is refused.
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Signed = Annotated[float, msgspec.Meta(ge=-1, le=1)]
Time = Annotated[int, msgspec.Meta(ge=0, lt=YEAR_10000)]
Count = Annotated[int, msgspec.Meta(ge=0)]


# Why a snapshot matters: the first kind of change there is.
TriggerReason = Literal[
    "rescored",
    "regime_shift",
    "trigger_activation",
    "corridor_break",
    "leverage_shift",
    "scheduled_6h",
]


class BodyError(ValueError):
    """A key that holds something else than it should; the message completes "KEY is …"."""


class Decided(msgspec.Struct, frozen=True):
    """The numbers that a snapshot's decisions rest on: axes, lanes' probabilities by horizon, and
    actors' leverage scores."""

    axes: Mapping[str, Share]
    lanes: Mapping[str, Mapping[str, Share]]
    actors: Mapping[str, Share]


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """How the snapshot came about. Of the inputs that were missing, by key: since when (ms) those
    are held that speak with their last words, and which have no source. By axis: since when it
    rests on a silent input (ms), and how far its inputs are there (0 to 1). `decided` is there
    where it differs from the stored numbers."""

    snapshot_id: str
    model_version: str = ""
    scoring_version: str = ""
    geography_version: str = ""
    snapshot_confidence: Share
    missing_inputs: tuple[str, ...]
    stale_inputs: tuple[str, ...]
    valid_until: Time
    trigger_reason: TriggerReason
    narrative_provider: str = ""
    narrative_model: str = ""
    held_inputs: Mapping[str, Time] | msgspec.UnsetType = msgspec.UNSET
    no_source: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    unknown_axes: Mapping[str, Time] | msgspec.UnsetType = msgspec.UNSET
    axis_confidence: Mapping[str, Share] | msgspec.UnsetType = msgspec.UNSET
    decided: Decided | msgspec.UnsetType = msgspec.UNSET


class Regime(msgspec.Struct, frozen=True):
    """The regime and the one before ("" for none)."""

    label: RegimeLabel
    previous_label: RegimeLabel | Literal[""]
    transitioned_at: Time
    transition_driver: str


class Driver(msgspec.Struct, frozen=True, gc=False):
    """What moves an axis; its magnitude to three decimals."""

    axis: str
    description: str
    magnitude: float
    evidence_ids: tuple[str, ...]
    orientation: str


class Balance(msgspec.Struct, frozen=True):
    """The balance vector, to three decimals."""

    coercive_pressure: Share
    domestic_fragility: Share
    capital_stress: Share
    energy_vulnerability: Share
    alliance_cohesion: Share
    maritime_access: Share
    energy_leverage: Share
    net_balance: Signed
    pressures: tuple[Driver, ...]
    buffers: tuple[Driver, ...]

    def axis(self, name: str) -> float:
        """The value of the axis of that name, or of `net_balance`."""
        value: float = getattr(self, name)
        return value


Role = Literal["aggressor", "stabilizer", "swing", "broker"]


class Actor(msgspec.Struct, frozen=True, gc=False):
    """An actor; `leverage_score` to three decimals, `delta` its change since the previous snapshot,
    0 until it is compared."""

    actor_id: str
    name: str
    role: Role
    leverage_domains: tuple[str, ...]
    leverage_score: Share
    delta: Signed
    evidence_ids: tuple[str, ...]


class LeverageEdge(msgspec.Struct, frozen=True):
    """Leverage of one actor over another; nothing writes one yet."""

    from_actor_id: str
    to_actor_id: str
    mechanism: str
    strength: float
    evidence_ids: tuple[str, ...]


class TransmissionPath(msgspec.Struct, frozen=True, kw_only=True):
    """A way in which a shock spreads."""

    start: str
    mechanism: str
    end: str
    severity: Severity
    corridor_id: str = ""
    confidence: Share
    latency_hours: float
    impacted_asset_class: str
    impacted_regions: tuple[str, ...]
    magnitude_low: float
    magnitude_high: float
    magnitude_unit: str
    template_id: str
    template_version: str


class Lane(msgspec.Struct, frozen=True, gc=False):
    """One way in which things may go on."""

    name: LaneName
    probability: Share
    trigger_ids: tuple[str, ...]
    consequences: tuple[str, ...]
    transmissions: tuple[TransmissionPath, ...]


class ScenarioSet(msgspec.Struct, frozen=True):
    """The lanes of a horizon."""

    horizon: Horizon
    lanes: tuple[Lane, ...]


class Threshold(msgspec.Struct, frozen=True, gc=False):
    """What a trigger compares."""

    metric: str
    operator: str
    value: float
    window_minutes: float
    baseline: str


class Trigger(msgspec.Struct, frozen=True):
    """A watched threshold."""

    id: str
    description: str
    threshold: Threshold
    activated: bool
    activated_at: Time
    scenario_lane: str
    evidence_ids: tuple[str, ...]
    # False where it rests on an input that has gone silent.
    known: bool | msgspec.UnsetType = msgspec.UNSET


class Triggers(msgspec.Struct, frozen=True):
    """The region's triggers by state."""

    active: tuple[Trigger, ...]
    watching: tuple[Trigger, ...]
    dormant: tuple[Trigger, ...]


class Airspace(msgspec.Struct, frozen=True, gc=False):
    """A restricted airspace."""

    airspace_id: str
    status: Literal["open", "restricted", "closed"]
    reason: str


class FlightCorridor(msgspec.Struct, frozen=True, gc=False):
    """A corridor of flights; nothing writes one yet."""

    corridor: str
    stress_level: str | float
    rerouted_flights_24h: float


class Airport(msgspec.Struct, frozen=True, gc=False):
    """A disturbed airport."""

    icao: str
    name: str
    status: Literal["normal", "disrupted", "closed"]
    disruption_reason: str


class Mobility(msgspec.Struct, frozen=True):
    """Restrictions of airspace, airports and flights."""

    airspace: tuple[Airspace, ...]
    flight_corridors: tuple[FlightCorridor, ...]
    airports: tuple[Airport, ...]
    reroute_intensity: Share
    notam_closures: tuple[str, ...]


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """An item of evidence; its confidence and time are its input's, whatever they are."""

    id: str
    type: Literal[
        "vessel_track",
        "flight_surge",
        "news_headline",
        "cii_spike",
        "chokepoint_status",
        "sanctions_move",
        "market_signal",
        "mobility_disruption",
    ]
    source: str
    summary: str
    confidence: float
    observed_at: float
    theater: str = ""
    corridor: str = ""


class Passage(msgspec.Struct, frozen=True):
    """A text of the narrative, and the ids of the evidence it is based on."""

    text: str
    evidence_ids: tuple[str, ...]


class Narrative(msgspec.Struct, frozen=True):
    """The snapshot in words; empty texts when no language model wrote it. Who wrote it is in
    `Meta`."""

    situation: Passage
    balance_assessment: Passage
    outlook_24h: Passage
    outlook_7d: Passage
    outlook_30d: Passage
    watch_items: tuple[Passage, ...]

    def texts(self) -> list[str]:
        """The texts that are not empty."""
        sections = [getattr(self, name) for name in SECTIONS]
        return [passage.text for passage in (*sections, *self.watch_items) if passage.text]


MAX_WATCH_ITEMS = 3
SECTIONS = Narrative.__struct_fields__[:-1]
NO_TEXT = Passage("", ())
NO_NARRATIVE = Narrative(NO_TEXT, NO_TEXT, NO_TEXT, NO_TEXT, NO_TEXT, ())


class Body(msgspec.Struct, frozen=True):
    """A snapshot as it is stored."""

    region_id: str
    generated_at: Time
    meta: Meta
    regime: Regime
    balance: Balance
    actors: tuple[Actor, ...]
    leverage_edges: tuple[LeverageEdge, ...]
    scenario_sets: tuple[ScenarioSet, ...]
    transmission_paths: tuple[TransmissionPath, ...]
    triggers: Triggers
    mobility: Mobility
    evidence: Annotated[tuple[Evidence, ...], msgspec.Meta(max_length=30)]
    narrative: Narrative

    @property
    def decided(self) -> Decided:
        """What its decisions rest on: the stored numbers, except where it says otherwise."""
        return self.meta.decided or Decided(
            {axis: self.balance.axis(axis) for axis in AXES},
            {
                s.horizon: {lane.name: lane.probability for lane in s.lanes}
                for s in self.scenario_sets
            },
            {actor.actor_id: actor.leverage_score for actor in self.actors},
        )


class _OutlinedMeta(msgspec.Struct):
    snapshot_id: str


class _OutlinedRegime(msgspec.Struct):
    label: RegimeLabel


class _OutlinedBalance(msgspec.Struct):
    net_balance: Signed


class Outline(msgspec.Struct):
    """What a line over time takes of a snapshot; the rest is not parsed."""

    region_id: str
    generated_at: Time
    meta: _OutlinedMeta
    regime: _OutlinedRegime
    balance: _OutlinedBalance


class Transition(msgspec.Struct, frozen=True):
    """An entry of a region's regime history."""

    region_id: str
    label: RegimeLabel
    previous_label: RegimeLabel | Literal[""]
    transitioned_at: Time
    transition_driver: str
    snapshot_id: str


class SummaryRow(msgspec.Struct):
    """A region in the summary."""

    region: str
    regime: RegimeLabel
    confidence: Share
    active_triggers: Count
    trigger_reason: TriggerReason


class StoredSummary(msgspec.Struct):
    """The summary of all regions."""

    regions: list[SummaryRow]
    generatedAt: Time


class SeedMeta(msgspec.Struct):
    """The seed-meta of the summary, which health checks read."""

    fetchedAt: Time
    recordCount: Count


class WeeklyBrief(msgspec.Struct, frozen=True):
    """A region's weekly brief as it is stored."""

    region_id: str
    generated_at: Time
    period_start: Time
    period_end: Time
    situation_recap: str
    regime_trajectory: str
    key_developments: tuple[str, ...]
    risk_outlook: str
    provider: str
    model: str


class AlertPayload(msgspec.Struct, frozen=True):
    """What an alert is about; `triggered_at` in ms."""

    title: str
    region_id: str
    snapshot_id: str = ""
    triggered_at: Time = 0
    details: Mapping[str, str | float] = msgspec.field(default_factory=dict)


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A message for the notification relay; its title and `eventType` are its identity."""

    eventType: str
    # The relay takes a missing one for high.
    severity: Severity = "high"
    payload: AlertPayload
    publishedAt: Time

    @property
    def guard_hash(self) -> str:
        """The hash under which the publisher remembers the message: h = 31·h + code unit over
        UTF-16, in signed 32-bit arithmetic, read as unsigned, in base 36 (SPEC 6.4)."""
        h = 0
        units = f"{self.eventType}:{self.payload.title}".encode("utf-16-le")
        for low, high in zip(units[::2], units[1::2], strict=True):
            h = (31 * h + (high << 8 | low)) & 0xFFFFFFFF
        digits = ""
        while h:
            h, digit = divmod(h, 36)
            digits = _BASE36[digit] + digits
        return digits or "0"


S = TypeVar("S", Body, Outline)

_BODY = msgspec.json.Decoder(Body)
_OUTLINE = msgspec.json.Decoder(Outline)
_TRANSITION = msgspec.json.Decoder(Transition)
_SUMMARY = msgspec.json.Decoder(StoredSummary)
_SEED_META = msgspec.json.Decoder(SeedMeta)
_BRIEF = msgspec.json.Decoder(WeeklyBrief)


def read_body(region_id: str, snapshot_id: str, body: bytes) -> Body:
    """The snapshot of this region and id from its stored JSON; raises `BodyError`."""
    return _of(region_id, snapshot_id, _decode(_BODY, body, "a snapshot"))


def read_outline(region_id: str, snapshot_id: str, body: bytes) -> Outline:
    """The outline of the snapshot of this region and id; raises `BodyError`."""
    return _of(region_id, snapshot_id, _decode(_OUTLINE, body, "a snapshot"))


def _of(region_id: str, snapshot_id: str, found: S) -> S:
    if (found.region_id, found.meta.snapshot_id) != (region_id, snapshot_id):
        raise BodyError("the snapshot of another region, or another one")
    return found


def read_transition(region_id: str, entry: bytes) -> Transition:
    """The entry of this region's regime history from its stored JSON; raises `BodyError`."""
    found = _decode(_TRANSITION, entry, "a regime change")
    if found.region_id != region_id:
        raise BodyError("a regime change of another region")
    return found


def read_transitions(
    region_id: str, entries: Iterable[bytes]
) -> tuple[list[Transition], dict[int, str]]:
    """The entries of this region's stored regime history, and by place, from 1 on, what is wrong
    with those that are damaged."""
    found: list[Transition] = []
    damaged: dict[int, str] = {}
    for place, entry in enumerate(entries, 1):
        try:
            found.append(read_transition(region_id, entry))
        except BodyError as error:
            damaged[place] = str(error)
    return found, damaged


def read_summary(stored: bytes) -> StoredSummary:
    """The summary of all regions from its stored JSON; raises `BodyError`."""
    return _decode(_SUMMARY, stored, "a summary")


def read_seed_meta(stored: bytes) -> SeedMeta:
    """The record of the summary from its stored JSON; raises `BodyError`."""
    return _decode(_SEED_META, stored, "the record of a summary")


def read_weekly_brief(region_id: str, stored: bytes) -> WeeklyBrief:
    """The weekly brief of this region from its stored JSON; raises `BodyError`."""
    found = _decode(_BRIEF, stored, "a brief")
    if found.region_id != region_id:
        raise BodyError("the brief of another region")
    return found


def _decode(decoder: msgspec.json.Decoder[T], stored: bytes, what: str) -> T:
    try:
        # msgspec looks at the UTF-8 of known fields only.
        stored.decode()
        return decoder.decode(stored)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyError(f"not {what} ({quoted(error)})") from None
