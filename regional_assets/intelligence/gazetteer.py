"""Free-text places → regions, by name first, by containment only where no name is known
(SPEC 1, Gazetteer and Containment)."""

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources

import msgspec

from regional_assets.intelligence.geography import Geography

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


class Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The large tables: folded name → ISO2, ICAO prefix → ISO2, ISO2 → UN subregion, folded name of
    a US state → its code. None is that of this version, in `reference/`."""

    country_names: Mapping[str, str] | None = None
    icao_prefixes: Mapping[str, str] | None = None
    subregions: Mapping[str, str] | None = None
    us_states: Mapping[str, str] | None = None

    def table(self, name: str) -> Mapping[str, str]:
        """The table of that name."""
        own: Mapping[str, str] | None = getattr(self, name)
        return reference(name) if own is None else own


@cache
def reference(name: str) -> Mapping[str, str]:
    """The table of that name in this version."""
    source = resources.files("regional_assets.intelligence") / "reference" / f"{name}.csv"
    with source.open(encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        return dict(rows)


def _fold_place(name: str) -> str:
    """As `fold`, and Western Africa is West Africa. No country is so called: southern Georgia is
    not South Georgia."""
    return fold(_DIRECTIONS.sub(r"\1", name))


class Gazetteer:
    """The look-ups of one geography. They remember what they were asked."""

    def __init__(self, geography: Geography, tables: Tables) -> None:
        self._geography = geography
        self._regions = geography.regions.values()
        self._names = tables.table("country_names")
        self._prefixes = tables.table("icao_prefixes")
        self._subregions = tables.table("subregions")
        self._states = tables.table("us_states")
        self._places: dict[str, tuple[str, ...]] = {}
        for region in self._regions:
            for place in map(_fold_place, (region.label, *region.places)):
                self._places[place] = (*self._places.get(place, ()), region.id)
        self._region_of_subregion = self._regions_of_subregions()
        self._signal_names = {r.id: _any_of(*r.theaters, *r.aliases) for r in self._regions}
        self._forecast_labels = {
            r.id: _any_of(r.forecast_label) for r in self._regions if r.forecast_label
        }
        self._every_forecast = [r.id for r in self._regions if r.every_forecast]
        self._known_country = lru_cache(_REMEMBERED)(self._country)
        self._known_theater = lru_cache(_REMEMBERED)(self._signal_regions)
        self._known_place = lru_cache(_REMEMBERED)(self._forecast_named)
        self.with_every_forecast = cache(self._with_every_forecast)

    def _regions_of_subregions(self) -> dict[str, str]:
        """UN subregion → the region that most of its countries are in."""
        regions: dict[str, Counter[str]] = {}
        for iso2, subregion in self._subregions.items():
            if region := self._geography.region_of_country(iso2):
                regions.setdefault(subregion, Counter())[region] += 1
        return {subregion: count.most_common(1)[0][0] for subregion, count in regions.items()}

    def region_of_country(self, iso2: str) -> str | None:
        """The region that a country lies in. A territory that no region lists, such as Guadeloupe,
        is where most countries of its UN subregion are."""
        known = self._geography.region_of_country(iso2)
        return known or self._region_of_subregion.get(self._subregions.get(iso2, ""))

    def country(self, name: str) -> str | None:
        """ISO2 of a country given by code (ISO2, ISO3) or English name.

        Conflict data sets add a former name in brackets ("DR Congo (Zaire)"); where the whole is no
        name, it is left out, but not from the name of a US state: "Georgia (US)" is no country.
        """
        return self._known_country(name) if len(name) <= _MAX_NAME else None

    def _country(self, name: str) -> str | None:
        if known := self._names.get(fold(name)):
            return known
        short = fold(name.partition(" (")[0])
        return None if short in self._states else self._names.get(short)

    def places(self, text: str) -> tuple[str, ...]:
        """The regions of a named place; empty when the gazetteer does not know it."""
        if len(text) > _MAX_NAME:
            return ()
        known = self._places.get(_fold_place(text))
        if known is not None:
            return known
        region = self.country_region(text) or self._region_after_comma(text)
        return (region,) if region else ()

    def country_region(self, name: str) -> str | None:
        """The region of a country given by code or English name; none when it is not known."""
        iso2 = self.country(name)
        return self.region_of_country(iso2) if iso2 else None

    def _region_after_comma(self, text: str) -> str | None:
        """The region of the country or US state that ends a text such as "48 km S of Ica, Peru"."""
        *before, last = text.split(",")
        if not before:
            return None
        states, home, iso2 = self._states, self.country_region("US"), self.country(last)
        if iso2 == "US" and fold(before[-1]) in states:
            return home
        if fold(last) in states and not (iso2 and iso2 == self.country(before[-1])):
            # "Chicago, IL" is not in Israel (but "Israel, IL" is), and Georgia is a country, too:
            # two answers are none.
            return None if len(last.strip()) > 2 and iso2 else home
        region = self.country_region(last)
        others = {self.country_region(part) for part in before}
        return region if others <= {None, region} else None

    def icao_region(self, icao: str) -> str | None:
        """The region of an airport by the prefix of its ICAO location indicator."""
        iso2 = self._prefixes.get(icao[:2].upper())
        return self.region_of_country(iso2) if iso2 else None

    def signal_regions(self, theater: str) -> tuple[str, ...]:
        """The regions a signal's theater text belongs to; none for an empty text."""
        text = theater.strip()
        return self._known_theater(text) if len(text) <= _MAX_NAME else self._signal_regions(text)

    def forecast_named(self, region_text: str) -> tuple[str, ...]:
        """The regions that a forecast's `region` text names."""
        text = region_text.strip()
        return self._known_place(text) if len(text) <= _MAX_NAME else self._forecast_named(text)

    def _with_every_forecast(self, named: tuple[str, ...]) -> tuple[str, ...]:
        """The regions of a forecast whose text names `named`: these, and those that take every
        one."""
        return tuple(dict.fromkeys((*named, *self._every_forecast)))

    def _signal_regions(self, theater: str) -> tuple[str, ...]:
        return self.places(theater) or _containing(self._signal_names, theater)

    def _forecast_named(self, region_text: str) -> tuple[str, ...]:
        # The label Africa means the continent without its north, which is a place of its own.
        return self.places(region_text) or _containing(
            self._forecast_labels, _NORTH_AFRICA.sub("", region_text)
        )


def _contained(text: str) -> str:
    return text.lower().strip().replace("-", " ").replace("_", " ")


def _any_of(*names: str) -> re.Pattern[str]:
    """Finds any of `names` as whole words; nothing where there are none."""
    words = "|".join(map(re.escape, map(_contained, names))) or "(?!)"
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)")


def _containing(names: Mapping[str, re.Pattern[str]], text: str) -> tuple[str, ...]:
    text = _contained(text)
    return tuple(region for region, pattern in names.items() if pattern.search(text))
