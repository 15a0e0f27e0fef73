"""`regional-assets brief` and `brief show`: real runs, with a language model on localhost."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result

from regional_assets.cli.main import main
from regional_assets.redis_link import embedded
from regional_assets_tests.support.built_in import NARRATED_REGIONS
from regional_assets_tests.support.commands import Command, How, commands, interpreter
from regional_assets_tests.support.model_server import SECRET, Models, brief
from regional_assets_tests.support.stores import keys


@pytest.fixture(scope="module")
def narrating() -> Iterator[How]:
    """Commands for which a language model is configured: that is read with the definitions."""
    with interpreter(REGIONAL_NARRATIVE_PROVIDERS="any") as how:
        yield how


@pytest.fixture
def narrated(folder: Path, narrating: How) -> Iterator[Command]:
    with commands(folder, how=narrating) as run:
        yield run


def test_briefs_are_written_and_read(
    command: Command, narrated: Command, folder: Path, models: Models
) -> None:
    good = models.environment("good")
    command("inputs", "load")
    early = narrated("brief", "mena", **good)
    assert (early.returncode, early.stdout.count("skipped")) == (0, 1)
    assert "it has no snapshot yet" in early.stdout
    assert models.asked == []

    command("run")
    first = narrated("brief", **good)
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stderr == ""
    assert (
        first.stdout.count("written")
        == first.stdout.count("good-model (good)")
        == len(NARRATED_REGIONS)
    )
    assert models.regions("good") == sorted(NARRATED_REGIONS)
    again = narrated("brief", "mena", "latam", **good)
    assert (again.returncode, again.stdout.count("its brief is younger than 6.5 days")) == (0, 2)
    assert len(models.asked) == len(NARRATED_REGIONS)
    # Two ranges of partitions, and the word that may be left out.
    forced = narrated("brief", "write", "--force", "mena", "latam", **good)
    assert (forced.returncode, forced.stdout.count("written")) == (0, 2)
    assert len(models.asked) == len(NARRATED_REGIONS) + 2

    shown = command("brief", "show", "mena")
    assert shown.returncode == 0
    for text in ("The week in mena.", "Steady.", "One thing.", "Open.", "good-model (good)"):
        assert text in shown.stdout
    with redis.Redis.from_url(embedded.url(folder)) as client:
        stored = json.loads(client.get(keys.brief("mena")) or "")
    assert json.loads(command("brief", "show", "mena", "--json").stdout) == stored


def test_failed_briefs_are_told_apart_and_written_again(
    command: Command, narrated: Command, models: Models
) -> None:
    command("inputs", "load")
    command("run", "mena", "east-asia")
    failed = narrated("brief", "east-asia", "mena", **models.environment("refusing", key=SECRET))
    assert failed.returncode == 1
    assert failed.stdout.count("  failed") == 2
    assert "failed: refusing: HTTP 401: check REGIONAL_NARRATIVE_REFUSING_API_KEY" in failed.stdout
    assert "Run again what failed: regional-assets brief east-asia mena" in failed.stdout
    assert SECRET not in failed.stdout + failed.stderr


def test_without_a_model_nothing_runs(command: Command, models: Models) -> None:
    said = command("brief", "mena")
    assert (said.returncode, said.stdout) == (1, "")
    assert "no language model is configured: set REGIONAL_NARRATIVE_PROVIDERS" in said.stderr
    said = command("brief", REGIONAL_NARRATIVE_PROVIDERS="groq")
    assert (said.returncode, said.stdout) == (1, "")
    assert "REGIONAL_NARRATIVE_GROQ_BASE_URL is not set" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.fixture
def client(valkey_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """An empty server; the command uses it."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("REGIONAL_STATE_DIR", str(folder))
    monkeypatch.chdir(folder)
    with redis.Redis.from_url(valkey_url) as connected:
        connected.flushall()
        yield connected


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["atlantis"], "unknown region 'atlantis'"),
        (["mena", "show"], "unknown region 'show'"),
        (["show", "atlantis"], "unknown region 'atlantis'"),
        (["global"], "global has no brief"),
        (["show", "global"], "global has no brief"),
        (["show"], "Missing argument 'REGION'"),
        (["--json"], "No such option"),
    ],
)
def test_wrong_usage(client: redis.Redis, arguments: list[str], problem: str) -> None:
    said = run("brief", *arguments)
    assert said.exit_code == 2
    assert problem in said.output


def test_its_help_names_both_commands(client: redis.Redis) -> None:
    said = run("brief", "--help")
    assert said.exit_code == 0
    assert "  show " in said.output
    assert "  write " in said.output


STORED: dict[str, Any] = {
    **brief("mena"),
    "region_id": "mena",
    "generated_at": 2,
    "period_start": 1,
    "period_end": 2,
    "provider": "good",
    "model": "good-model",
}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in STORED.items() if key != name}


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ("{", "is not a brief ("),
        ("[" * 100_000, "is not a brief ("),
        (json.dumps(without("risk_outlook")), "is not a brief ("),
        (json.dumps(STORED | {"period_end": 1e300}), "is not a brief ("),
        (json.dumps(STORED | {"region_id": "latam"}), "is the brief of another region"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_damaged_brief_is_named(
    client: redis.Redis, stored: str, problem: str, options: list[str]
) -> None:
    client.set(keys.brief("mena"), stored)
    said = run("brief", "show", "mena", *options)
    assert said.exit_code == 1
    assert said.output.startswith(f"Error: {keys.brief('mena')} {problem}")


def test_no_brief_and_a_key_of_a_wrong_type(client: redis.Redis) -> None:
    said = run("brief", "show", "mena")
    assert said.exit_code == 1
    assert "mena: no brief yet; `regional-assets brief mena` writes one" in said.output
    client.hset(keys.brief("mena"), "a", "b")
    said = run("brief", "show", "mena")
    assert said.exit_code == 1
    assert f"{keys.brief('mena')}: WRONGTYPE" in said.output


def test_no_brief_steers_a_terminal(client: redis.Redis) -> None:
    nasty = "\x1b[2J \u202e [red]x[/nope]"
    brief = STORED | {"situation_recap": nasty, "key_developments": [nasty], "model": nasty}
    client.set(keys.brief("mena"), json.dumps(brief))
    said = run("brief", "show", "mena")
    assert said.exit_code == 0
    assert said.output.count(r"\x1b[2J \u202e [red]x[/nope]") == 3
    assert not set("\x1b\u202e") & set(said.output + run("brief", "show", "mena", "--json").output)
