"""The model: everything besides the inputs that decides what a snapshot says, as one immutable
value. What is derived from it (look-ups, gazetteer, applicable triggers) is built once per model.

Every part that is not given is the built-in one. Two models live side by side in one process.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from regional_assets.errors import UnknownRegionError
from regional_assets.intelligence.catalogue import INPUTS, InputSpec
from regional_assets.intelligence.gazetteer import Gazetteer, Tables, reference
from regional_assets.intelligence.geography import (
    CORRIDORS,
    REGIONS,
    Corridor,
    Criticality,
    Geography,
    Region,
)
from regional_assets.intelligence.metrics import metric_of
from regional_assets.intelligence.scoring import AXES, Scoring
from regional_assets.intelligence.transmission import TEMPLATES, Template
from regional_assets.intelligence.triggers import TRIGGERS, Trigger

if TYPE_CHECKING:
    # Definitions need the model, but no run's modules.
    from regional_assets.intelligence.mentions import WordFinder

# Of the code: what a snapshot consists of.
MODEL_VERSION = "0.1.0"
# Of the built-in parts. Raise them when numbers change for the same inputs.
SCORING_VERSION = "1.2.0"
GEOGRAPHY_VERSION = "1.0.0"

_GEOGRAPHY = ("regions", "corridors", "criticality", "tables")
_SCORING = ("inputs", "scoring", "triggers", "templates")


class StatedVersions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The versions that a model file states of itself; "" for none."""

    scoring: str = ""
    geography: str = ""


