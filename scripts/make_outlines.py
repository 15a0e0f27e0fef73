"""Writes `regional_assets/board/outlines.json`: the regions' outlines for the world map.

The countries are Natural Earth's at 1:50 million (public domain), as the npm package `world-atlas`
ships them in TopoJSON. There neighbours share the arcs of their border, so a border inside a region
is the arc that two of its countries have, and falls away. `make reference` runs this; it needs
`npm`. A test compares the regions' countries with the table of regions.
"""

import json
import math
import subprocess
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pycountry

from regional_assets.intelligence.model import BUILT_IN

OUTLINES = Path(__file__).parent.parent / "regional_assets" / "board" / "outlines.json"
PACKAGE = "world-atlas@2.0.2"

Point = tuple[float, float]
Ring = list[int]  # arcs as TopoJSON numbers them: ~n is arc n backwards

# Units of the drawing: twice the pixels at which the map is meant to be seen.
WIDTH = 2000
# The map is cut in the Bering Strait, so that neither Russia nor Alaska is torn.
WEST = -168.4
SOUTH, NORTH = -56.0, 83.7
# In square units: detail that is left out, islands that are left out, and the half diagonal of
# the mark of a country that would be left out with them.
DETAIL, ISLAND, MARK = 5.0, 14.0, 4

# What Natural Earth draws by itself and ISO 3166 counts to a country, and Kosovo without its code.
NAMED = {"Kosovo": "XK", "Somaliland": "SO", "N. Cyprus": "CY"}
# The World Bank's Channel Islands.
JOINED = {"GG": "JG", "JE": "JG"}
NEUTRAL = ""


def projected(lon: float, lat: float) -> Point:
    """Longitude from the middle of the map and latitude in degrees → plane of the Natural Earth
    projection (T. Patterson; polynomial by B. Šavrič)."""
    p = math.radians(lat)
    q = p * p
    length = 0.8707 - 0.131979 * q + q**2 * (-0.013791 + q**4 * (0.003971 - 0.001529 * q))
    height = p * (1.007226 + q * (0.015085 + q**2 * (-0.044475 + 0.028874 * q - 0.005916 * q * q)))
    return math.radians(lon) * length, -height


SCALE = WIDTH / (2 * projected(180, 0)[0])
TOP = projected(0, NORTH)[1]
HEIGHT = round((projected(0, SOUTH)[1] - TOP) * SCALE)


def drawn(lon: float, lat: float) -> Point:
    x, y = projected(lon - WEST - 180, lat)
    return WIDTH / 2 + x * SCALE, (y - TOP) * SCALE


class Atlas:
    """One TopoJSON file: arcs in degrees, countries by ISO2."""

    def __init__(self, topology: dict[str, Any]) -> None:
        (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
        self.arcs: list[list[Point]] = []
        for arc in topology["arcs"]:
            x = y = 0
            points = []
            for dx, dy in arc:
                x, y = x + dx, y + dy
                points.append((round(x * sx + tx, 4), round(y * sy + ty, 4)))
            self.arcs.append(points)
        numeric = {c.numeric: c.alpha_2 for c in pycountry.countries}
        self.polygons: dict[str, list[list[Ring]]] = defaultdict(list)
        for shape in topology["objects"]["countries"]["geometries"]:
            iso2 = numeric.get(shape.get("id"), NAMED.get(shape["properties"]["name"], NEUTRAL))
            polygons = [shape["arcs"]] if shape["type"] == "Polygon" else shape["arcs"]
            self.polygons[JOINED.get(iso2, iso2)] += polygons

    def points(self, arc: int) -> list[Point]:
        return self.arcs[arc] if arc >= 0 else self.arcs[~arc][::-1]

    def middle(self, ring: Ring) -> Point:
        points = [point for arc in ring for point in self.points(arc)]
        return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)

    def by_region(self) -> dict[str, dict[str, list[Ring]]]:
        """Region → ISO2 → rings; those of no region under `NEUTRAL`."""
        found: dict[str, dict[str, list[Ring]]] = defaultdict(lambda: defaultdict(list))
        for iso2, polygons in self.polygons.items():
            if iso2 == "AQ":
                continue
            for polygon in polygons:
                region = BUILT_IN.gazetteer.region_of_country(iso2) or NEUTRAL
                lon, lat = self.middle(polygon[0])
                # Overseas France has ISO codes of its own, which Natural Earth does not draw.
                if iso2 == "FR" and math.dist((lon, lat), (3, 47)) > 20:
                    region = BUILT_IN.geography.region_of_position(lat, lon) or NEUTRAL
                found[region][iso2] += polygon
        return found


