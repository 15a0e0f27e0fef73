"""Free-text places → regions, by name first, by containment only where no name is known
(SPEC 1, Gazetteer and Containment)."""

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources

from regional_assets.intelligence.geography import GEOGRAPHY, REGIONS

# Long enough for any place a feed names; a longer text is no name.
_MAX_NAME = 200
# The same names come again and again; longer texts are not worth the memory.
_REMEMBERED = 4096

_MARKS = str.maketrans(dict.fromkeys("-–_&,:;/()[]", " ") | dict.fromkeys(".'’*"))
_FILLERS = frozenset("the of and sar special administrative region mainland".split())
_SPELLINGS = {
    "dem": "democratic", "rep": "republic", "fed": "federal", "federated": "federal",
    "st": "saint", "sts": "states", "is": "islands", "island": "islands", "isl": "islands",
    "terr": "territories", "territory": "territories", "prov": "province",
    "pdr": "peoples democratic republic", "pr": "peoples republic", "rb": "bolivarian republic",
}  # fmt: skip
_NORTH_AFRICA = re.compile(r"\bnorth(?:ern)?[ _-]africa\b", re.IGNORECASE)
_DIRECTIONS = re.compile(r"\b(north|south|west|east)ern\b", re.IGNORECASE)


def fold(name: str) -> str:
    """What the spellings of one name have in common: its words in alphabetical order, without
    case, accents, punctuation and fillers, abbreviations written out.

    So "Congo, Dem. Rep." and "Democratic Republic of the Congo" are one name.
    """
    text = unicodedata.normalize("NFKD", name.casefold().translate(_MARKS))
    if not text.isascii():
        text = "".join(c for c in text if not unicodedata.combining(c))
    words = text.split()
    if len(words) < 2:
        # A code may look like a filler or an abbreviation: AND is Andorra, IS Iceland.
        return text.strip()
    spelt = " ".join(_SPELLINGS.get(word, word) for word in words if word not in _FILLERS)
    return " ".join(sorted(set(spelt.split())))


@cache
def _reference(name: str) -> dict[str, str]:
    source = resources.files("regional_assets.intelligence") / "reference" / f"{name}.csv"
    with source.open(encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        return dict(rows)


@cache
def _places() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for region in REGIONS.values():
        for place in map(_fold_place, (region.label, *region.places)):
            found[place] = (*found.get(place, ()), region.id)
    return found


def _fold_place(name: str) -> str:
    """As `fold`, and Western Africa is West Africa. No country is so called: southern Georgia is
    not South Georgia."""
    return fold(_DIRECTIONS.sub(r"\1", name))


@cache
def _regions_of_subregions() -> dict[str, str]:
    """UN subregion → the region that most of its countries are in."""
    regions: dict[str, Counter[str]] = {}
    for iso2, subregion in _reference("subregions").items():
        if region := GEOGRAPHY.region_of_country(iso2):
            regions.setdefault(subregion, Counter())[region] += 1
    return {subregion: count.most_common(1)[0][0] for subregion, count in regions.items()}


def region_of_country(iso2: str) -> str | None:
    """The region that a country lies in. A territory that no region lists, such as Guadeloupe, is
    where most countries of its UN subregion are."""
    known = GEOGRAPHY.region_of_country(iso2)
    return known or _regions_of_subregions().get(_reference("subregions").get(iso2, ""))


def country(name: str) -> str | None:
    """ISO2 of a country given by code (ISO2, ISO3) or English name.

    Conflict data sets add a former name in brackets ("DR Congo (Zaire)"); where the whole is no
    name, it is left out, but not from the name of a US state: "Georgia (US)" is no country.
    """
    return _country(name) if len(name) <= _MAX_NAME else None


@lru_cache(maxsize=_REMEMBERED)
def _country(name: str) -> str | None:
    names = _reference("country_names")
    if known := names.get(fold(name)):
        return known
    short = fold(name.partition(" (")[0])
    return None if short in _reference("us_states") else names.get(short)


def places(text: str) -> tuple[str, ...]:
    """The regions of a named place; empty when the gazetteer does not know it."""
    if len(text) > _MAX_NAME:
        return ()
    known = _places().get(_fold_place(text))
    if known is not None:
        return known
    region = country_region(text) or _region_after_comma(text)
    return (region,) if region else ()


def country_region(name: str) -> str | None:
    """The region of a country given by code or English name; none when it is not known."""
    iso2 = country(name)
    return region_of_country(iso2) if iso2 else None


def _region_after_comma(text: str) -> str | None:
    """The region of the country or US state that ends a text such as "48 km S of Ica, Peru"."""
    *before, last = text.split(",")
    if not before:
        return None
    states, home, iso2 = _reference("us_states"), country_region("US"), country(last)
    if iso2 == "US" and fold(before[-1]) in states:
        return home
    if fold(last) in states and not (iso2 and iso2 == country(before[-1])):
        # "Chicago, IL" is not in Israel (but "Israel, IL" is), and Georgia is a country, too: two
        # answers are none.
        return None if len(last.strip()) > 2 and iso2 else home
    region = country_region(last)
    return region if all(country_region(part) in (None, region) for part in before) else None


def icao_region(icao: str) -> str | None:
    """The region of an airport by the prefix of its ICAO location indicator."""
    iso2 = _reference("icao_prefixes").get(icao[:2].upper())
    return region_of_country(iso2) if iso2 else None


def _contained(text: str) -> str:
    return text.lower().strip().replace("-", " ").replace("_", " ")


def _any_of(*names: str) -> re.Pattern[str]:
    """Finds any of `names` as whole words; nothing where there are none."""
    words = "|".join(map(re.escape, map(_contained, names))) or "(?!)"
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)")


_SIGNAL_NAMES = {
    region.id: _any_of(*region.theaters, *region.aliases) for region in REGIONS.values()
}
_FORECAST_LABELS = {
    region.id: _any_of(region.forecast_label)
    for region in REGIONS.values()
    if region.forecast_label
}
_EVERY_FORECAST = [region.id for region in REGIONS.values() if region.every_forecast]


def signal_regions(theater: str) -> tuple[str, ...]:
    """The regions a signal's theater text belongs to; none for an empty text."""
    text = theater.strip()
    return _known_theater(text) if len(text) <= _MAX_NAME else _signal_regions(text)


def forecast_named(region_text: str) -> tuple[str, ...]:
    """The regions that a forecast's `region` text names."""
    text = region_text.strip()
    return _known_place(text) if len(text) <= _MAX_NAME else _forecast_named(text)


@cache
def with_every_forecast(named: tuple[str, ...]) -> tuple[str, ...]:
    """The regions of a forecast whose text names `named`: these, and those that take every one."""
    return tuple(dict.fromkeys((*named, *_EVERY_FORECAST)))


def _signal_regions(theater: str) -> tuple[str, ...]:
    return places(theater) or _containing(_SIGNAL_NAMES, theater)


def _forecast_named(region_text: str) -> tuple[str, ...]:
    # The label Africa means the continent without its north, which is a place of its own.
    return places(region_text) or _containing(_FORECAST_LABELS, _NORTH_AFRICA.sub("", region_text))


def _containing(names: Mapping[str, re.Pattern[str]], text: str) -> tuple[str, ...]:
    text = _contained(text)
    return tuple(region for region, pattern in names.items() if pattern.search(text))


_known_theater = lru_cache(maxsize=_REMEMBERED)(_signal_regions)
_known_place = lru_cache(maxsize=_REMEMBERED)(_forecast_named)
