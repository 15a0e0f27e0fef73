"""How a shock travels: transmission paths of active triggers (SPEC 4, Transmission paths)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from regional_assets.intelligence.scoring import Severity, Share
from regional_assets.intelligence.triggers import TriggerReading

if TYPE_CHECKING:
    # Definitions need this module's names alone; the schemas load when a run needs them.
    from regional_assets.intelligence.stored import TransmissionPath

UNITS = {
    "pct": "%",
    "pp": "percentage points",
    "basis_points": "basis points",
    "days": "days",
    "usd_bbl": "USD/bbl",
    "usd_teu": "USD/TEU",
    "usd_b": "billion USD",
}


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One effect: `latency_hours` after the trigger, an asset class moves by `low` to `high`.
    `effect` says in words what moves; `end` adds by how much."""

    severity: Severity
    latency_hours: int
    asset_class: str
    low: int | float
    high: int | float
    unit: str
    confidence: Share
    start: str
    mechanism: str
    effect: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"unknown unit {self.unit!r}; there are {', '.join(UNITS)}")

    @property
    def end(self) -> str:
        """The effect and its magnitude: "Brent +10–25 USD/bbl"."""
        if self.low < 0:
            low, high = (f"{value:g}".replace("-", "−") for value in (self.low, self.high))
            return f"{self.effect} {low} to {high} {UNITS[self.unit]}"
        return f"{self.effect} +{self.low:g}–{self.high:g} {UNITS[self.unit]}"


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The steps that follow when `trigger` is active, for every region in `regions`."""

    id: str
    trigger: str
    corridor: str
    regions: tuple[str, ...]
    steps: tuple[Step, ...]
    version: str = "1.0.0"


# fmt: off
TEMPLATES: tuple[Template, ...] = (
    Template("hormuz_blockade", "hormuz_transit_drop", "hormuz",
             ("mena", "east-asia", "south-asia", "europe"), (
        Step("critical", 12, "shipping", 200, 400, "pct", 0.90,
             "Transits through the Strait of Hormuz fall", "War-risk premiums are repriced",
             "Tanker insurance and freight rates"),
        Step("critical", 24, "crude", 10, 25, "usd_bbl", 0.85,
             "Gulf crude is held back", "A supply risk premium is priced in", "Brent"),
        Step("high", 72, "refined_products", 15, 30, "pct", 0.70,
             "Crude reaches Asia late and dear", "Refiners compete for other grades",
             "Refining margins in Asia"),
        Step("medium", 96, "crude", -10, 0, "usd_bbl", 0.60,
             "Importers agree on a release", "Strategic reserves reach the market together",
             "Brent, its rise capped:"),
    )),
    Template("red_sea_rerouting", "red_sea_critical", "babelm",
             ("mena", "europe", "east-asia", "sub-saharan-africa"), (
        Step("high", 24, "container", 10, 14, "days", 0.85,
             "Bab el-Mandeb becomes too dangerous", "Liners divert round the Cape",
             "Asia–Europe transit"),
        Step("high", 72, "container", 2000, 4000, "usd_teu", 0.85,
             "Longer rounds bind ships", "Capacity runs short", "Container spot rates"),
        Step("medium", 96, "bunker", 8, 12, "pct", 0.75,
             "Voyages grow longer", "Ships burn more fuel", "Demand for bunker fuel"),
        Step("medium", 720, "cpi", 0.3, 0.5, "pp", 0.50,
             "Freight costs stay high", "Importers pass them on",
             "Retail inflation in the EU"),
    )),
    Template("taiwan_strait_tension", "taiwan_tension_high", "taiwan-strait",
             ("east-asia", "north-america", "europe"), (
        Step("high", 12, "equity", -12, -5, "pct", 0.75,
             "Tension in the Taiwan Strait", "Chip supply is doubted", "Semiconductor shares"),
        Step("medium", 720, "capex", 20, 50, "usd_b", 0.60,
             "Dependence on one island", "Buyers spread their suppliers",
             "Investment in other chip plants"),
        Step("high", 48, "container", 30, 60, "pct", 0.70,
             "Ships avoid the Taiwan Strait", "Transpacific capacity tightens",
             "Transpacific container rates"),
    )),
    Template("iran_cii_escalation", "iran_cii_spike", "hormuz", ("mena", "east-asia", "europe"), (
        Step("high", 6, "crude", 3, 8, "usd_bbl", 0.80,
             "Instability in Iran", "A risk premium is priced in", "Crude oil"),
        Step("medium", 6, "metals", 1, 3, "pct", 0.70,
             "Instability in Iran", "Money seeks safety", "Gold"),
    )),
    Template("russia_naval_baltic", "russia_naval_buildup", "danish", ("europe",), (
        Step("medium", 48, "equity", 5, 15, "pct", 0.65,
             "Russian ships gather", "Defence budgets are expected to grow", "Defence shares"),
        Step("high", 24, "gas", 5, 15, "pct", 0.70,
             "Russian ships gather", "Gas supply by sea is doubted", "TTF gas"),
    )),
    Template("european_capital_stress", "european_capital_stress", "bosphorus", ("europe",), (
        Step("high", 48, "fx", 30, 80, "basis_points", 0.75,
             "Capital stress in Europe", "Investors leave weaker debtors",
             "Spreads of the euro area's periphery"),
        Step("medium", 72, "fx", -5, -2, "pct", 0.65,
             "Capital stress in Europe", "Money leaves the euro", "EUR/USD"),
    )),
    Template("mena_coercive_general", "mena_coercive_high", "hormuz",
             ("mena", "east-asia", "europe"), (
        Step("high", 12, "crude", 5, 12, "usd_bbl", 0.75,
             "Coercion across the Middle East", "Regional risk is shed",
             "Crude oil"),
    )),
)
# fmt: on


def transmission_paths(
    region_id: str, triggers: Iterable[TriggerReading], templates: Iterable[Template]
) -> tuple["TransmissionPath", ...]:
    """The paths that reach a region; `triggers` are those of all regions."""
    from regional_assets.intelligence.stored import TransmissionPath

    active = {reading.trigger.id for reading in triggers if reading.state == "active"}
    return tuple(
        TransmissionPath(
            start=step.start,
            mechanism=step.mechanism,
            end=step.end,
            severity=step.severity,
            corridor_id=template.corridor,
            confidence=step.confidence,
            latency_hours=step.latency_hours,
            impacted_asset_class=step.asset_class,
            impacted_regions=template.regions,
            magnitude_low=step.low,
            magnitude_high=step.high,
            magnitude_unit=step.unit,
            template_id=template.id,
            template_version=template.version,
        )
        for template in templates
        if template.trigger in active and region_id in template.regions
        for step in template.steps
    )