def simplified(points: list[Point]) -> list[Point]:
    """The arc without the points whose triangle with their neighbours is smaller than `DETAIL`
    (Visvalingam and Whyatt). Its ends stay, so neighbours still meet."""
    kept = list(points)
    areas = [math.inf, *(triangle(*kept[n - 1 : n + 2]) for n in range(1, len(kept) - 1)), math.inf]
    while len(kept) > 2 and min(areas) < DETAIL:
        at = areas.index(min(areas))
        del kept[at], areas[at]
        for n in (at - 1, at):
            if 0 < n < len(kept) - 1:
                areas[n] = triangle(*kept[n - 1 : n + 2])
    return kept


def triangle(a: Point, b: Point, c: Point) -> float:
    ax, ay = drawn(*a)
    bx, by = drawn(*b)
    cx, cy = drawn(*c)
    return abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) / 2


def area(points: list[Point]) -> float:
    plane = [drawn(*point) for point in points]
    pairs = zip(plane, plane[1:] + plane[:1], strict=True)
    return abs(sum(x * v - u * y for (x, y), (u, v) in pairs)) / 2


def outer_arcs(rings: Iterable[Ring]) -> list[int]:
    """The arcs that only one side of lies in the region."""
    used = Counter(arc for ring in rings for arc in ring)
    return [arc for arc in used if ~arc not in used]


def stitched(atlas: Atlas, arcs: Iterable[int]) -> Iterator[tuple[Ring, list[Point]]]:
    """Closed rings of arcs with their points, whose longitudes run on over the 180th meridian."""
    starting: dict[Point, list[int]] = defaultdict(list)
    for arc in arcs:
        starting[atlas.points(arc)[0]].append(arc)
    while starting:
        start = here = next(iter(starting))
        ring: Ring = []
        points = [start]
        while here != start or not ring:
            ring.append(starting[here].pop())
            if not starting[here]:
                del starting[here]
            for lon, lat in atlas.points(ring[-1])[1:]:
                points.append((lon + 360 * round((points[-1][0] - lon) / 360), lat))
                here = lon, lat
        yield ring, points[:-1]


def outline(atlas: Atlas, countries: dict[str, list[Ring]], marks: list[Point]) -> str:
    """SVG path data of the countries as one shape. What is too small for it is left out, but a
    country of the table of regions is then a small square, as is each of `marks`."""
    shapes = []
    hidden: set[int] = set()
    every = (ring for rings in countries.values() for ring in rings)
    for ring, points in stitched(atlas, outer_arcs(every)):
        middle = sum(x for x, _ in points) / len(points)
        turn = 360 * math.floor((middle - WEST) / 360)
        points = [(x - turn, y) for x, y in points]
        if area(points) < ISLAND:
            hidden |= set(ring)
        else:
            shapes.append(path(points))
    for iso2, rings in countries.items():
        own = {arc for ring in rings for arc in ring}
        if BUILT_IN.geography.region_of_country(iso2) and own <= hidden:
            marks.append(atlas.middle(rings[0]))
    for lon, lat in marks:
        x, y = map(round, drawn(lon if lon > WEST else lon + 360, lat))
        shapes.append(f"M{x} {y - MARK}l{MARK} {MARK}-{MARK} {MARK}-{MARK}-{MARK}z")
    return "".join(shapes)


def path(points: list[Point]) -> str:
    """Relative steps between whole units."""
    plane = [(round(x), round(y)) for x, y in (drawn(*point) for point in points)]
    x, y = plane[0]
    text = f"M{x} {y}l"
    for u, v in plane[1:]:
        if (u, v) != (x, y):
            step = f"{u - x}{'' if v < y else ' '}{v - y}"
            text += step if text[-1] == "l" or step[0] == "-" else f" {step}"
        x, y = u, v
    return f"{text}z"


def atlases() -> Iterator[Atlas]:
    """The countries at 1:50 million and at 1:10 million."""
    with TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", PACKAGE]
        name = subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True
        ).stdout.strip()
        with tarfile.open(Path(folder) / name) as archive:
            for scale in ("50m", "10m"):
                file = archive.extractfile(f"package/countries-{scale}.json")
                assert file is not None
                yield Atlas(json.load(file))


def outlines() -> dict[str, Any]:
    atlas, fine = atlases()
    atlas.arcs = [simplified(arc) for arc in atlas.arcs]
    shapes = atlas.by_region()
    regions = {}
    for region in BUILT_IN.regions:
        # Too small for the coarser file.
        missing = sorted(region.countries - set(shapes[region.id]))
        marks = [fine.middle(fine.polygons[iso2][0][0]) for iso2 in missing]
        regions[region.id] = {
            "countries": " ".join(sorted(region.countries)),
            "path": outline(atlas, shapes[region.id], marks),
        }
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "regions": regions,
        "neutral": outline(atlas, shapes[NEUTRAL], []),
    }


if __name__ == "__main__":
    OUTLINES.write_text(json.dumps(outlines(), indent=1) + "\n", encoding="utf-8")
