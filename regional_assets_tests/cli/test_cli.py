"""The command as a user types it: a process of its own, a state folder of its own."""

import json
from pathlib import Path

import dagster as dg
import pytest
import redis

from regional_assets.defs.partitions import regions_in
from regional_assets.redis_link import embedded
from regional_assets_tests.support.built_in import COMPANION_KEYS, INPUT_KEYS, MODEL, REGION_IDS
from regional_assets_tests.support.commands import Command
from regional_assets_tests.support.stored import CONFIRMATIONS, changed, dump
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import KEY


def client(folder: Path) -> redis.Redis:
    return redis.Redis.from_url(embedded.url(folder))


def test_the_first_minutes_of_a_new_user(command: Command, anew: Command, folder: Path) -> None:
    """Each command in an interpreter of its own when it is first typed."""
    loaded = anew("inputs", "load", "--if-empty")
    assert loaded.returncode == 0
    assert loaded.stdout.startswith(f"{len(INPUT_KEYS + COMPANION_KEYS)} keys loaded")
    assert "there already" in command("inputs", "load", "--if-empty").stdout

    first = anew("run")
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stderr == ""
    for region in REGION_IDS:
        assert region in first.stdout
    assert first.stdout.count("written") == len(REGION_IDS)
    assert "regional-assets status" in first.stdout

    with client(folder) as connected:
        before = dump(connected)
        second = command("run")
        assert second.returncode == 0
        assert second.stdout.count("duplicate of") == len(REGION_IDS)
        assert changed(connected, before) == CONFIRMATIONS

    status = anew("status").stdout
    assert "coercive_stalemate" in status
    assert "red_sea_critical" in status
    shown = anew("show", "mena").stdout
    assert "maritime_access" in shown
    assert "Houthis" in shown
    assert json.loads(command("show", "mena", "--json").stdout)["region_id"] == "mena"
    inputs = anew("inputs", "status").stdout
    assert inputs.count("fresh") == len(MODEL.inputs)
    verified = anew("verify")
    assert (verified.returncode, verified.stdout.count("agrees")) == (0, len(REGION_IDS))


def test_the_status_of_the_inputs_shows_what_is_not_used(command: Command, folder: Path) -> None:
    command("inputs", "load")
    with client(folder) as connected:
        signals = [{"theater": place} for place in ("[/red]Atlantis", "Cibola", "Levant")]
        connected.set(KEY["cross_source_signals"], json.dumps({"signals": [*signals, 7]}))
        shown = command("inputs", "status")
    assert shown.returncode == 0
    for part in ("1 skipped", "3 incomplete", "2 unplaced", "[/red]Atlantis"):
        assert part in shown.stdout


def test_a_failed_region_is_told_apart_and_run_again(command: Command, folder: Path) -> None:
    command("inputs", "load")
    with client(folder) as connected:
        connected.set(keys.index("europe"), "wrong")
        failed = command("run")
        assert failed.returncode == 1
        assert failed.stdout.count("  written") == len(REGION_IDS) - 1
        assert f"europe failed: WRONGTYPE {keys.index('europe')} holds a string" in failed.stdout
        assert "regional-assets run europe" in failed.stdout
        assert command("verify").returncode == 1
        connected.delete(keys.index("europe"))
    again = command("run", "europe", "latam")
    assert again.returncode == 0
    assert again.stdout.count("written") == 1
    assert again.stdout.count("duplicate of") == 1
    assert command("run", "latam", "--force").stdout.count("written") == 1


def test_a_command_is_cut_into_runs_of_so_many_partitions(command: Command, folder: Path) -> None:
    command("inputs", "load")
    with client(folder) as connected:
        # In the first of three runs.
        connected.set(keys.index(REGION_IDS[1]), "wrong")
        done = command("run", REGIONAL_PARTITIONS_PER_RUN="3")
    assert done.returncode == 1
    assert done.stdout.count("  written") == len(REGION_IDS) - 1
    assert done.stdout.rstrip().endswith(f"regional-assets run {REGION_IDS[1]}")
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        runs = instance.get_runs(ascending=True)
    assert [list(regions_in(MODEL, run)) for run in runs] == [
        list(REGION_IDS[at : at + 3]) for at in range(0, len(REGION_IDS), 3)
    ]
    assert [run.is_success for run in runs] == [False, True, True]


def test_an_unknown_region(command: Command) -> None:
    for arguments in (["run", "atlantis"], ["show", "atlantis"]):
        found = command(*arguments)
        assert found.returncode == 2
        assert "unknown region 'atlantis'; the regions are mena, east-asia" in found.stderr
        assert "Traceback" not in found.stderr


