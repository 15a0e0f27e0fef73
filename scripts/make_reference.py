"""Writes `regional_assets/intelligence/reference/` from the libraries that know these things.

Names come from `pycountry`, `babel`, `countryinfo` and `countryguess`, the United Nations'
subregions from `countryinfo`, the states of the US from `pycountry`, ICAO prefixes from
`airportsdata` and `airports-py`. The tables are kept in the repository because a run has no use
for six libraries and 28,000 airports to learn what two thousand rows say. `make reference` runs
this; a test compares the tables with the libraries where they are installed.
"""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import airportsdata
import countryguess
import pycountry
from airports.airport_data import airports
from babel import Locale
from countryinfo import all_countries

from regional_assets.intelligence.gazetteer import fold
from regional_assets.intelligence.model import BUILT_IN

REFERENCE = Path(__file__).parent.parent / "regional_assets" / "intelligence" / "reference"


def country_names() -> dict[str, str]:
    """Folded name or code → ISO2; none that is ambiguous."""
    iso3 = _iso3()
    codes_of: dict[str, set[str]] = defaultdict(set)
    own_codes = {fold(code): iso2 for iso2 in iso3 for code in (iso2, iso3[iso2])}
    listed = [(iso2, name) for iso2, name in _names(iso3) if iso2 in iso3]
    for iso2, name in listed:
        codes_of[fold(name)].add(iso2)
    for iso2, name in listed:
        for short in _short_forms(name):
            if countryguess.guess_country(short, attribute="iso2", default="") == iso2:
                codes_of.setdefault(fold(short), {iso2})
    names = {name: codes.pop() for name, codes in codes_of.items() if len(codes) == 1}
    return {name: iso2 for name, iso2 in sorted((names | own_codes).items()) if name}


def _iso3() -> dict[str, str]:
    """ISO2 → ISO3 of today's countries and territories."""
    found = {country.alpha_2: country.alpha_3 for country in pycountry.countries}
    # In use, but not assigned by ISO.
    return found | {
        entry["iso2"]: entry["iso3"]
        for entry in countryguess.CountryData().countries
        if entry["name_short"] == "Kosovo"
    }


def _names(iso3: dict[str, str]) -> Iterator[tuple[str, str]]:
    for country in pycountry.countries:
        for attribute in ("name", "official_name", "common_name"):
            if hasattr(country, attribute):
                yield country.alpha_2, getattr(country, attribute)
    for info in all_countries():
        for name in (info.name(), *info.alt_spellings()):
            yield info.iso().get("alpha2", ""), name
    for iso2, name in Locale("en").territories.items():
        yield iso2, name
    for entry in countryguess.CountryData().countries:
        # It has the British Antarctic Territory under the code of Bonaire.
        if iso3.get(entry["iso2"]) == entry["iso3"]:
            yield entry["iso2"], entry["name_short"]
            yield entry["iso2"], entry["name_official"]


def _short_forms(name: str) -> Iterator[str]:
    """What may stand for `name`, if another list knows it, too: DPRK and ROK for the two Koreas'
    official names, Bosnia for Bosnia and Herzegovina."""
    yield from name.split(" and ") if " and " in name else ()
    for words in (re.findall(r"[A-Z]\w+", name), name.split()):
        if len(words) > 2:
            yield "".join(word[0] for word in words).upper()


def subregions() -> dict[str, str]:
    """ISO2 → the United Nations' subregion (M49)."""
    found = {info.iso().get("alpha2"): info.subregion() for info in all_countries()}
    return {iso2: name for iso2, name in sorted(found.items()) if iso2 and name}


def us_states() -> dict[str, str]:
    """Folded name or postal code of a state of the US → its ISO 3166-2 code."""
    found: dict[str, str] = {}
    for state in pycountry.subdivisions:
        if state.country_code == "US" and state.type != "Outlying area":
            for name in (state.name, state.code.removeprefix("US-")):
                found[fold(name)] = state.code
    return dict(sorted(found.items()))


# Where the source names the country that a territory with codes of its own belongs to.
_TERRITORIES = {"Puerto Rico": "PR", "Virgin Islands": "VI"}


def icao_prefixes() -> dict[str, str]:
    """First two letters of an ICAO location indicator → ISO2 of the country that most airports
    with them lie in, in the region that more than half of them lie in."""
    countries: dict[str, Counter[str]] = defaultdict(Counter)
    for icao, iso2 in _airports():
        # The sources also list local identifiers of small US fields.
        if re.fullmatch("[A-Z]{4}", icao) and not (iso2 == "US" and icao[0] not in "KP"):
            countries[icao[:2]][iso2] += 1
    return {
        prefix: found for prefix, count in sorted(countries.items()) if (found := _winner(count))
    }


def _airports() -> Iterator[tuple[str, str]]:
    for icao, airport in airportsdata.load("ICAO").items():
        yield icao, _TERRITORIES.get(airport["subd"], airport["country"])
    for airport in airports:
        yield str(airport["icao"]), airport["country_code"]


def _winner(count: Counter[str]) -> str | None:
    # One field in one source may be a slip of the pen.
    if count.total() < 2:
        return None
    region_of = BUILT_IN.gazetteer.region_of_country
    regions: Counter[str] = Counter()
    for iso2, fields in count.items():
        regions[region_of(iso2) or ""] += fields
    [(region, most)] = regions.most_common(1)
    members = [iso2 for iso2, _ in count.most_common() if region_of(iso2) == region]
    return members[0] if region and 2 * most > count.total() else None


def write(name: str, columns: tuple[str, str], rows: dict[str, str]) -> None:
    with (REFERENCE / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows.items())


if __name__ == "__main__":
    write("country_names.csv", ("name", "iso2"), country_names())
    write("subregions.csv", ("iso2", "subregion"), subregions())
    write("us_states.csv", ("name", "iso3166_2"), us_states())
    # By the regions of the countries above.
    write("icao_prefixes.csv", ("prefix", "iso2"), icao_prefixes())
