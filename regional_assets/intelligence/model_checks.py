"""What a model has to hold, whoever made it (SPEC 1, Models)."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import msgspec

from regional_assets.errors import RegionalAssetsError
from regional_assets.intelligence.geography import REGIONS, Box, Geography, Region
from regional_assets.intelligence.metrics import AxisMetric, metric_of
from regional_assets.intelligence.model import BUILT_IN, Model, names, normalised
from regional_assets.intelligence.scoring import AXES

# Names and numbers of rows that lead to a value; rows of regions, corridors, triggers and templates
# by their id.
Path = tuple[str | int, ...]
Problem = tuple[Path, str]

# What Dagster takes as a partition, Redis as a part of a key and a file system as a name.
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_ID = 60
# A country's subdivision (ISO 3166-2), for regions smaller than a country.
_SUBDIVISION = re.compile(r"([A-Z]{2})-[A-Z0-9]{1,3}")
# Of a place so many characters are shown, of a choice so many names.
_LONGEST_PLACE = 200
_MOST_LISTED = 60
# The World Bank's own codes, which ISO 3166 lacks.
_OTHER_COUNTRIES = {"JG", "XK"}


class ModelError(RegionalAssetsError, ValueError):
    """A model that cannot be used; the message names the place in it, which `path` leads to."""

    def __init__(self, words: str, path: Path = ()) -> None:
        super().__init__(f"{_place(path)}: {words}" if path else words)
        self.path = path


def _place(path: Path) -> str:
    """`[[regions]] 2, countries`, or `scoring.regime.rules`."""
    if len(path) > 1 and isinstance(path[1], int):
        row = f"[[{path[0]}]] {path[1] + 1}"
        return f"{row}, {'.'.join(map(str, path[2:]))}" if path[2:] else row
    return ".".join(map(str, path))[:_LONGEST_PLACE]


def checked(model: Model) -> Model:
    """An equal model whose values have the types and bounds of their fields; raises `ModelError` at
    its first problem."""
    try:
        model = normalised(model)
    except msgspec.ValidationError as error:
        raise ModelError(str(error)) from None
    for path in not_finite(msgspec.to_builtins(model)):
        raise ModelError("the number is not finite", path)
    for path, words in problems(model):
        raise ModelError(words, path)
    return model


def not_finite(value: object) -> list[Path]:
    """Where in a value of plain types a number is infinite or none."""
    try:
        # Quick, and where it succeeds there is none.
        json.dumps(value, allow_nan=False)
    except (ValueError, TypeError):
        return list(_not_finite(value, ()))
    return []


def _not_finite(value: object, path: Path) -> Iterator[Path]:
    if isinstance(value, dict | list | tuple):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _not_finite(item, (*path, key))
    elif isinstance(value, float) and not math.isfinite(value):
        yield path


def problems(model: Model) -> Iterator[Problem]:
    """What is wrong with the model, one after the other; later ones may follow from earlier
    ones."""
    countries = {*model.tables.table("country_names").values(), *_OTHER_COUNTRIES}
    if not model.regions:
        yield ("regions",), "there is no region"
    elif not model.narrated:
        yield (
            ("regions",),
            "no region is narrated: leave `narrated = false` out of one at least (without a "
            "language model nothing is narrated anyway)",
        )
    for part in ("regions", "corridors", "triggers", "templates"):
        yield from _twice(part, [row.id for row in getattr(model, part)])
    theaters = {corridor.theater for corridor in model.corridors} | {
        theater for region in REGIONS for theater in region.theaters
    }
    for region in model.regions:
        for field, words in _region_problems(region, countries, theaters):
            yield ("regions", region.id, field), words
    try:
        Geography(model.regions)
    except ValueError as error:
        yield ("regions",), str(error)
    chokepoints = [c.chokepoint for c in model.corridors if c.chokepoint]
    for corridor in model.corridors:
        if chokepoints.count(corridor.chokepoint) > 1:
            words = f"{corridor.chokepoint!r} is there twice"
            yield ("corridors", corridor.id, "chokepoint"), words
    if not model.inputs:
        yield ("inputs",), "there is no input"
    yield from _twice("inputs", [spec.name for spec in model.inputs])
    for field in ("high", "medium"):
        yield from _unknown_countries(
            getattr(model.criticality, field), countries, ("criticality", field)
        )
    for spec in model.inputs:
        if spec.name not in BUILT_IN.input_of:
            there = ", ".join(BUILT_IN.input_of)
            words = f"this version reads no input {spec.name!r}; there are {there}"
            yield ("inputs", spec.name), words
        if not spec.key.strip():
            yield ("inputs", spec.name, "key"), "the key is empty"
    yield from _scoring_problems(model, countries)
    yield from _trigger_problems(model)


def _twice(part: str, ids: list[str]) -> Iterator[Problem]:
    for id, count in Counter(ids).items():
        if count > 1:
            yield (part, id), f"{id!r} is there twice"


def _region_problems(
    region: Region, countries: set[str], theaters: set[str]
) -> Iterator[tuple[str, str]]:
    if len(region.id) > _LONGEST_ID or not _ID.fullmatch(region.id):
        yield (
            "id",
            f"{region.id[:80]!r} has to be lower-case letters and digits, joined by hyphens, at "
            f"most {_LONGEST_ID} in all",
        )
    if not region.label.strip():
        yield "label", "the label is empty"
    for name in ("countries", "key_countries"):
        for _, words in _unknown_countries(getattr(region, name), countries, ()):
            yield name, words
    for theater in region.theaters:
        if theater not in theaters:
            yield (
                "theaters",
                f"unknown theater {theater!r}; there are {', '.join(sorted(theaters))}",
            )
    for box in region.boxes:
        if wrong := _box_problem(box):
            yield "boxes", f"{list(box)}: {wrong}"
    for name in ("aliases", "places"):
        if not all(text.strip() for text in getattr(region, name)):
            yield name, "an empty name"
    for word in region.airport_words:
        if not word.word.strip() or word.word != word.word.upper():
            yield "airport_words", f"{word.word!r} has to be in upper case"
    for area in region.jamming_areas:
        if not area.strip() or area != area.lower():
            yield "jamming_areas", f"{area!r} has to be in lower case"


def _unknown_countries(codes: Iterable[str], countries: set[str], path: Path) -> Iterator[Problem]:
    for code in sorted(codes):
        part = _SUBDIVISION.fullmatch(code)
        if (part[1] if part else code) not in countries:
            yield path, f"unknown country {code!r}; codes are ISO 3166 (SE, or SE-AB)"


def _box_problem(box: Box) -> str:
    if not -90 <= box.south <= box.north <= 90:
        return "latitudes have to be south <= north, from -90 to 90"
    if not -180 <= box.west <= box.east <= 180:
        return "longitudes have to be west <= east, from -180 to 180"
    return ""


def _scoring_problems(model: Model, countries: set[str]) -> Iterator[Problem]:
    for axis in AXES:
        built_in = BUILT_IN.scoring.terms(axis)
        for name, term in model.scoring.terms(axis).items():
            path = ("scoring", axis, name)
            if not set(term.feeds) <= set(built_in[name].feeds):
                read = ", ".join(built_in[name].feeds) or "nothing"
                yield (*path, "feeds"), f"this version reads {read} for this term"
            elif term.weight and not term.feeds:
                yield (*path, "weight"), "no feed in this version has this term: expected 0"
    yield from _unknown_countries(
        model.scoring.energy_leverage.producers,
        countries,
        ("scoring", "energy_leverage", "producers"),
    )
    words = model.scoring.mentions
    lists = {
        "aliases": [alias for alias, _ in words.aliases],
        "domains": [word for members in words.domains.values() for word in members],
        **{name: getattr(words, name) for name in ("alliances", "alliance", "breaking")},
    }
    for name, members in lists.items():
        for word in members:
            if not word.strip() or word != word.lower():
                yield ("scoring", "mentions", name), f"{word!r} has to be in lower case"


def _trigger_problems(model: Model) -> Iterator[Problem]:
    """A name of the built-in model is allowed, although it may not apply in this one."""

    @cache
    def known(what: str) -> set[str]:
        return names(model, what) | names(BUILT_IN, what)

    for trigger in model.triggers:
        path = ("triggers", trigger.id)
        yield from _unknown(trigger.region, "region", known, (*path, "region"))
        if trigger.operator.startswith("delta_") != (trigger.baseline != "fixed"):
            yield (*path, "baseline"), f"{trigger.operator} does not go with {trigger.baseline}"
        try:
            metric = metric_of(trigger.metric)
        except ValueError as error:
            yield (*path, "metric"), str(error)
            continue
        if metric.what:
            yield from _unknown(metric.name, metric.what, known, (*path, "metric"))
        if isinstance(metric, AxisMetric) and metric.axis not in AXES:
            axes = ", ".join(AXES)
            yield (*path, "metric"), f"unknown axis {metric.axis!r}; there are {axes}"
    triggers = {t.id for t in (*model.triggers, *BUILT_IN.triggers)}
    corridors = {c.id for c in (*model.corridors, *BUILT_IN.corridors)}
    for template in model.templates:
        path = ("templates", template.id)
        yield from _unknown(template.trigger, "trigger", lambda _: triggers, (*path, "trigger"))
        yield from _unknown(template.corridor, "corridor", lambda _: corridors, (*path, "corridor"))
        for region in template.regions:
            yield from _unknown(region, "region", known, (*path, "regions"))


def _unknown(
    name: str, what: str, known: Callable[[str], set[str]], path: Path
) -> Iterator[Problem]:
    if name not in (there := known(what)):
        listed = f"; there are {', '.join(sorted(there))}" if len(there) <= _MOST_LISTED else ""
        yield path, f"unknown {what} {name!r}{listed}"
