"""Every number and word list that a snapshot is worked out with, in the order of the specification
(SPEC 2.2 to 7). The formulas that name them are in the module of each section.

The defaults are the built-in scoring. A model file changes single numbers (`[scoring.mobility]`
…); a list of words or rows is replaced as a whole.
"""

from typing import Annotated, Literal

import msgspec

from regional_assets.intelligence.timing import SCHEDULE_HOURS

# The upper bounds keep sums within a double.
Weight = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Words = tuple[str, ...]

Severity = Literal["critical", "high", "medium", "low"]
Lane = Literal["base", "escalation", "containment", "fragmentation"]
Horizon = Literal["24h", "7d", "30d"]
RegimeLabel = Literal[
    "calm",
    "stressed_equilibrium",
    "coercive_stalemate",
    "fragmentation_risk",
    "managed_deescalation",
    "escalation_ladder",
]

PRESSURES = ("coercive_pressure", "domestic_fragility", "capital_stress", "energy_vulnerability")
BUFFERS = ("alliance_cohesion", "maritime_access", "energy_leverage")
AXES = (*PRESSURES, *BUFFERS)

# The threat level of a word that names none.
UNKNOWN = "unknown"


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the scoring."""


class Term(Table, frozen=True):
    """A term of an axis: its weight, what stands for it when its `feeds` (names of the catalogue)
    bring nothing, and these. A term without a feed has no source, and weight 0."""

    weight: Weight
    default: float
    feeds: Words = ()


class Confidence(Table, frozen=True):
    """Shares of what is present and of what is fresh; how long a snapshot is valid (2.2)."""

    present: Share = 0.6
    fresh: Share = 0.4
    valid_hours: Positive = float(SCHEDULE_HOURS)

    def __post_init__(self) -> None:
        if self.present + self.fresh > 1:
            raise ValueError("present and fresh are more than 1 together")


class Threat(Table, frozen=True):
    """`severity` is what triggers compare with (above 0 it is evidence), `passage` what the threat
    leaves of maritime access (T)."""

    severity: Share
    passage: Share


class Reading(Table, frozen=True):
    """How live payloads are read (2.3): the threat levels; the week's change, in percent, that
    confirms a count of no ships; for how many minutes a wave of sirens counts; the types of signals
    that are evidence, but not coercion."""

    threats: dict[str, Threat] = msgspec.field(
        default_factory=lambda: {
            "war_zone": Threat(1.0, 0.0),
            "critical": Threat(0.8, 0.2),
            "high": Threat(0.6, 0.4),
            "elevated": Threat(0.4, 0.6),
            "normal": Threat(0.0, 1.0),
            UNKNOWN: Threat(0.0, 0.7),
        }
    )
    collapsed_pct: float = -50.0
    siren_minutes: Positive = 60.0
    not_coercive: Words = (
        "EARTHQUAKE_SIGNIFICANT",
        "WEATHER_EXTREME",
        "WILDFIRE_ESCALATION",
        "VIX_SPIKE",
        "COMMODITY_SHOCK",
        "MARKET_STRESS",
        "MEDIA_TONE_DETERIORATION",
        "REGULATORY_ACTION",
        "DISPLACEMENT_SURGE",
    )

    def __post_init__(self) -> None:
        # What a feed that names no known level is read as.
        for level in ("normal", UNKNOWN):
            if level not in self.threats:
                raise ValueError(f"threats: the level {level!r} is missing")


class CoercivePressure(Table, frozen=True):
    """(severity + signals + forecasts + vessels) / divisor (3.1). Severity is `critical` and `high`
    per signal; the others count up to a full number."""

    severity: Term = Term(0.30, 0.0, ("cross_source_signals",))
    signals: Term = Term(0.25, 0.0, ("cross_source_signals",))
    forecasts: Term = Term(0.15, 0.0, ("forecasts",))
    vessels: Term = Term(0.0, 0.0)
    divisor: Positive = 0.70
    critical: Weight = 0.4
    high: Weight = 0.15
    full_signals: Positive = 50.0
    full_forecasts: Positive = 5.0
    severity_driver: float = 0.05
    forecasts_driver: float = 0.0


class DomesticFragility(Table, frozen=True):
    """average + quantile + worst of the countries' instability; `without_score` stands for the axis
    where no country has one (3.1)."""

    average: Term = Term(0.4, 0.0, ("risk_scores",))
    quantile: Term = Term(0.4, 0.0, ("risk_scores",))
    worst: Term = Term(0.2, 0.0, ("risk_scores",))
    quantile_at: Share = 0.9
    driver: float = 0.3
    without_score: Share = 0.0


class CapitalStress(Table, frozen=True):
    """macro + debt + stress + sanctions (3.1). The default of debt is a ratio in percent of GDP;
    debt counts from `debt_from` on and is full `debt_range` above it."""

    macro: Term = Term(0.25, 0.5, ("macro_signals",))
    debt: Term = Term(0.20, 60.0, ("national_debt",))
    stress: Term = Term(0.30, 0.0, ("stress_index",))
    sanctions: Term = Term(0.0, 0.0)
    cash: Share = 1.0
    buy: Share = 0.0
    debt_from: float = 60.0
    debt_range: Positive = 80.0
    macro_driver: float = 0.6
    debt_driver: float = 0.4
    stress_driver: float = 0.5


class EnergyVulnerability(Table, frozen=True):
    """imports + gas + reserves (3.1). The default of reserves is in days of cover; `without_mix`
    stands for the axis where no country is in the energy mix."""

    imports: Term = Term(0.5, 0.0, ("energy_mix",))
    gas: Term = Term(0.25, 0.5, ("eu_gas_storage",))
    reserves: Term = Term(0.25, 90.0, ("strategic_reserves",))
    enough_gas: Positive = 0.8
    enough_days: Positive = 90.0
    driver: float = 0.4
    without_mix: Share = 0.0


class AllianceCohesion(Table, frozen=True):
    """references + base (3.1)."""

    references: Term = Term(0.4, 0.0, ("forecasts",))
    base: Share = 0.3
    full_references: Positive = 5.0
    driver: float = 0.2


class MaritimeAccess(Table, frozen=True):
    """passage + flow, the mean of the region's corridors by their weight (3.1). The default of flow
    is a change in percent; `full_flow` is the flow, in percent of the week before, that counts in
    full; `without_corridor` stands for the axis where no corridor is in the feed."""

    passage: Term = Term(0.6, 0.7, ("chokepoints",))
    flow: Term = Term(0.4, 0.0, ("transit_summaries",))
    full_flow: Positive = 120.0
    without_corridor: Share = 0.7
    driver: float = 0.6


class EnergyLeverage(Table, frozen=True):
    """By the number of the region's producers (3.1): `few` below `many`, else few + per_producer
    for each."""

    producers: Words = tuple("SA RU US IR IQ AE CA KW QA NG NO BR MX VE AU".split())
    few: Share = 0.6
    many: Count = 3
    per_producer: Weight = 0.1


class RegimeRule(Table, frozen=True):
    """A regime, and the bounds of axes or `net_balance` that all have to hold, strictly."""

    label: RegimeLabel
    above: dict[str, float] = msgspec.field(default_factory=dict)
    below: dict[str, float] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        for axis in (*self.above, *self.below):
            if axis not in (*AXES, "net_balance"):
                raise ValueError(
                    f"unknown axis {axis!r}; there are {', '.join((*AXES, 'net_balance'))}"
                )


class Regime(Table, frozen=True):
    """The first rule that holds decides; without one, the region is calm (3.2)."""

    rules: tuple[RegimeRule, ...] = (
        RegimeRule("escalation_ladder", {"coercive_pressure": 0.8}, {"net_balance": -0.4}),
        RegimeRule("fragmentation_risk", {"coercive_pressure": 0.6}, {"alliance_cohesion": 0.3}),
        RegimeRule("coercive_stalemate", {"coercive_pressure": 0.5, "net_balance": -0.1}),
        RegimeRule("managed_deescalation", {"net_balance": 0.1, "coercive_pressure": 0.3}),
        RegimeRule("stressed_equilibrium", below={"net_balance": -0.1}),
    )


class Mentions(Table, frozen=True):
    """The words that are looked for in a forecast's text (3.1, 4.1, 4.3). `aliases` are pairs of
    alias and actor, in the order that decides ties; `domains` the words of each domain;
    `alliances` count as whole words, `alliance` and `breaking` anywhere in a word."""

    aliases: tuple[tuple[str, str], ...] = (
        ("iran", "Iran"),
        ("irgc", "IRGC"),
        ("tehran", "Iran"),
        ("russia", "Russia"),
        ("kremlin", "Russia"),
        ("moscow", "Russia"),
        ("china", "China"),
        ("prc", "China"),
        ("beijing", "China"),
        ("united states", "United States"),
        ("usa", "United States"),
        ("us", "United States"),
        ("washington", "United States"),
        ("israel", "Israel"),
        ("idf", "Israel"),
        ("saudi arabia", "Saudi Arabia"),
        ("riyadh", "Saudi Arabia"),
        ("nato", "NATO"),
        ("hezbollah", "Hezbollah"),
        ("hamas", "Hamas"),
        ("houthis", "Houthis"),
        ("houthi", "Houthis"),
        ("ansarallah", "Houthis"),
    )
    domains: dict[str, Words] = msgspec.field(
        default_factory=lambda: {
            "economic": ("sanction", "trade"),
            "military": ("naval", "missile", "strike", "military", "fleet"),
            "energy": ("oil", "gas", "pipeline", "energy", "opec"),
            "diplomatic": ("diplomat", "alliance", "treaty", "summit"),
            "maritime": ("strait", "chokepoint", "maritime", "shipping", "naval"),
        }
    )
    alliances: Words = ("nato", "gcc")
    alliance: Words = ("alliance", "treaty", "coordination", "coalition")
    breaking: Words = ("fragment", "collapse", "breakdown")


class Actors(Table, frozen=True):
    """An actor's leverage is its mentions by the larger of `least_mentions` and `share` of all
    (4.1); at most so many actors, and items of evidence of each."""

    aggressors: Words = ("Iran", "IRGC", "Russia", "Houthis", "Hamas", "Hezbollah", "China")
    stabilizers: Words = ("United States", "NATO", "Saudi Arabia")
    least_mentions: Positive = 5.0
    share: Positive = 0.5
    most: Count = 10
    most_evidence: Count = 5


class TriggerRules(Table, frozen=True):
    """How close to its threshold a trigger is watching, as a share of it (4.2); how many
    observations a trailing baseline needs, and over which share of its window (7)."""

    close: Weight = 0.2
    least_observations: Count = 8
    least_span: Share = 0.25


class Trend(Table, frozen=True):
    """The lane that a forecast's trend adds to, per probability."""

    lane: Lane
    weight: Weight


