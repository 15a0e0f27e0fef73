"""Free-text places → regions, by exact name first, by containment only where no name is known
(SPEC 1, Gazetteer and Containment)."""

import csv
import unicodedata
from functools import cache, lru_cache
from importlib import resources

from regional_assets.intelligence.geography import GEOGRAPHY, REGIONS

# Long enough for any place a feed names; a longer text is no name.
_MAX_NAME = 200
# The same names come again and again; longer texts are not worth the memory.
_REMEMBERED = 4096
_FOLDED = str.maketrans({"-": " ", "_": " ", "’": "'", "&": " and "})


def normalise(name: str) -> str:
    """`name` as the gazetteer compares it: trimmed, any case, "-" and "_" as " ", no accents."""
    text = unicodedata.normalize("NFKD", name.translate(_FOLDED))
    if not text.isascii():
        text = "".join(c for c in text if not unicodedata.combining(c))
    return " ".join(text.casefold().split())


@cache
def _countries() -> dict[str, str]:
    return _reference("country_names.csv")


@cache
def _icao_prefixes() -> dict[str, str]:
    return _reference("icao_prefixes.csv")


def _reference(name: str) -> dict[str, str]:
    source = resources.files("regional_assets.intelligence") / "reference" / name
    with source.open(encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        return dict(rows)


@cache
def _places() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for region in REGIONS.values():
        for place in map(normalise, region.places):
            found[place] = (*found.get(place, ()), region.id)
    return found


def country(name: str) -> str | None:
    """ISO2 of a country given by code (ISO2, ISO3) or English name, exactly.

    Conflict data sets add a former name in brackets ("DR Congo (Zaire)"); it is left out.
    """
    if len(name) > _MAX_NAME:
        return None
    return _country(name)


@lru_cache(maxsize=_REMEMBERED)
def _country(name: str) -> str | None:
    text = normalise(name)
    return _countries().get(text) or _countries().get(text.partition(" (")[0])


def places(text: str) -> tuple[str, ...]:
    """The regions of an exactly named place; empty when the gazetteer does not know it."""
    if len(text) > _MAX_NAME:
        return ()
    known = _places().get(normalise(text))
    if known is not None:
        return known
    region = country_region(text)
    return (region,) if region else ()


def country_region(name: str) -> str | None:
    """The region of a country given by code or English name; none when it is not known."""
    iso2 = country(name)
    return GEOGRAPHY.region_of_country(iso2) if iso2 else None


def icao_region(icao: str) -> str | None:
    """The region of an airport by the prefix of its ICAO location indicator."""
    iso2 = _icao_prefixes().get(icao[:2].upper())
    return GEOGRAPHY.region_of_country(iso2) if iso2 else None


def _contained(text: str) -> str:
    return text.lower().strip().replace("-", " ")


_SIGNAL_NAMES = {
    region.id: tuple(_contained(name) for name in (*region.theaters, *region.aliases))
    for region in REGIONS.values()
}
_EVERY_FORECAST = [region.id for region in REGIONS.values() if region.every_forecast]


def signal_regions(theater: str) -> tuple[str, ...]:
    """The regions a signal's theater text belongs to; none for an empty text."""
    text = theater.strip()
    return _known_theater(text) if len(text) <= _MAX_NAME else _signal_regions(text)


def forecast_regions(region_text: str) -> tuple[str, ...]:
    """The regions a forecast belongs to: by its `region` text, and those that take every one."""
    text = region_text.strip()
    return _known_place(text) if len(text) <= _MAX_NAME else _forecast_regions(text)


def _signal_regions(theater: str) -> tuple[str, ...]:
    text = _contained(theater)
    if not text:
        return ()
    return places(theater) or tuple(
        region for region, names in _SIGNAL_NAMES.items() if any(name in text for name in names)
    )


def _forecast_regions(region_text: str) -> tuple[str, ...]:
    text = region_text.lower()
    found = places(region_text) or tuple(
        region.id
        for region in REGIONS.values()
        if region.forecast_label and region.forecast_label.lower() in text
    )
    return (*found, *(region for region in _EVERY_FORECAST if region not in found))


_known_theater = lru_cache(maxsize=_REMEMBERED)(_signal_regions)
_known_place = lru_cache(maxsize=_REMEMBERED)(_forecast_regions)
