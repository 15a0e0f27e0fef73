"""A table of regions of your own: from what a file says to checked rows (SPEC 1, Another
geography)."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

import msgspec

from regional_assets.intelligence.geography import BUILT_IN, CORRIDORS, Box, Geography, Region

# What Dagster takes as a partition, Redis as a part of a key and a file system as a name.
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_ID = 60
# A country's subdivision (ISO 3166-2), for regions smaller than a country.
_SUBDIVISION = re.compile(r"([A-Z]{2})-[A-Z0-9]{1,3}")
_THEATERS = {theater for region in BUILT_IN for theater in region.theaters} | {
    corridor.theater for corridor in CORRIDORS
}
_FIELDS = frozenset(Region.__struct_fields__)


class GeographyError(ValueError):
    """A table of regions that cannot be used; the message names the place in it."""


def read_table(content: Mapping[str, Any]) -> tuple[Region, ...]:
    """The rows of a file: `{"regions": [{"id": ..., "label": ...}]}`, each with the fields of
    `Region`; a box is `[rank, south, north, west, east]`, an airport word `[rank, word]`. Raises
    `GeographyError`."""
    if unknown := sorted(content.keys() - {"regions"}):
        raise GeographyError(f"unknown key {unknown[0]!r}; the file has [[regions]] only")
    rows = content.get("regions")
    if not isinstance(rows, list):
        raise GeographyError("[[regions]] is missing")
    table = []
    for number, row in enumerate(rows, 1):
        where = _place(number, row.get("id") if isinstance(row, dict) else None)
        if isinstance(row, dict) and (unknown := sorted(row.keys() - _FIELDS)):
            raise GeographyError(f"{where}: unknown field {unknown[0]!r}")
        try:
            table.append(msgspec.convert(row, Region))
        except msgspec.ValidationError as error:
            raise GeographyError(f"{where}: {error}") from None
    return checked_table(table)


def checked_table(rows: Iterable[Region]) -> tuple[Region, ...]:
    """`rows`, if a geography can be made of them; else raises `GeographyError`."""
    table = tuple(rows)
    if not table:
        raise GeographyError("there is no region")
    if not any(region.narrated for region in table):
        raise GeographyError(
            "no region is narrated: leave `narrated = false` out of one at least (without a "
            "language model nothing is narrated anyway)"
        )
    source = resources.files("regional_assets.intelligence") / "reference" / "country_names.csv"
    with source.open(encoding="utf-8") as file:
        countries = {row["iso2"] for row in csv.DictReader(file)}
    # The World Bank's own codes, which ISO 3166 lacks.
    countries.update(*(region.countries for region in BUILT_IN))
    for number, region in enumerate(table, 1):
        for problem in _problems(region, countries):
            raise GeographyError(f"{_place(number, region.id)}: {problem}")
    try:
        Geography(table)
    except ValueError as error:
        raise GeographyError(str(error)) from None
    return table


def _place(number: int, region_id: object) -> str:
    return f"region {number}" + (f" ({region_id!r})" if region_id else "")


def _problems(region: Region, countries: set[str]) -> Iterator[str]:
    if len(region.id) > _LONGEST_ID or not _ID.fullmatch(region.id):
        yield (
            f"the id has to be lower-case letters and digits, joined by hyphens, "
            f"at most {_LONGEST_ID} in all"
        )
    if not region.label.strip():
        yield "the label is empty"
    for name in ("countries", "key_countries"):
        for code in sorted(getattr(region, name)):
            part = _SUBDIVISION.fullmatch(code)
            if (part[1] if part else code) not in countries:
                yield f"{name}: unknown country {code!r}; codes are ISO 3166 (SE, or SE-AB)"
    for theater in region.theaters:
        if theater not in _THEATERS:
            yield f"unknown theater {theater!r}; there are {', '.join(sorted(_THEATERS))}"
    for box in region.boxes:
        if wrong := _box_problem(box):
            yield f"box {list(box)}: {wrong}"
    for name in ("aliases", "places"):
        if not all(text.strip() for text in getattr(region, name)):
            yield f"{name}: an empty name"
    for word in region.airport_words:
        if not word.word.strip() or word.word != word.word.upper():
            yield f"airport_words: {word.word!r} has to be in upper case"
    for area in region.jamming_areas:
        if not area.strip() or area != area.lower():
            yield f"jamming_areas: {area!r} has to be in lower case"


def _box_problem(box: Box) -> str:
    if not -90 <= box.south <= box.north <= 90:
        return "latitudes have to be south <= north, from -90 to 90"
    if not -180 <= box.west <= box.east <= 180:
        return "longitudes have to be west <= east, from -180 to 180"
    return ""
