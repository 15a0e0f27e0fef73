"""Writes `regional_assets/intelligence/reference/` from the libraries that know these things.

Country names come from `babel`, `countryinfo` and `countryguess`, ICAO prefixes from
`airportsdata`. The tables are kept in the repository because a run has no use for four libraries
and 28,000 airports to learn what a thousand rows say. `make reference` runs this; a test compares
the tables with the libraries.
"""

import csv
import re
from collections import Counter, defaultdict
from pathlib import Path

import airportsdata
import countryguess
from babel import Locale
from countryinfo import all_countries

from regional_assets.intelligence.gazetteer import normalise
from regional_assets.intelligence.geography import GEOGRAPHY

region_of_country = GEOGRAPHY.region_of_country
REFERENCE = Path(__file__).parent.parent / "regional_assets" / "intelligence" / "reference"


def country_names() -> dict[str, str]:
    """Normalised name or code → ISO2, for the countries of the regions; none that is ambiguous."""
    codes_of: dict[str, set[str]] = defaultdict(set)
    own_codes: dict[str, str] = {}
    for country in all_countries():
        iso2, iso3 = country.iso().get("alpha2", ""), country.iso().get("alpha3", "")
        own_codes |= {normalise(iso2): iso2, normalise(iso3): iso2}
        for name in (country.name(), *country.alt_spellings()):
            codes_of[normalise(name)].add(iso2)
    for iso2, name in Locale("en").territories.items():
        if iso2.isalpha() and len(iso2) == 2:
            codes_of[normalise(name)].add(iso2)
    for entry in countryguess.CountryData().countries:
        iso2 = entry["iso2"]
        own_codes |= {normalise(iso2): iso2, normalise(entry["iso3"]): iso2}
        for name in (entry["name_short"], entry["name_official"]):
            codes_of[normalise(name)].add(iso2)
    names = {name: codes.pop() for name, codes in codes_of.items() if len(codes) == 1}
    return {
        name: iso2
        for name, iso2 in sorted((names | own_codes).items())
        if name and region_of_country(iso2)
    }


# Where the source names the country that a territory with codes of its own belongs to.
_TERRITORIES = {"Puerto Rico": "PR", "Virgin Islands": "VI"}


def icao_prefixes() -> dict[str, str]:
    """First two letters of an ICAO location indicator → ISO2 of the country that most airports
    with them lie in, in the region that most of them lie in."""
    countries: dict[str, Counter[str]] = defaultdict(Counter)
    for icao, airport in airportsdata.load("ICAO").items():
        iso2 = _TERRITORIES.get(airport["subd"], airport["country"])
        # The source also lists local identifiers of small US fields.
        if re.fullmatch("[A-Z]{4}", icao) and not (iso2 == "US" and icao[0] not in "KP"):
            countries[icao[:2]][iso2] += 1
    return {
        prefix: found for prefix, count in sorted(countries.items()) if (found := _winner(count))
    }


def _winner(count: Counter[str]) -> str | None:
    regions: Counter[str] = Counter()
    for iso2, airports in count.items():
        regions[region_of_country(iso2) or ""] += airports
    region = regions.most_common(1)[0][0]
    members = [iso2 for iso2, _ in count.most_common() if region_of_country(iso2) == region]
    return members[0] if region else None


def write(name: str, columns: tuple[str, str], rows: dict[str, str]) -> None:
    with (REFERENCE / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows.items())


if __name__ == "__main__":
    write("country_names.csv", ("name", "iso2"), country_names())
    write("icao_prefixes.csv", ("prefix", "iso2"), icao_prefixes())