class Holds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether missing inputs have last words. `off`: their defaults are compared as values."""

    off: bool = False


class Model(msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True):
    """A model. `inputs` are in the order of the catalogue, `regions` in that of the partitions.

    A trigger that names a region, country, theater or chokepoint that the model lacks does not
    apply, nor does a template without its trigger or without any of its regions (`left_out`).
    """

    versions: StatedVersions = StatedVersions()
    regions: tuple[Region, ...] = REGIONS
    corridors: tuple[Corridor, ...] = CORRIDORS
    criticality: Criticality = Criticality()
    inputs: tuple[InputSpec, ...] = INPUTS
    scoring: Scoring = Scoring()
    triggers: tuple[Trigger, ...] = TRIGGERS
    templates: tuple[Template, ...] = TEMPLATES
    tables: Tables = Tables()
    holds: Holds = Holds()

    @cached_property
    def stored_versions(self) -> Mapping[str, str]:
        """The versions as they are stored in a snapshot's `meta`: what the model states, else the
        built-in part's, else `custom-` and the digest of the part (SPEC 5.1)."""
        return {
            "model_version": MODEL_VERSION,
            "scoring_version": self.versions.scoring or self._version(SCORING_VERSION, _SCORING),
            "geography_version": (
                self.versions.geography or self._version(GEOGRAPHY_VERSION, _GEOGRAPHY)
            ),
        }

    def _version(self, built_in: str, parts: Iterable[str]) -> str:
        if all(getattr(self, part) == getattr(BUILT_IN, part) for part in parts):
            return built_in
        return f"custom-{self._digest(parts)[:16]}"

    def _digest(self, parts: Iterable[str]) -> str:
        content = {part: getattr(self, part) for part in parts}
        if "tables" in content:
            content["tables"] = self.full_tables
        plain = msgspec.to_builtins(content, order="deterministic")
        for spec in plain.get("inputs", ()):
            # What stands in for a missing input is no part of the numbers that it gives.
            del spec["hold_hours"], spec["lives_minutes"]
        return _sha256(_effective(plain))

    @property
    def scoring_digest(self) -> str:
        """SHA-256 of all that decides numbers besides the geography."""
        return self._digest(_SCORING)

    @property
    def geography_digest(self) -> str:
        """SHA-256 of regions, corridors, criticality and tables."""
        return self._digest(_GEOGRAPHY)

    @property
    def full_tables(self) -> dict[str, Mapping[str, str]]:
        """The large tables by name, those of this version included."""
        return {name: self.tables.table(name) for name in Tables.__struct_fields__}

    @cached_property
    def geography(self) -> Geography:
        """Look-ups by country, position and word. Raises ValueError (see `Geography`)."""
        return Geography(self.regions, self.corridors, self.criticality)

    @cached_property
    def gazetteer(self) -> Gazetteer:
        """Look-ups by name."""
        return Gazetteer(self.geography, self.tables)

    @cached_property
    def word_finder(self) -> "WordFinder":
        """Looks for actors and other words in texts."""
        from regional_assets.intelligence.mentions import WordFinder

        return WordFinder(self.scoring.mentions)

    @cached_property
    def region_ids(self) -> tuple[str, ...]:
        """In the order of the partitions."""
        return tuple(region.id for region in self.regions)

    @cached_property
    def narrated(self) -> tuple[str, ...]:
        """The ids of the regions that have narratives and weekly briefs."""
        return tuple(region.id for region in self.regions if region.narrated)

    def region(self, id: str) -> Region:
        """The region of that id; raises KeyError."""
        return self.geography.regions[id]

    def checked_regions(self, ids: Iterable[str]) -> tuple[str, ...]:
        """`ids` without repeats; raises one `UnknownRegionError` that names all unknown ones."""
        chosen = tuple(dict.fromkeys(ids))
        if unknown := [id for id in chosen if id not in self.geography.regions]:
            raise UnknownRegionError(
                f"unknown region {', '.join(map(repr, unknown))}; the regions are "
                + ", ".join(self.region_ids)
            )
        return chosen

    @cached_property
    def input_of(self) -> Mapping[str, InputSpec]:
        """The inputs by name."""
        return {spec.name: spec for spec in self.inputs}

    @cached_property
    def input_keys(self) -> tuple[str, ...]:
        """The keys of all inputs, then those of their companions."""
        companions = (spec.companion for spec in self.inputs if spec.companion)
        return (*(spec.key for spec in self.inputs), *companions)

    @cached_property
    def feeds_of_axis(self) -> Mapping[str, tuple[str, ...]]:
        """Axis → the names of the inputs it reads. Energy leverage reads none and is not there."""
        return {axis: feeds for axis in AXES if (feeds := self.scoring.feeds(axis))}

    @cached_property
    def feeds_in(self) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """Region → axis → the names of the inputs that the axis reads there: gas counts in some
        regions alone, passages where a region has corridors."""
        gas = set(self.scoring.energy_vulnerability.gas.feeds)
        passages = set(self.feeds_of_axis.get("maritime_access", ()))
        found = {}
        for region in self.regions:
            unread = set() if region.eu_gas else gas
            if not self.geography.corridors_of[region.id]:
                unread = unread | passages
            axes = {
                axis: tuple(feed for feed in feeds if feed not in unread)
                for axis, feeds in self.feeds_of_axis.items()
            }
            found[region.id] = {axis: feeds for axis, feeds in axes.items() if feeds}
        return found

    @cached_property
    def applicable_triggers(self) -> tuple[Trigger, ...]:
        """The triggers whose region and metric the model has."""
        return tuple(t for t in self.triggers if not _lack(self, t))

    @cached_property
    def trailing_triggers(self) -> tuple[Trigger, ...]:
        """Those that compare with a trailing baseline."""
        return tuple(t for t in self.applicable_triggers if t.baseline != "fixed")

    @cached_property
    def applicable_templates(self) -> tuple[Template, ...]:
        """The templates whose trigger applies, each with the regions that the model has."""
        triggers = {trigger.id for trigger in self.applicable_triggers}
        return tuple(
            replace(template, regions=regions)
            for template in self.templates
            if template.trigger in triggers
            and (regions := tuple(id for id in template.regions if id in self.geography.regions))
        )

    @cached_property
    def left_out(self) -> Mapping[str, str]:
        """What does not apply in full → what the model lacks for it: `trigger oref_cluster` →
        `region 'mena'`."""
        triggers = {trigger.id: _lack(self, trigger) for trigger in self.triggers}
        found = {f"trigger {id}": lack for id, lack in triggers.items() if lack}
        for template in self.templates:
            lack = f"trigger {template.trigger!r}" if triggers.get(template.trigger, "-") else ""
            missing = [id for id in template.regions if id not in self.geography.regions]
            if lack or missing:
                found[f"template {template.id}"] = lack or f"region {missing[0]!r}"
        return found

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed, and probably not meant."""
        return tuple(
            f"the region {region.id} has no countries, so that no risk score, debt or energy mix "
            "counts in it"
            for region in self.regions
            if not region.countries and not region.every_forecast
        )


def _lack(model: Model, trigger: Trigger) -> str:
    """What the trigger names that the model lacks: `country 'IR'`; "" for nothing."""
    if trigger.region not in model.geography.regions:
        return f"region {trigger.region!r}"
    metric = metric_of(trigger.metric)
    return (
        ""
        if not metric.what or metric.name in names(model, metric.what)
        else (f"{metric.what} {metric.name!r}")
    )


def names(model: Model, what: str) -> set[str]:
    """The regions, countries, theaters or chokepoints that the model has."""
    if what == "region":
        return set(model.region_ids)
    if what == "chokepoint":
        return {corridor.chokepoint for corridor in model.corridors if corridor.chokepoint}
    members = "countries" if what == "country" else "theaters"
    return {member for region in model.regions for member in getattr(region, members)}


BUILT_IN = Model()


def normalised(model: Model) -> Model:
    """An equal model whose numbers have the types of their fields: 12 is 12.0 in a box."""
    return msgspec.convert(msgspec.to_builtins(model), Model)


def table_digest(name: str) -> str:
    """The digest by which a model file names the large table of this version."""
    return f"sha256-{_sha256(reference(name))[:16]}"


def _sha256(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()


def _effective(value: object) -> object:
    """The value without what is off, empty or of weight 0: a switch or term that a later version
    adds, and that a model does not use, leaves its digest alone. Numbers are doubles: 12 is 12.0.
    """
    if isinstance(value, dict):
        found = {name: _effective(item) for name, item in value.items()}
        if "default" in found and found.get("weight") == 0:
            return {}
        return {name: item for name, item in found.items() if item or isinstance(item, float)}
    if isinstance(value, list | tuple):
        return [_effective(item) for item in value]
    return float(value) if type(value) is int else value
