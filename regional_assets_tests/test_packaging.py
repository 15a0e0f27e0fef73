"""The project as others meet it: a wheel outside the checkout, and Dagster's own `dg` in it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from regional_assets.definitions import defs
from regional_assets.redis_link import embedded
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.installed import ROOT, build


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What the command prints; fails with what it said."""
    ended = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    with ZipFile(build(folder)) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.fixture
def elsewhere(folder: Path) -> Iterator[Path]:
    """A folder outside the checkout to work in."""
    yield folder
    embedded.stop(folder / ".state")


def package(folder: Path) -> dict[str, bytes]:
    """Every file of the package, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in (folder / "regional_assets").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    shipped = package(wheel)
    assert shipped == package(ROOT)
    for name in ("py.typed", "store/commit.lua", "sample_inputs/forecasts.json", "deploy/start"):
        assert f"regional_assets/{name}" in shipped


def test_the_wheel_runs_outside_the_checkout_with_the_same_instance(
    wheel: Path, elsewhere: Path
) -> None:
    def command(*arguments: str) -> str:
        program = [sys.executable, "-m", "regional_assets.cli.main"]
        return run(*program, *arguments, cwd=elsewhere, PYTHONPATH=str(wheel))

    assert str(elsewhere / ".state") in command("inputs", "load")
    assert command("run").count("written") == len(REGION_IDS)
    settings = elsewhere / ".state" / "dagster" / "dagster.yaml"
    assert settings.resolve().is_relative_to(wheel)
    assert settings.read_bytes() == (ROOT / "dagster.yaml").read_bytes()


def dg(*arguments: str, home: Path) -> str:
    """`dg` in the checkout; it asks no index for a newer version of itself and leaves nothing in
    the user's home."""
    program = Path(sys.executable).parent / "dg"
    return run(program, *arguments, cwd=ROOT, HOME=str(home), DAGSTER_DG_UPDATE_CHECK_ENABLED="0")


def test_dg_checks_the_definitions(tmp_path: Path) -> None:
    assert "All definitions loaded successfully" in dg("check", "defs", home=tmp_path)


def test_dg_lists_the_definitions(tmp_path: Path) -> None:
    listed = json.loads(dg("list", "defs", "--json", home=tmp_path))
    repository = defs().get_repository_def()
    for kind, expected in {
        "jobs": {job.name for job in defs().jobs or ()},
        "schedules": {schedule.name for schedule in repository.schedule_defs},
        "sensors": {sensor.name for sensor in repository.sensor_defs},
    }.items():
        assert {each["name"] for each in listed[kind]} == expected
    keys = {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    assert {each["asset_key"] for each in listed["assets"]} == keys
