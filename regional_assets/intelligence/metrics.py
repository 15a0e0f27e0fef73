"""What triggers watch: each metric's stored text, and how its value is read (SPEC 4, Triggers)."""

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import msgspec

from regional_assets.intelligence.scoring import AXES

if TYPE_CHECKING:
    # Definitions need this module's names alone; its readers load when a run needs them.
    from regional_assets.intelligence.model import Model
    from regional_assets.intelligence.stored import Balance
    from regional_assets.intelligence.world import World

BalanceOf = Callable[[str], "Balance"]


class Metric(msgspec.Struct, frozen=True):
    """`form` is its stored text with a group for each field; `what` says what its first field
    names. `relative`: a change counts as a share of the baseline, not as a difference from it."""

    form: ClassVar[str]
    what: ClassVar[str] = ""
    relative: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What it watches, in the model's spelling; "" for what a model cannot lack."""
        return str(getattr(self, self.__struct_fields__[0])) if self.__struct_fields__ else ""

    def feeds(self, model: "Model") -> tuple[str, ...]:
        """The names of the inputs that its value rests on."""
        return ()

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """The value now, None when it is unavailable; `balance_of` gives a region's balance."""
        raise NotImplementedError


class AxisMetric(Metric, frozen=True):
    """An axis of a region's balance."""

    form: ClassVar = r"balance:([^:]+):([^:]+)"
    what: ClassVar = "region"
    region: str
    axis: str

    def feeds(self, model: "Model") -> tuple[str, ...]:
        """Those of the axis, or of all axes."""
        of_axis = model.feeds_in[self.region]
        found = of_axis.get(self.axis, ()) if self.axis in AXES else sum(of_axis.values(), ())
        return tuple(dict.fromkeys(found))

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """In [0, 1]."""
        return balance_of(self.region).axis(self.axis)


class ThreatLevel(Metric, frozen=True):
    """The threat to shipping at a chokepoint."""

    form: ClassVar = r"chokepoint:([^:]+):threat_level"
    what: ClassVar = "chokepoint"
    chokepoint: str

    def feeds(self, model: "Model") -> tuple[str, ...]:
        """The list of passages."""
        return ("chokepoints",)

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """In [0, 1]; unavailable when the feed does not list the chokepoint."""
        level = world.chokepoints.get(self.chokepoint)
        return None if level is None else world.model.scoring.reading.threats[level].severity


class Transits(Metric, frozen=True):
    """Today's ships through a chokepoint."""

    form: ClassVar = r"chokepoint:([^:]+):transit_count"
    what: ClassVar = "chokepoint"
    relative: ClassVar = True
    chokepoint: str

    def feeds(self, model: "Model") -> tuple[str, ...]:
        """The list of passages, and the counts."""
        return ("chokepoints", "transit_summaries")

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """Ships; unavailable when either feed does not list the chokepoint, or its count is
        absent: a silent feed does not mean that no ships pass."""
        transit = world.transits.get(self.chokepoint)
        return transit.today if transit and self.chokepoint in world.chokepoints else None


class InstabilityIndex(Metric, frozen=True):
    """The instability index of a country."""

    form: ClassVar = r"cii:([^:]+):combined_score"
    what: ClassVar = "country"
    country: str

    def feeds(self, model: "Model") -> tuple[str, ...]:
        """The index."""
        return ("risk_scores",)

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """Points of 100; unavailable when the feed does not list the country."""
        region = world.model.geography.region_of_country(self.country) or ""
        scores = world.risk_scores.get(region, ())
        return next((s.score for s in scores if s.country == self.country), None)


class ActiveSirens(Metric, frozen=True):
    """The Israeli localities in which sirens sound."""

    form: ClassVar = "oref:active_alerts_count"

    def feeds(self, model: "Model") -> tuple[str, ...]:
        """The sirens."""
        return ("oref_alerts",)

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """Localities."""
        return world.active_sirens


class VesselCount(Metric, frozen=True):
    """The naval vessels of a country in a theater, which is stored with underscores."""

    form: ClassVar = r"theater:([a-z0-9_]+):([^:]+)_vessel_count"
    what: ClassVar = "theater"
    theater: str
    navy: str

    @property
    def name(self) -> str:
        """The theater."""
        return self.theater.replace("_", "-")

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """Unavailable: no feed counts vessels in a theater."""
        return None


_METRICS = (AxisMetric, ThreatLevel, Transits, InstabilityIndex, ActiveSirens, VesselCount)


@cache
def metric_of(text: str) -> Metric:
    """The metric of a stored text; raises ValueError with the texts there are."""
    for metric in _METRICS:
        if found := re.fullmatch(metric.form, text):
            return metric(*found.groups())
    raise ValueError(
        f"unknown metric {text!r}; a metric is one of balance:REGION:AXIS, "
        "chokepoint:ID:threat_level, chokepoint:ID:transit_count, cii:COUNTRY:combined_score, "
        "oref:active_alerts_count, theater:THEATER:NAVY_vessel_count"
    )
