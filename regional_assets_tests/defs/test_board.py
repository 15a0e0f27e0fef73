"""`regional_board` through Dagster, and the command that makes the same page."""

import json
import os
import shlex
import subprocess
import webbrowser
from pathlib import Path
from typing import Any

import dagster as dg
import fsspec
import pytest
import redis
from click.testing import CliRunner

from regional_assets.board.view import Change, few
from regional_assets.cli.main import main
from regional_assets.defs.assets.board import REGIONAL_BOARD
from regional_assets.defs.metadata import changes_metadata
from regional_assets.runs import records, summary
from regional_assets.runs.clock import current_time
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.dagster_runs import (
    ALL,
    SUMMARY,
    materialisations,
    run,
    statuses,
    values,
)
from regional_assets_tests.support.stored import latest_id
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.ui import COMMAND
from regional_assets_tests.support.waiting import eventually
from regional_assets_tests.support.worlds import KEY


def said_in(
    instance: dg.DagsterInstance,
    result: dg.ExecuteInProcessResult,
    asset: dg.AssetKey = REGIONAL_BOARD,
) -> dict[str, Any]:
    """The metadata of the asset's one materialisation in the run."""
    [found] = materialisations(instance, result.run_id, asset).values()
    return values(found)


@pytest.mark.parametrize("tags", [ALL, {}], ids=["range", "without partitions"])
def test_it_follows_the_snapshots_in_the_same_run(
    instance: dg.DagsterInstance, client: redis.Redis, state: Path, tags: dict[str, str]
) -> None:
    result = run(instance, tags=tags)
    assert result.success
    said, path = said_in(instance, result), state / "board.html"
    page = path.read_text(encoding="utf-8")
    assert said["path"] == str(path)
    assert said["bytes"] == len(page.encode())
    assert said["regions"] == len(REGION_IDS)
    assert "damaged" not in said
    # The page is of this run's snapshots.
    body = json.loads(client.get(keys.snapshot_by_id(latest_id(client, "mena") or "")) or b"")
    assert f"{body['balance']['net_balance']:+.3f}" in page
    rows = [row.data for row in said["changes"].records]
    assert {"mena"} <= {row["region"] for row in rows}
    assert {row["subject"] for row in rows if row["change"] == "Trigger on"} >= {
        trigger["description"] for trigger in body["triggers"]["active"]
    }
    # No unfinished file is left.
    assert [p.name for p in state.glob("*board*")] == ["board.html"]