def test_nothing_there_yet(command: Command) -> None:
    shown = command("show", "mena")
    assert shown.returncode == 1
    assert "no snapshot yet; `regional-assets run` takes one" in shown.stderr
    assert "no snapshot yet" in command("status").stdout
    verified = command("verify")
    assert (verified.returncode, verified.stdout.count("nothing stored")) == (1, len(REGION_IDS))


def test_the_server_commands(command: Command) -> None:
    assert command("server", "status").returncode == 1
    assert command("server", "start").stdout.startswith("unix://")
    assert command("server", "status").returncode == 0
    assert command("server", "stop").stdout == "stopped\n"
    assert command("server", "stop").stdout == "was not running\n"
    other = command("server", "start", REDIS_URL="redis://localhost:1")
    assert other.returncode == 1
    assert "REDIS_URL is set" in other.stderr


@pytest.mark.parametrize(
    "arguments", [["run"], ["status"], ["show", "mena"], ["verify"], ["inputs", "status"]]
)
def test_a_server_that_is_not_there(command: Command, folder: Path, arguments: list[str]) -> None:
    url = f"unix://user:secret@{folder}/nothing.sock"
    found = command(*arguments, REDIS_URL=url, REGIONAL_RETRIES="0")
    said = found.stdout + found.stderr
    assert found.returncode == 1
    assert f"Redis at unix://{folder}/nothing.sock does not answer" in said
    assert "secret" not in said
    assert "Traceback" not in said


def test_input_files_that_are_wrong(command: Command, folder: Path) -> None:
    inputs = folder / "inputs"
    inputs.mkdir()
    assert "holds no input files" in command("inputs", "load", str(inputs)).stderr
    (inputs / "forecasts.json").write_text("{")
    assert "forecasts.json: Expecting" in command("inputs", "load", str(inputs)).stderr
    (inputs / "forecasts.json").write_text('{"predictions": []}')
    assert command("inputs", "load", str(inputs)).returncode == 0
    (inputs / "forecast.json").write_text("{}")
    wrong = command("inputs", "load", str(inputs))
    assert wrong.returncode == 1
    assert "no input is called that" in wrong.stderr


def test_a_setting_that_makes_no_sense(command: Command) -> None:
    found = command("status", REGIONAL_RETRIES="many")
    assert found.returncode == 1
    assert "REGIONAL_RETRIES='many'" in found.stderr


def test_settings_in_a_dotenv_file(command: Command, folder: Path) -> None:
    (folder / ".env").write_text("REGIONAL_RETRIES=many\n")
    assert "REGIONAL_RETRIES='many'" in command("status").stderr


def test_alerts_are_shown_and_stay(command: Command, folder: Path) -> None:
    assert "0 regional alerts wait" in command("alerts").stdout
    with client(folder) as connected:
        for message in ("other", '{"eventType": "rocket_alert", "payload": {}}'):
            connected.lpush(keys.alert_queue, message)
        command("inputs", "load")
        command("run")
        waiting = connected.lrange(keys.alert_queue, 0, -1)
        shown = command("alerts").stdout
        assert f"{len(waiting) - 2} regional alerts wait" in shown
        assert f"among {len(waiting)} messages" in shown
        assert connected.lrange(keys.alert_queue, 0, -1) == waiting
    rows = [line for line in shown.splitlines() if line.startswith("│ mena")]
    # In the order in which they will be taken.
    assert "regime none → coercive stalemate" in rows[0]
    assert rows[0].split("│")[2:] != rows[1].split("│")[2:]
    assert all(line.split("│")[-2].strip().endswith(" s") for line in rows)


def test_a_replay_has_a_server_of_its_own(command: Command, folder: Path) -> None:
    command("inputs", "load")
    with client(folder) as live:
        before = {key: live.dump(key) for key in live.scan_iter()}
        arguments = ("replay", "--from", "2026-02-25", "--to", "2026-02-27")
        replayed = command(*arguments, REDIS_URL="redis://localhost:1")
        assert replayed.returncode == 0, replayed.stderr
        assert {key: live.dump(key) for key in live.scan_iter()} == before
    assert f"3 days, 12 runs of {len(REGION_IDS)} regions" in replayed.stdout
    assert replayed.stdout.count("Ship transits through the Strait of Hormuz") == 1
    assert "2026-02-27 00:00 UTC" in replayed.stdout
    replay = folder / "replay"
    for region in REGION_IDS:
        assert len((replay / "history" / f"{region}.csv").read_text().splitlines()) == 13
    assert not embedded.is_running(replay)
    # What it leaves can be looked at like any other state.
    assert "hormuz_transit_drop" in command("status", REGIONAL_STATE_DIR=str(replay)).stdout

    wrong = command("replay", "--from", "2027-01-01")
    assert (wrong.returncode, "2026-01-01 to 2026-07-19" in wrong.stderr) == (1, True)
