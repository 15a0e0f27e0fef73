"""The world map: outlines that agree with the regions, colours, text."""

import re
from itertools import pairwise
from xml.etree.ElementTree import Element, fromstring

import pytest
from msgspec.structs import replace

from regional_assets.board import world_map as drawing
from regional_assets.board.world_map import (
    DARK,
    LIGHT,
    SCALE,
    MapError,
    RegionMark,
    colour,
    map_text,
    picture,
    world_map,
)
from regional_assets_tests.support.built_in import MODEL, REGION_IDS, REGIONS

SVG = "{http://www.w3.org/2000/svg}"
WITH_LAND = [id for id, region in REGIONS.items() if region.countries]
CALM = RegionMark(0.1, "calm", 0)


def drawn(marks: dict[str, RegionMark]) -> Element:
    return fromstring(world_map(REGIONS, marks))


def texts(image: Element) -> list[str]:
    return [text.text or "" for text in image.iter(f"{SVG}text")]


def fills(image: Element) -> list[str]:
    """Those of the regions with land, in their order."""
    paths = image.iter(f"{SVG}path")
    return [path.attrib["fill"] for path in paths if path.get("class") == "map-region"]


def luminance(code: str) -> float:
    """Relative luminance (WCAG 2)."""
    channels = [value / 255 for value in bytes.fromhex(code[1:])]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_outlines_are_of_the_countries_in_the_table_of_regions() -> None:
    """It fails when a country changes its region: then `make reference` draws the map again."""
    shapes = drawing._outlines()["regions"]
    kept = {id: shape["countries"].split() for id, shape in shapes.items()}
    assert [id for id, shape in shapes.items() if shape["path"]] == WITH_LAND
    assert kept == {id: sorted(REGIONS[id].countries) for id in REGION_IDS}


def test_every_outline_lies_within_the_picture() -> None:
    outlines = drawing._outlines()
    shapes = [outlines["neutral"], *(shape["path"] for shape in outlines["regions"].values())]
    for shape in shapes:
        assert re.fullmatch(r"(M-?\d+ -?\d+l[-\d ]+z)*", shape)
        for part in shape.split("M")[1:]:
            numbers = list(map(int, re.findall(r"-?\d+", part)))
            x = y = 0
            for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
                x, y = x + dx, y + dy
                assert -2 <= x <= outlines["width"] + 2
                assert -8 <= y <= outlines["height"] + 8


def test_every_region_has_its_colour_name_and_words() -> None:
    marks = {
        id: RegionMark(n / 10 - 0.4, "coercive_stalemate", n) for n, id in enumerate(REGION_IDS)
    }
    image = drawn(marks)
    assert fills(image) == [colour(marks[id].net_balance) for id in WITH_LAND]
    found = texts(image)
    for n, (id, mark) in enumerate(marks.items()):
        assert REGIONS[id].label in found
        assert f"{mark.net_balance:+.3f} coercive stalemate" in found
        assert (f"▲ {n} active" in found) == (n > 0)


def test_a_region_without_a_readable_snapshot_is_hatched_and_named() -> None:
    image = drawn({id: CALM for id in REGION_IDS if id != "mena"})
    hatched = [
        id for id, fill in zip(WITH_LAND, fills(image), strict=True) if "map-missing" in fill
    ]
    assert hatched == ["mena"]
    # Once for the region, once in the legend.
    assert texts(image).count("no readable snapshot") == 2
    assert "Middle East & North Africa: no readable snapshot." in map_text(REGIONS, {})


def test_a_stale_region_is_marked_in_the_picture_and_in_words() -> None:
    marks = dict.fromkeys(REGION_IDS, CALM) | {"latam": RegionMark(-0.2, "calm", 2, stale=True)}
    assert texts(drawn(marks)).count("▲ 2 active · stale") == 1
    assert "Latin America & Caribbean: -0.200 calm, ▲ 2 active · stale." in map_text(REGIONS, marks)


def test_other_regions_have_no_map() -> None:
    others = replace(MODEL, regions=tuple(r for r in MODEL.regions if r.id != "latam"))
    with pytest.raises(MapError, match="outlines of the built-in regions only"):
        world_map(others.geography.regions, {})


def test_a_picture_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fromstring(picture(REGIONS, {}).svg) is not None
    with_a_wrong_number = {"mena": RegionMark(float("nan"), "calm", 0)}
    found = picture(REGIONS, with_a_wrong_number)
    assert found.svg == ""
    assert found.why_not.endswith("cannot be drawn: ValueError: net balance is no number: nan")
    monkeypatch.delitem(drawing.PLACES, "mena")
    assert "no place for the label of mena" in picture(REGIONS, {}).why_not


def test_hostile_text_stays_text() -> None:
    hostile = '</text><script>"&\x00\ud800\u202e' + "x" * 10_000
    svg = world_map(REGIONS, dict.fromkeys(REGION_IDS, RegionMark(0.0, hostile, 0)))
    image = fromstring(svg.encode())
    assert not list(image.iter(f"{SVG}script"))
    assert '+0.000 </text><script>"&??…' in texts(image)
    assert set(image.attrib) == {"viewBox", "width", "height", "role", "aria-label"}


def test_the_picture_refers_to_nothing_outside_it() -> None:
    svg = world_map(REGIONS, {})
    assert re.findall(r"https?:[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert set(re.findall(r"url\(([^)]*)\)", svg)) <= {"#map-missing", "#map-scale"}
    assert "href" not in svg


def test_the_scale_has_its_colours_at_the_ends_in_the_middle_and_between() -> None:
    assert [colour(value) for value, _ in SCALE] == [code for _, code in SCALE]
    assert colour(-2.0) == SCALE[0][1]
    assert colour(2.0) == SCALE[-1][1]
    assert colour(0.1) == "#bed7e9"
    with pytest.raises(ValueError, match="no number"):
        colour(float("nan"))


def test_the_scale_is_told_apart_without_colours_and_the_text_is_legible() -> None:
    # From the middle to each end it only darkens; the ends are far from the middle.
    lights = [luminance(colour(n / 50)) for n in range(-50, 51)]
    assert all(a < b for a, b in pairwise(lights[:51]))
    assert all(a > b for a, b in pairwise(lights[50:]))
    assert min(contrast(SCALE[n][1], SCALE[3][1]) for n in (0, -1)) > 7
    for panel, text, line, _ in (LIGHT, DARK):
        assert contrast(text, panel) >= 7
        assert contrast(line, panel) >= 3


def test_a_region_that_is_not_all_known_is_hatched_and_says_so() -> None:
    marks = {id: replace(CALM, unknown=id == "mena") for id in REGION_IDS}
    image = drawn(marks)
    hatched = [fill == "url(#map-missing)" for fill in fills(image)]
    assert hatched == [id == "mena" for id in WITH_LAND]
    assert texts(image).count("not all known") == 1
    assert "not all known" in map_text(REGIONS, marks)
