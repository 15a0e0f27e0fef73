"""The model that REGIONAL_MODEL chooses, and what is wrong with one (docs/models.md)."""

import sys
from pathlib import Path

import pytest

from regional_assets.errors import SettingsError
from regional_assets.runs.models import chosen_model, load_model
from regional_assets_tests.support.built_in import MODEL

ROW = '[[regions]]\nid = "north"\nlabel = "North"\n'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("[[regions]\n", "line 1"),
        ("regions = []", "line 1, regions: there is no region"),
        ("regions = 1", "line 1, regions: expected [[regions]], a table for each"),
        (ROW + "narrated = false", "no region is narrated"),
        (ROW + "colour = 1", "line 4, [[regions]] 1, colour: unknown field; there are id, label"),
        ('[[regions]]\nid = "north"', "line 1, [[regions]] 1: the field 'label' is missing"),
        (
            '[[regions]]\nid = "No/rth"\nlabel = "N"',
            "line 2, [[regions]] 1, id: 'No/rth' has to be",
        ),
        ('[[regions]]\nid = "north"\nlabel = " "', "line 3, [[regions]] 1, label: the label is"),
        (ROW + 'countries = ["QQ"]', "line 4, [[regions]] 1, countries: unknown country 'QQ'"),
        (ROW + 'key_countries = ["SWE"]', "key_countries: unknown country 'SWE'"),
        (ROW + 'theaters = ["balitc"]', "unknown theater 'balitc'; there are"),
        (ROW + "boxes = [[1, 60, 50, 0, 1]]", "south <= north"),
        (ROW + "boxes = [[1, 50, 60, 0, 200]]", "west <= east"),
        (ROW + "boxes = [[1, nan, 60, 0, 1]]", "line 4, [[regions]] 1, boxes.0.1: the number is"),
        (ROW + "boxes = [[1, 50, 60]]", "boxes.0: Expected `array` of length 5"),
        (ROW + ROW, "line 5, [[regions]] 2, id: 'north' is there twice"),
        (
            ROW + 'countries = ["SE"]\n' + ROW.replace("north", "n") + 'countries = ["SE"]',
            "country 'SE' is in two regions, north and n",
        ),
        (ROW + 'airport_words = [[1, "Nord"]]', "'Nord' has to be in upper case"),
        (ROW + 'jamming_areas = ["Nord"]', "'Nord' has to be in lower case"),
        ("[colours]", "line 1, colours: unknown part; a model has versions, regions"),
        (
            '[[regions]]\nextends = "built in"',
            'line 2, [[regions]] 1, extends: expected "built-in"',
        ),
        (
            "[scoring.mobility]\n\nfull_flights = 0",
            "line 3, scoring.mobility.full_flights: Expected `float` > 0.0",
        ),
        (
            "[scoring.mobility]\nfull = 1",
            "scoring.mobility.full: unknown field; there are disrupted",
        ),
        (
            "[scoring.coercive_pressure.vessels]\nweight = 0.3",
            "line 2, scoring.coercive_pressure.vessels.weight: no feed in this version has this",
        ),
        ("[inputs.ships]", "line 1, inputs.ships: this version reads no input 'ships'; there are"),
        ("[inputs]\nnames = 1", "line 2, inputs.names: expected an array of names"),
        (
            '[[triggers]]\nextends = "built-in"\nid = "oref_cluster"\nmetric = "sirens"',
            "line 4, [[triggers]] 1, metric: unknown metric 'sirens'; a metric is one of",
        ),
        (
            '[[triggers]]\nextends = "built-in"\nid = "oref_cluster"\noperator = "delta_gt"',
            "[[triggers]] 1, baseline: delta_gt does not go with fixed",
        ),
        (
            '[tables]\nus_states = "sha256-0"',
            "line 2, tables.us_states: this version has no table sha256-0",
        ),
        ("x = " + "[" * 10_000, "its values are nested too deeply"),
        ("[scoring." + ".".join("a" * 10_000) + "]", "its values are nested too deeply"),
        ("x = " + "{a = " * 10_000, "its values are nested too deeply"),
        ('"' + "x" * 10_000 + '" = 1', "unknown part"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_wrong_with_a_file_is_one_line(
    tmp_path: Path, content: str | None, words: str
) -> None:
    file = tmp_path / "own.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError) as refused:
        load_model(str(file))
    said = str(refused.value)
    assert said.startswith(f"REGIONAL_MODEL={file}: ")
    assert words in said
    assert "\n" not in said
    assert len(said) < 1000


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("built-in:7", "there is no such model; there are built-in:1"),
        ("no_such_module:REGIONS", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("own_model:MISSING", "AttributeError: module 'own_model' has no attribute 'MISSING'"),
        ("own_model:NUMBER", "it is a int, not a regional_assets.Model"),
        ("own_model:WRONG", "regions.north.countries: unknown country 'QQ'"),
        ("own_failing:REGIONS", "RuntimeError: first line second line"),
        ("own_model:REGIONS", None),
        ("own_model:MODEL", None),
        ("built-in", None),
        ("built-in:1", None),
    ],
)
def test_a_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: str, words: str | None
) -> None:
    (tmp_path / "own_model.py").write_text(
        "from regional_assets.intelligence.geography import Region\n"
        "from regional_assets.intelligence.model import Model\n"
        "NUMBER = 1\nREGIONS = [Region('north', 'North')]\nMODEL = Model(regions=tuple(REGIONS))\n"
        "WRONG = (Region('north', 'North', countries=frozenset(['QQ'])),)\n"
    )
    (tmp_path / "own_failing.py").write_text("raise RuntimeError('first line\\nsecond line')")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        if words is None:
            found = load_model(choice)
            assert (found.region_ids == ("north",)) == choice.startswith("own_model")
            assert (found is MODEL) == choice.startswith("built-in")
            return
        with pytest.raises(SettingsError) as refused:
            load_model(choice)
        said = str(refused.value)
        assert said.startswith(f"REGIONAL_MODEL={choice}: ")
        assert words in said
        assert "\n" not in said
    finally:
        sys.modules.pop("own_model", None)


@pytest.mark.parametrize("choice", ["nordics", "built-in:", "a.b", "x:1"])
def test_what_is_no_choice(choice: str) -> None:
    with pytest.raises(
        SettingsError, match=r"expected a file that ends in \.toml, module:attribute"
    ):
        chosen_model({"REGIONAL_MODEL": choice})
