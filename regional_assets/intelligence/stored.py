"""The schemas of what is stored: a snapshot, an entry of the regime history, the summary of all
regions, a weekly brief (SPEC 5, 6).

What the platform's readers rely on is required, and fields that they do not know are let pass, so
that a snapshot of the platform's earlier job is as good as one of this project. A comparison needs
less: see `diff.read_previous`.
"""

from typing import Annotated, Literal, TypeVar

import msgspec

from regional_assets.intelligence.diff import TriggerReason
from regional_assets.intelligence.scoring import RegimeLabel, Severity
from regional_assets.intelligence.text import quoted

T = TypeVar("T")

# From here on (ms), times are beyond Python's dates and pandas'.
YEAR_10000 = 253_402_300_800_000

# JSON has neither NaN nor infinities, and a number beyond a double is refused.
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Signed = Annotated[float, msgspec.Meta(ge=-1, le=1)]
Time = Annotated[int, msgspec.Meta(ge=0, lt=YEAR_10000)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class BodyError(ValueError):
    """A key that holds something else than it should; the message completes "KEY is …"."""


class Meta(msgspec.Struct):
    """How the snapshot came about."""

    snapshot_id: str
    snapshot_confidence: Share
    missing_inputs: list[str]
    stale_inputs: list[str]
    valid_until: Time
    trigger_reason: TriggerReason
    model_version: str = ""
    scoring_version: str = ""
    geography_version: str = ""
    narrative_provider: str = ""
    narrative_model: str = ""


class Regime(msgspec.Struct):
    """The regime and the one before ("" for none)."""

    label: RegimeLabel
    previous_label: RegimeLabel | Literal[""]
    transitioned_at: Time
    transition_driver: str


class Driver(msgspec.Struct):
    """What moves an axis."""

    axis: str
    description: str
    magnitude: float
    evidence_ids: list[str]
    orientation: str


class Balance(msgspec.Struct):
    """The balance vector."""

    coercive_pressure: Share
    domestic_fragility: Share
    capital_stress: Share
    energy_vulnerability: Share
    alliance_cohesion: Share
    maritime_access: Share
    energy_leverage: Share
    net_balance: Signed
    pressures: list[Driver]
    buffers: list[Driver]


class Actor(msgspec.Struct):
    """An actor."""

    actor_id: str
    name: str
    role: Literal["aggressor", "stabilizer", "swing", "broker"]
    leverage_domains: list[str]
    leverage_score: Share
    delta: Signed
    evidence_ids: list[str]


class LeverageEdge(msgspec.Struct):
    """Leverage of one actor over another."""

    from_actor_id: str
    to_actor_id: str
    mechanism: str
    strength: float
    evidence_ids: list[str]


class TransmissionPath(msgspec.Struct):
    """A way in which a shock spreads."""

    start: str
    mechanism: str
    end: str
    severity: Severity
    confidence: Share
    latency_hours: float
    impacted_asset_class: str
    impacted_regions: list[str]
    magnitude_low: float
    magnitude_high: float
    magnitude_unit: str
    template_id: str
    template_version: str
    corridor_id: str = ""


class Lane(msgspec.Struct):
    """One way in which things may go on."""

    name: Literal["base", "escalation", "containment", "fragmentation"]
    probability: Share
    trigger_ids: list[str]
    consequences: list[str]
    transmissions: list[TransmissionPath]


class ScenarioSet(msgspec.Struct):
    """The lanes of a horizon."""

    horizon: Literal["24h", "7d", "30d"]
    lanes: list[Lane]


class Threshold(msgspec.Struct):
    """What a trigger compares."""

    metric: str
    operator: str
    value: float
    window_minutes: float
    baseline: str


class Trigger(msgspec.Struct):
    """A watched threshold."""

    id: str
    description: str
    threshold: Threshold
    activated: bool
    activated_at: Time
    scenario_lane: str
    evidence_ids: list[str]


class Triggers(msgspec.Struct):
    """The region's triggers by state."""

    active: list[Trigger]
    watching: list[Trigger]
    dormant: list[Trigger]


class Airspace(msgspec.Struct):
    """A restricted airspace."""

    airspace_id: str
    status: Literal["open", "restricted", "closed"]
    reason: str


class FlightCorridor(msgspec.Struct):
    """A corridor of flights; nothing writes one yet."""

    corridor: str
    stress_level: str | float
    rerouted_flights_24h: float


class Airport(msgspec.Struct):
    """A disturbed airport."""

    icao: str
    name: str
    status: Literal["normal", "disrupted", "closed"]
    disruption_reason: str


class Mobility(msgspec.Struct):
    """Restrictions of airspace, airports and flights."""

    airspace: list[Airspace]
    flight_corridors: list[FlightCorridor]
    airports: list[Airport]
    reroute_intensity: Share
    notam_closures: list[str]


class Evidence(msgspec.Struct):
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


class Passage(msgspec.Struct):
    """A text of the narrative."""

    text: str
    evidence_ids: list[str]


class Narrative(msgspec.Struct):
    """The snapshot in words; empty texts when nobody wrote it."""

    situation: Passage
    balance_assessment: Passage
    outlook_24h: Passage
    outlook_7d: Passage
    outlook_30d: Passage
    watch_items: list[Passage]

    def texts(self) -> list[str]:
        """The texts that are not empty."""
        sections = [getattr(self, name) for name in self.__struct_fields__[:-1]]
        return [passage.text for passage in (*sections, *self.watch_items) if passage.text]


class Body(msgspec.Struct):
    """A snapshot as it is stored."""

    region_id: str
    generated_at: Time
    meta: Meta
    regime: Regime
    balance: Balance
    actors: list[Actor]
    leverage_edges: list[LeverageEdge]
    scenario_sets: list[ScenarioSet]
    transmission_paths: list[TransmissionPath]
    triggers: Triggers
    mobility: Mobility
    evidence: Annotated[list[Evidence], msgspec.Meta(max_length=30)]
    narrative: Narrative


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


class Transition(msgspec.Struct):
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


class WeeklyBrief(msgspec.Struct):
    """A region's weekly brief as it is stored."""

    region_id: str
    generated_at: Time
    period_start: Time
    period_end: Time
    situation_recap: str
    regime_trajectory: str
    key_developments: list[str]
    risk_outlook: str
    provider: str
    model: str


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