class Scenarios(Table, frozen=True):
    """The lanes' scores before any forecast, what forecasts and active triggers add (4.3)."""

    before: dict[Lane, Positive] = msgspec.field(
        default_factory=lambda: {
            "base": 0.4,
            "escalation": 0.1,
            "containment": 0.1,
            "fragmentation": 0.1,
        }
    )
    trends: dict[str, Trend] = msgspec.field(
        default_factory=lambda: {
            "rising": Trend("escalation", 0.5),
            "escalating": Trend("escalation", 0.5),
            "falling": Trend("containment", 0.5),
            "de-escalating": Trend("containment", 0.5),
            "stable": Trend("base", 0.3),
        }
    )
    breaking: Weight = 0.4
    active_trigger: Weight = 0.1

    def __post_init__(self) -> None:
        if missing := set(Lane.__args__) - self.before.keys():  # type: ignore[attr-defined]
            raise ValueError(f"before: the lane {min(missing)!r} is missing")


class Mobility(Table, frozen=True):
    """From which rank of delay on an airport is shown; how many flights are full intensity
    (4.5)."""

    disrupted_rank: Count = 3
    full_flights: Positive = 50.0


class Evidence(Table, frozen=True):
    """What is evidence, how sure it is, and how many items there are (4.6)."""

    signal_confidence: dict[str, Share] = msgspec.field(
        default_factory=lambda: {"CRITICAL": 0.9, "HIGH": 0.75, "MEDIUM": 0.6, "LOW": 0.4}
    )
    unknown_confidence: Share = 0.5
    score_from: float = 50.0
    score_confidence: Share = 0.9
    chokepoint_confidence: Share = 0.95
    forecast_from: float = 0.3
    most: Annotated[int, msgspec.Meta(ge=1, le=30)] = 30