def test_of_many_regions_a_table_has_those_under_most_pressure(
    instance: dg.DagsterInstance, client: redis.Redis, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_REGIONS", 3)
    monkeypatch.setattr(summary, "MOST_REGIONS", 3)
    result = run(instance, tags=ALL)
    said = said_in(instance, result)
    balances = {}
    for region in REGION_IDS:
        body = json.loads(client.get(keys.latest_body(region)) or b"")
        balances[region] = body["balance"]["net_balance"]
    rows = {row.data["region"]: row.data for row in said["under_most_pressure"].records}
    assert list(rows) == sorted(balances, key=lambda region: balances[region])[:3]
    assert all(row["net_balance"] == balances[region] for region, row in rows.items())
    assert said["not_shown"] == len(REGION_IDS) - 3
    assert said["regions"] == 3

    summed = said_in(instance, result, SUMMARY)
    assert {row.data["region"] for row in summed["table"].records} == set(rows)
    assert summed["not_listed"]["table"] == len(REGION_IDS) - 3
    assert summed["regions"] == len(REGION_IDS)


def test_the_summary_has_the_changes_of_its_run(
    instance: dg.DagsterInstance, client: redis.Redis, state: Path
) -> None:
    def changes(result: dg.ExecuteInProcessResult, asset: dg.AssetKey) -> list[dict[str, object]]:
        return [dict(row.data) for row in said_in(instance, result, asset)["changes"].records]

    first = run(instance, tags=ALL)
    assert len(changes(first, SUMMARY)) > 1
    # The board compares what is stored, the summary has what the run compared.
    assert changes(first, SUMMARY) == changes(first, REGIONAL_BOARD)
    assert changes(run(instance, tags=ALL), SUMMARY) == []

    client.set(KEY["chokepoints"], json.dumps({"chokepoints": [], "fetchedAt": current_time()}))
    second = run(instance, tags=ALL)
    assert changes(second, SUMMARY) == changes(second, REGIONAL_BOARD)
    assert {"Trigger off"} <= {row["change"] for row in changes(second, SUMMARY)}


def test_a_table_of_changes_is_bounded_and_counts_the_rest() -> None:
    one = Change("Trigger on", "x" * 1000 + "\x1b")
    said = changes_metadata({f"r{n}": few([one] * 25) for n in range(4)})
    rows = said["changes"].records
    assert len(rows) + said["changes_not_shown"] == 100
    assert len(rows) == 60
    assert {len(str(row.data["subject"])) for row in rows} == {300}


def test_a_run_of_one_partition_writes_the_page_of_all(
    instance: dg.DagsterInstance, client: redis.Redis, state: Path
) -> None:
    assert run(instance, tags=ALL).success
    result = run(instance, partition_key="latam", force=True)
    assert said_in(instance, result)["regions"] == len(REGION_IDS)


def test_when_a_region_fails_its_card_names_the_reason(
    instance: dg.DagsterInstance, client: redis.Redis, state: Path
) -> None:
    assert run(instance, tags=ALL).success
    name = keys.snapshot_by_id(latest_id(client, "mena") or "")
    # A server that refuses the read says nothing of what is there.
    client.delete(name, keys.latest_body("mena"))
    client.lpush(name, "x")
    result = run(instance, tags=ALL, force=True)
    assert not result.success
    assert list(said_in(instance, result)["damaged"]) == ["mena"]
    assert name in (state / "board.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_costs_no_snapshot(
    instance: dg.DagsterInstance, client: redis.Redis, state: Path
) -> None:
    (state / "board.html").mkdir(parents=True)
    result = run(instance, tags=ALL)
    assert not result.success
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "MATERIALIZED")
    [failure] = [e.step_failure_data for e in result.get_step_failure_events()]
    assert failure.error
    assert f"{state / 'board.html'} cannot be written: Is a directory" in failure.error.message
    assert [p.name for p in state.glob("*board*")] == ["board.html"]


