"""A model of one's own, by the command (docs/models.md)."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import regional_assets
from regional_assets.runs.models import load_model
from regional_assets_tests.support.commands import Command, commands, interpreter
from regional_assets_tests.support.worlds import GOLDEN

ROOT = Path(regional_assets.__file__).parents[1]
NORDICS = ROOT / "docs" / "nordics.toml"
COUNTRIES = ["denmark", "finland", "iceland", "norway", "sweden"]


@pytest.fixture
def nordic(folder: Path) -> Iterator[Command]:
    chosen = {"REGIONAL_MODEL": str(NORDICS)}
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


def test_what_is_wrong_with_a_model_is_one_line(anew: Command, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("x = " + "[" * 10_000)
    finished = anew("status", REGIONAL_MODEL=str(file))
    assert finished.returncode == 1
    assert finished.stderr == (f"Error: REGIONAL_MODEL={file}: its values are nested too deeply\n")


def test_a_module_that_imports_the_domain_first_runs(anew: Command, tmp_path: Path) -> None:
    """When the regions were installed, all of them failed with KeyError, and doctor saw nothing."""
    (tmp_path / "mine.py").write_text(
        "import regional_assets.intelligence.alerts\n"
        "from regional_assets.intelligence.geography import Region\n"
        "TABLE = (Region('north', 'North', countries=frozenset(['SE'])),)\n"
    )
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    chosen = {"REGIONAL_MODEL": "mine:TABLE", "PYTHONPATH": path}
    assert anew("inputs", "load", **chosen).returncode == 0
    ran = anew("run", **chosen)
    assert ran.returncode == 0, ran.stdout
    assert "written" in ran.stdout


def test_the_former_name_is_refused_alone_and_named_beside_the_new_one(anew: Command) -> None:
    alone = anew("status", REGIONAL_GEOGRAPHY=str(NORDICS))
    assert (alone.returncode, alone.stdout) == (1, "")
    assert "REGIONAL_GEOGRAPHY is now called REGIONAL_MODEL" in alone.stderr
    both = anew("doctor", REGIONAL_GEOGRAPHY=str(NORDICS), REGIONAL_MODEL="built-in")
    assert "REGIONAL_GEOGRAPHY is set, too, and has no effect" in " ".join(
        both.stdout.replace("│", " ").split()
    )


@pytest.mark.parametrize("options", [(), ("--tables",)])
@pytest.mark.parametrize("choice", ["built-in", str(NORDICS), str(GOLDEN / "model.toml")])
def test_what_is_shown_loads_again_and_shows_the_same(
    anew: Command, tmp_path: Path, choice: str, options: tuple[str, ...]
) -> None:
    shown = anew("model", "show", *options, REGIONAL_MODEL=choice)
    assert shown.returncode == 0
    again = tmp_path / "again.toml"
    again.write_text(shown.stdout)
    assert load_model(str(again)) == load_model(choice)
    assert anew("model", "show", *options, REGIONAL_MODEL=str(again)).stdout == shown.stdout


def test_a_region_without_countries_is_warned_of(anew: Command, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[[regions]]\nextends = "built-in"\nid = "ninth"\nlabel = "Ninth"\n')
    shown = anew("model", "show", REGIONAL_MODEL=str(file))
    assert shown.stderr.count("the region ninth has no countries") == 1
    # Global has none on purpose.
    assert "the region global" not in shown.stderr
    doctor = anew("doctor", REGIONAL_MODEL=str(file))
    assert "the region ninth has no countries" in " ".join(doctor.stdout.replace("│", " ").split())
