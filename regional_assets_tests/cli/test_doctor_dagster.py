"""`regional-assets doctor` on Dagster's home and storage, and on checks that fail themselves."""

from pathlib import Path

import pytest

from regional_assets.cli.doctor import examine
from regional_assets.runs.clock import current_time
from regional_assets.store.diagnosis import Finding
from regional_assets.store.state_folder import CONFIGURATION, dagster_home
from regional_assets_tests.support.servers import redis_server


def doctor(folder: Path, **environ: str) -> dict[str, Finding]:
    """Check → finding, on no server."""
    nowhere = {"REDIS_URL": f"unix://{folder}/nothing.sock", "REGIONAL_RETRIES": "0"}
    found = examine({"REGIONAL_STATE_DIR": str(folder), **nowhere, **environ}, current_time)
    return {finding.check: finding for finding in found}


def test_a_home_that_is_not_there_yet(folder: Path) -> None:
    findings = doctor(folder)
    assert findings["Dagster home"].found == f"{folder}/dagster will be created when it is needed"
    assert findings["Dagster storage"].verdict == "ok"
    assert list(folder.iterdir()) == []


def test_a_home_that_is_used(folder: Path) -> None:
    home = dagster_home(folder)
    findings = doctor(folder)
    assert (findings["Dagster home"].verdict, findings["Dagster home"].found) == ("ok", str(home))
    assert findings["Dagster storage"].found == "SqliteRunStorage answers: 0 runs"
    assert findings["Dagster daemon"].found == "no UI of `regional-assets ui` runs"


def test_a_home_without_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "own").mkdir()
    relative = doctor(folder, DAGSTER_HOME="own")["Dagster home"]
    assert (relative.verdict, relative.advice) == ("warning", f"set it to {folder}/own")
    bare = doctor(folder, DAGSTER_HOME=f"{folder}/own")["Dagster home"]
    assert (bare.verdict, bare.advice) == ("warning", f"copy {CONFIGURATION} there")


def test_a_home_that_cannot_be(folder: Path) -> None:
    (folder / "file").touch()
    found = doctor(folder, DAGSTER_HOME=f"{folder}/file")["Dagster home"]
    assert (found.verdict, "Not a directory" in found.found) == ("problem", True)
    findings = doctor(folder, DAGSTER_HOME="~no-such-user")
    assert findings["settings"].verdict == "problem"
    assert "DAGSTER_HOME='~no-such-user'" in findings["settings"].found
    assert findings["Dagster home"].verdict == "skipped"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("storage:\n  sqlite:\n    base_dir: /dev/null/x\n", "Not a directory"),
        ("storage: nonsense\n", "Expected one of:"),
        ("\t", 'dagster.yaml", line 1, column 1'),
    ],
)
def test_a_storage_that_cannot_be_reached(folder: Path, written: str, words: str) -> None:
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(written)
    findings = doctor(folder, DAGSTER_HOME=str(home))
    assert findings["Dagster storage"].verdict == "problem"
    assert words in findings["Dagster storage"].found
    assert findings["Dagster daemon"].verdict == "ok"


def test_a_check_that_fails_keeps_no_other_from_being_made(folder: Path) -> None:
    """Here because the clock breaks."""

    def broken() -> int:
        raise ZeroDivisionError("no time")

    with redis_server(folder) as url:
        environ = {"REDIS_URL": url, "REGIONAL_STATE_DIR": str(folder)}
        findings = {finding.check: finding for finding in examine(environ, broken)}
    for name in ("clock", "inputs"):
        assert findings[name].verdict == "problem"
        assert findings[name].found == "the check itself failed: ZeroDivisionError: no time"
    assert findings["key types"].verdict == "ok"
    assert findings["Dagster daemon"].verdict == "ok"