class Difference(Table, frozen=True):
    """Changes beyond these are told (5.2)."""

    scenario_jump: Weight = 0.15
    corridor_break: Weight = 0.3
    leverage_shift: Weight = 0.15
    buffer_failure: Weight = 0.20


class Alerts(Table, frozen=True):
    """The severity of each kind of alert, and the regimes whose beginning is critical (6.4)."""

    critical_regimes: tuple[RegimeLabel, ...] = ("escalation_ladder", "fragmentation_risk")
    regime_shift: Severity = "high"
    trigger_activation: Severity = "high"
    corridor_break: Severity = "critical"
    buffer_failure: Severity = "high"


class Scoring(Table, frozen=True):
    """The whole of it, in the order of the specification."""

    confidence: Confidence = Confidence()
    reading: Reading = Reading()
    coercive_pressure: CoercivePressure = CoercivePressure()
    domestic_fragility: DomesticFragility = DomesticFragility()
    capital_stress: CapitalStress = CapitalStress()
    energy_vulnerability: EnergyVulnerability = EnergyVulnerability()
    alliance_cohesion: AllianceCohesion = AllianceCohesion()
    maritime_access: MaritimeAccess = MaritimeAccess()
    energy_leverage: EnergyLeverage = EnergyLeverage()
    regime: Regime = Regime()
    mentions: Mentions = Mentions()
    actors: Actors = Actors()
    triggers: TriggerRules = TriggerRules()
    scenarios: Scenarios = Scenarios()
    mobility: Mobility = Mobility()
    evidence: Evidence = Evidence()
    difference: Difference = Difference()
    alerts: Alerts = Alerts()

    def terms(self, axis: str) -> dict[str, Term]:
        """The terms of an axis by name; energy leverage has none."""
        table = getattr(self, axis)
        return {
            name: value
            for name in table.__struct_fields__
            if isinstance(value := getattr(table, name), Term)
        }

    def feeds(self, axis: str) -> tuple[str, ...]:
        """The catalogue's names of the inputs that an axis reads, each once."""
        return tuple(dict.fromkeys(f for term in self.terms(axis).values() for f in term.feeds))
