"""What triggers watch: each metric's stored text, and how its value is read (SPEC 4, Triggers).

A metric that names an unknown region, axis, chokepoint, country or theater raises ValueError when
it is made. One that names what another geography has says in `lacks` what the installed one lacks.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

import msgspec

from regional_assets.intelligence.balance import AXES, Balance
from regional_assets.intelligence.geography import (
    CORRIDORS,
    GEOGRAPHY,
    Region,
    known_anywhere,
    known_here,
)
from regional_assets.intelligence.threats import THREATS

if TYPE_CHECKING:
    # Definitions need this module's names alone; its readers load when a run needs them.
    from regional_assets.intelligence.world import World

BalanceOf = Callable[[str], Balance]

_CHOKEPOINTS = tuple(c.chokepoint for c in CORRIDORS if c.chokepoint)


class Metric(msgspec.Struct, frozen=True):
    """`str(metric)` is its stored text. `relative`: a change counts as a share of the baseline, not
    as a difference from it."""

    relative: ClassVar[bool] = False

    def __str__(self) -> str:
        raise NotImplementedError

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """The value now, None when it is unavailable; `balance_of` gives a region's balance."""
        raise NotImplementedError

    def lacks(self) -> str:
        """What it names that the installed geography lacks: "country 'IR'"; "" when nothing."""
        return ""


class AxisMetric(Metric, frozen=True):
    """An axis of a region's balance."""

    region: str
    axis: str

    def __post_init__(self) -> None:
        _known("region", self.region, known_anywhere(ids))
        _known("axis", self.axis, AXES)

    def __str__(self) -> str:
        return f"balance:{self.region}:{self.axis}"

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """In [0, 1]."""
        return balance_of(self.region).axes[self.axis]

    def lacks(self) -> str:
        """The region, where the geography lacks it."""
        return lacking("region", self.region, ids)


class ThreatLevel(Metric, frozen=True):
    """The threat to shipping at a chokepoint."""

    chokepoint: str

    def __post_init__(self) -> None:
        _known("chokepoint", self.chokepoint, _CHOKEPOINTS)

    def __str__(self) -> str:
        return f"chokepoint:{self.chokepoint}:threat_level"

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """In [0, 1]; unavailable when the feed does not list the chokepoint."""
        level = world.chokepoints.get(self.chokepoint)
        return None if level is None else THREATS[level].severity


class Transits(Metric, frozen=True):
    """Today's ships through a chokepoint."""

    relative: ClassVar[bool] = True
    chokepoint: str

    def __post_init__(self) -> None:
        _known("chokepoint", self.chokepoint, _CHOKEPOINTS)

    def __str__(self) -> str:
        return f"chokepoint:{self.chokepoint}:transit_count"

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """Ships; unavailable when either feed does not list the chokepoint, or its count is
        absent: a feed that is silent is no strait without ships."""
        transit = world.transits.get(self.chokepoint)
        return transit.today if transit and self.chokepoint in world.chokepoints else None


class InstabilityIndex(Metric, frozen=True):
    """The instability index of a country."""

    country: str

    def __post_init__(self) -> None:
        _known("country", self.country, known_anywhere(_countries))

    def __str__(self) -> str:
        return f"cii:{self.country}:combined_score"

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """Points of 100; unavailable when the feed does not list the country."""
        region = GEOGRAPHY.region_of_country(self.country) or ""
        scores = world.risk_scores.get(region, ())
        return next((s.score for s in scores if s.country == self.country), None)

    def lacks(self) -> str:
        """The country, where no region has it."""
        return lacking("country", self.country, _countries)


class ActiveSirens(Metric, frozen=True):
    """The Israeli localities in which sirens sound."""

    def __str__(self) -> str:
        return "oref:active_alerts_count"

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """Localities."""
        return world.active_sirens


class VesselCount(Metric, frozen=True):
    """The naval vessels of a country in a theater."""

    theater: str
    navy: str

    def __post_init__(self) -> None:
        _known("theater", self.theater, known_anywhere(_theaters))

    def __str__(self) -> str:
        return f"theater:{self.theater.replace('-', '_')}:{self.navy}_vessel_count"

    def value(self, world: "World", balance_of: BalanceOf) -> float | None:
        """Unavailable: no feed counts vessels in a theater."""
        return None

    def lacks(self) -> str:
        """The theater, where no region has it."""
        return lacking("theater", self.theater, _theaters)


def ids(region: Region) -> tuple[str, ...]:
    """The region's own id, as a member of it."""
    return (region.id,)


def _countries(region: Region) -> frozenset[str]:
    return region.countries


def _theaters(region: Region) -> tuple[str, ...]:
    return region.theaters


def lacking(what: str, name: str, members: Callable[[Region], Iterable[str]]) -> str:
    """`what` and its `name` when the installed geography lacks it, else ""."""
    return "" if name in known_here(members) else f"{what} {name!r}"


def _known(what: str, name: str, names: Iterable[str]) -> None:
    if name not in (known := sorted(names)):
        raise ValueError(f"unknown {what} {name!r}; there are {', '.join(known)}")
