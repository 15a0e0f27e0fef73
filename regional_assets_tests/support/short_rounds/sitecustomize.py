"""Dagster's daemon, which looks for backfills every two seconds. Where `SENSORS_AT_ONCE` is set, it
asks every sensor in each of its rounds, which are five seconds apart.

Python imports this as it starts, where this folder is on PYTHONPATH. By itself the daemon looks for
backfills every 30 seconds, which no setting changes, and asks the project's sensors every 30
seconds, as they say. Nothing else differs.
"""

import os
import sys
from pathlib import Path

if any(Path(word).name in ("dagster._daemon", "dagster-daemon") for word in sys.orig_argv):
    from dagster._core.remote_representation.external import RemoteSensor
    from dagster._daemon import controller

    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 2
    if os.environ.get("SENSORS_AT_ONCE"):
        RemoteSensor.min_interval_seconds = 1  # type: ignore[assignment, method-assign]
