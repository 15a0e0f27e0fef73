"""A command that is interrupted in the middle of a run."""

import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from regional_assets.redis_link import embedded
from regional_assets.store import state_folder
from regional_assets_tests.support.proxy import Stop, proxy
from regional_assets_tests.support.ui import COMMAND
from regional_assets_tests.support.waiting import PATIENCE, eventually


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_command_starts_no_further_run(folder: Path, number: signal.Signals) -> None:
    """The regions are no neighbours, so the command makes two runs of them."""
    server = embedded.ensure_running(folder)
    home = state_folder.dagster_home(folder)
    try:
        with proxy(folder, server) as between:
            between.stop = silent = Stop(0, frozen=True)
            started = subprocess.Popen(
                [*COMMAND, "run", "mena", "latam"],
                env={
                    **os.environ,
                    "REGIONAL_STATE_DIR": str(folder),
                    "REDIS_URL": between.url,
                    "REGIONAL_ANSWER_TIMEOUT": "600",
                },
                cwd=folder,
                stdout=subprocess.PIPE,
                text=True,
                # Under nohup the tests ignore SIGHUP, and so would what they start.
                preexec_fn=partial(signal.signal, number, signal.SIG_DFL),
            )
            with started:
                try:
                    eventually(silent.reached.is_set)
                    started.send_signal(number)
                    said, _ = started.communicate(timeout=PATIENCE)
                finally:
                    started.kill()
        assert started.returncode == 1
        assert "mena, latam failed: interrupted" in " ".join(said.split())
        assert "regional-assets run mena latam" in said
        with dg.DagsterInstance.from_config(str(home)) as instance:
            assert [run.status.value for run in instance.get_runs()] == ["FAILURE"]
    finally:
        embedded.stop(folder)
