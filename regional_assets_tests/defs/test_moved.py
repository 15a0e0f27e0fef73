"""A dagster.yaml of the release before names classes where they were."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg

from regional_assets.store.state_folder import CONFIGURATION
from regional_assets_tests.support.servers import stop_group
from regional_assets_tests.support.ui import with_short_rounds
from regional_assets_tests.support.waiting import eventually

NEW_LINES = """\
  module: regional_assets.dagster_kit.preloaded_launcher
  class: PreloadedRunLauncher
  config:
    preload: [jinja2, msgspec, redis]
"""
OLD_LINES = """\
  module: regional_assets.defs.preloaded_launcher
  class: PreloadedRunLauncher
"""
PROJECT = """
import dagster as dg

@dg.asset
def thing(): ...

@dg.sensor(target=[thing], default_status=dg.DefaultSensorStatus.RUNNING)
def once():
    return dg.RunRequest(run_key="once")

defs = dg.Definitions([thing], sensors=[once])
"""


def test_the_daemon_runs_with_the_old_lines_and_says_the_new_ones(folder: Path) -> None:
    """As in production: Python shows the warnings that it shows by itself."""
    written = CONFIGURATION.read_text()
    assert NEW_LINES in written
    (folder / "dagster.yaml").write_text(written.replace(NEW_LINES, OLD_LINES))
    (folder / "project.py").write_text(PROJECT)
    around = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    log = folder / "daemon.log"
    succeeded = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])
    # Two processes that make the same SQLite storage at once break it, so the instance is first.
    with dg.DagsterInstance.local_temp(str(folder)) as instance, log.open("w") as said:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-f", str(folder / "project.py")],
            env=with_short_rounds(around | {"DAGSTER_HOME": str(folder)}),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            eventually(lambda: instance.get_runs(succeeded))
        finally:
            stop_group(daemon)
    assert "FutureWarning: dagster.yaml names regional_assets.defs.preloaded_" in log.read_text()
    assert NEW_LINES in log.read_text()
