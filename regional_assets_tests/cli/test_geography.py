"""A geography of one's own, by the command (docs/geography.md)."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import regional_assets
from regional_assets_tests.support.commands import Command, commands, interpreter

ROOT = Path(regional_assets.__file__).parents[1]
NORDICS = ROOT / "docs" / "nordics.toml"
COUNTRIES = ["denmark", "finland", "iceland", "norway", "sweden"]
ROW = '[[regions]]\nid = "north"\nlabel = "North"\n'


@pytest.fixture
def nordic(folder: Path) -> Iterator[Command]:
    chosen = {"REGIONAL_GEOGRAPHY": str(NORDICS)}
    with interpreter(**chosen) as how, commands(folder, how=how, **chosen) as run:
        yield run


def test_the_nordics_run_end_to_end(nordic: Command, folder: Path) -> None:
    def done(*arguments: str) -> str:
        finished = nordic(*arguments)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    done("inputs", "load")
    ran = done("run")
    assert ran.count("written") == 5
    assert "regional-assets show denmark" in ran
    assert done("verify").split("\n")[:-1] == [f"{region}: agrees" for region in COUNTRIES]
    shown = json.loads(done("show", "norway", "--json"))
    assert shown["meta"]["geography_version"].startswith("custom-")
    assert not any(shown["triggers"].values())

    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("regional_snapshot"))
    assert event
    assert event.asset_materialization
    metadata = event.asset_materialization.metadata
    assert metadata["geography"].value == shown["meta"]["geography_version"]
    left_out: Any = metadata["left_out"].value
    assert left_out["trigger hormuz_transit_drop"] == "region 'mena'"
    assert left_out["template hormuz_blockade"] == "trigger 'hormuz_transit_drop'"

    doctor = " ".join(done("doctor").replace("│", " ").split())
    assert shown["meta"]["geography_version"] in doctor
    for words in ("hormuz_transit_drop: no region 'mena'", "template red_sea_rerouting"):
        assert words in doctor
    refused = nordic("run", "mena")
    assert refused.returncode == 2
    assert "denmark" in refused.stderr
    # No model is configured: the briefs stay off.
    brief = nordic("brief")
    assert brief.returncode == 1
    assert "Traceback" not in brief.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("[[regions]\n", "line 1"),
        ("", "[[regions]] is missing"),
        ("regions = []", "there is no region"),
        (ROW + "narrated = false", "no region is narrated"),
        (ROW + "colour = 1", "region 1 ('north'): unknown field 'colour'"),
        ('[[regions]]\nid = "north"', "region 1 ('north'): Object missing required field `label`"),
        ('[[regions]]\nid = "No/rth"\nlabel = "N"', "region 1 ('No/rth'): the id has to be"),
        ('[[regions]]\nid = "north"\nlabel = " "', "region 1 ('north'): the label is empty"),
        (ROW + 'countries = ["QQ"]', "region 1 ('north'): countries: unknown country 'QQ'"),
        (ROW + 'key_countries = ["SWE"]', "key_countries: unknown country 'SWE'"),
        (ROW + 'theaters = ["balitc"]', "unknown theater 'balitc'; there are"),
        (ROW + "boxes = [[1, 60, 50, 0, 1]]", "south <= north"),
        (ROW + "boxes = [[1, 50, 60, 0, 200]]", "west <= east"),
        (ROW + "boxes = [[1, nan, 60, 0, 1]]", "south <= north"),
        (ROW + "boxes = [[1, 50, 60]]", "region 1 ('north'): Expected `array` of length 5"),
        (ROW + ROW, "id 'north' is in two regions"),
        (
            ROW + 'countries = ["SE"]\n' + ROW.replace("north", "n") + 'countries = ["SE"]',
            "country 'SE' is in two regions, north and n",
        ),
        (ROW + 'airport_words = [[1, "Nord"]]', "'Nord' has to be in upper case"),
        (ROW + 'jamming_areas = ["Nord"]', "'Nord' has to be in lower case"),
        ("[triggers]", "unknown key 'triggers'"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(
    anew: Command, tmp_path: Path, content: str | None, words: str
) -> None:
    file = tmp_path / "own.toml"
    if content is not None:
        file.write_text(content)
    finished = anew("run", "--help", REGIONAL_GEOGRAPHY=str(file))
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert finished.stderr.startswith(f"Error: REGIONAL_GEOGRAPHY={file}: ")
    assert words in finished.stderr


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("nordics", "expected a file that ends in .toml, or module:attribute"),
        ("no_such_module:REGIONS", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("own_regions:MISSING", "AttributeError: module 'own_regions' has no attribute 'MISSING'"),
        ("own_regions:NUMBER", "it is no tuple or list of"),
        ("own_failing:REGIONS", "RuntimeError: first line second line"),
        ("own_early:REGIONS", "regional_assets.intelligence.metrics was imported before"),
        ("own_regions:REGIONS", None),
    ],
)
def test_a_module(anew: Command, tmp_path: Path, choice: str, words: str | None) -> None:
    region = "from regional_assets.intelligence.geography import Region\n"
    (tmp_path / "own_regions.py").write_text(
        f"{region}NUMBER = 1\nREGIONS = [Region('north', 'North')]"
    )
    (tmp_path / "own_early.py").write_text(
        f"{region}import regional_assets.intelligence.triggers\nREGIONS = (Region('n', 'N'),)"
    )
    (tmp_path / "own_failing.py").write_text("raise RuntimeError('first line\\nsecond line')")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    finished = anew("run", "--help", REGIONAL_GEOGRAPHY=choice, PYTHONPATH=path)
    if words is None:
        assert finished.returncode == 0, finished.stderr
        return
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert words in finished.stderr