def test_the_command_makes_the_same_page(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    state: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run(instance, tags=ALL).success
    opened: list[str] = []

    def open_page(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", open_page)
    out = folder / "a page.html"
    done = CliRunner().invoke(main, ["board", "--out", str(out), "--open"])
    assert (done.exit_code, done.output) == (0, f"{out}\n")
    assert opened == [out.as_uri()]
    by_asset = (state / "board.html").read_text(encoding="utf-8")
    made = out.read_text(encoding="utf-8")
    # They differ in the time at which they were made, and in ages.
    assert made.count("<article") == by_asset.count("<article") == len(REGION_IDS)
    assert len(made) == pytest.approx(len(by_asset), rel=0.01)

    assert CliRunner().invoke(main, ["board"]).output == f"{state / 'board.html'}\n"


def test_the_command_prints_the_page(
    client: redis.Redis, state: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    client.set(keys.latest("europe"), "x")
    printed = CliRunner().invoke(main, ["board", "--out", "-"])
    assert printed.exit_code == 1
    page = printed.stdout_bytes.decode()
    assert page.startswith("<!doctype html>")
    # What is damaged is named elsewhere.
    assert page.rstrip().endswith("</html>")
    assert printed.stderr.startswith("europe: ")
    assert list(folder.glob("*")) == []
    unopened = CliRunner().invoke(main, ["board", "--out", "-", "--open"])
    assert unopened.exit_code == 2
    assert "standard output is no file of this machine; name one with --out" in unopened.output


def redirected(
    folder: Path, out: str, where: str, *inherited: int
) -> subprocess.CompletedProcess[str]:
    """`board --out` of a process whose standard output a shell redirects."""
    command = f"exec {shlex.join(COMMAND)} board --out {shlex.quote(out)} {where}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        pass_fds=inherited,
    )


@pytest.mark.usefixtures("client", "state")
def test_the_command_does_not_replace_its_own_output(folder: Path) -> None:
    """A log to which standard output is appended is not replaced by the page."""
    log = folder / "log"
    log.write_text("before\n")
    # As /dev/stdout is one.
    (folder / "link").symlink_to("/proc/self/fd/1" if Path("/proc").exists() else "/dev/fd/1")
    done = redirected(folder, "link", ">> log")
    assert (done.returncode, done.stderr) == (0, "")
    assert log.read_text("utf-8").startswith("before\n<!doctype html>")
    assert log.read_text("utf-8").rstrip().endswith("</html>")
    assert (folder / "link").is_symlink()


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")


@pytest.mark.usefixtures("client", "state")
@pytest.mark.parametrize(
    ("where", "words"),
    [
        (">&-", "it is closed"),
        # The parent has closed the end at which it would be read.
        (">&{pipe}", "Broken pipe"),
        pytest.param("> /dev/full", "No space left on device", marks=FULL),
    ],
)
def test_a_standard_output_that_takes_nothing(folder: Path, where: str, words: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = redirected(folder, "-", where.format(pipe=writing), writing)
    os.close(writing)
    expected = f"Error: standard output cannot be written: {words}; name another file with --out\n"
    assert (done.returncode, done.stderr) == (1, expected)


@pytest.mark.usefixtures("client", "state")
def test_the_command_writes_to_a_fifo_that_is_read(folder: Path) -> None:
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    refused = CliRunner().invoke(main, ["board", "--out", str(fifo)])
    assert refused.exit_code == 1
    assert f"{fifo} cannot be written: no process reads this FIFO; name another" in refused.output
    unopened = CliRunner().invoke(main, ["board", "--out", str(fifo), "--open"])
    assert (unopened.exit_code, f"{fifo} is no file" in unopened.output) == (2, True)
    with subprocess.Popen(["cat", str(fifo)], stdout=subprocess.PIPE) as reader:
        eventually(lambda: CliRunner().invoke(main, ["board", "--out", str(fifo)]).exit_code == 0)
        assert reader.stdout
        assert reader.stdout.read().startswith(b"<!doctype html>")
    assert fifo.is_fifo()


def test_the_page_goes_where_files_go(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    state: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REGIONAL_FILES", "memory://board-test")
    result = run(instance, tags=ALL)
    assert result.success
    said = said_in(instance, result)
    page = fsspec.filesystem("memory").cat("memory://board-test/board.html")
    assert said["path"] == "memory://board-test/board.html"
    assert said["bytes"] == len(page)
    assert not (state / "board.html").exists()

    done = CliRunner().invoke(main, ["board"])
    assert (done.exit_code, done.output) == (0, "memory://board-test/board.html\n")
    unopened = CliRunner().invoke(main, ["board", "--open"])
    assert unopened.exit_code == 2
    assert "board.html is no file of this machine; name one with --out" in unopened.output
    monkeypatch.setenv("REGIONAL_FILES", "nothing://x")
    refused = CliRunner().invoke(main, ["board"])
    assert refused.exit_code == 1
    assert "nothing://x/board.html cannot be written: Protocol not known" in refused.output
    [failure] = run(instance, tags=ALL).get_step_failure_events()
    assert failure.step_failure_data.error
    assert "x/board.html cannot be written: Protocol" in failure.step_failure_data.error.message


def test_the_command_names_what_is_wrong_and_exits_1(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    state: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run(instance, tags=ALL).success
    inside_a_file = state / "board.html" / "folder" / "x.html"
    refused = CliRunner().invoke(main, ["board", "--out", str(inside_a_file)])
    assert refused.exit_code == 1
    assert "cannot be written: Not a directory; name another file with --out" in refused.output
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    unseen = CliRunner().invoke(main, ["board", "--open"])
    assert unseen.exit_code == 1
    assert f"no browser was found; open {(state / 'board.html').as_uri()} yourself" in unseen.output
    client.set(keys.latest("europe"), "x")
    damaged = CliRunner().invoke(main, ["board"])
    assert damaged.exit_code == 1
    assert damaged.output.splitlines()[1].startswith("europe: ")
