"""Dagster's daemon, which looks for backfills every two seconds.

Python imports this as it starts, where this folder is on PYTHONPATH. By itself the daemon looks
every 30 seconds, which no setting changes. Nothing else differs.
"""

import sys
from pathlib import Path

if any(Path(word).name in ("dagster._daemon", "dagster-daemon") for word in sys.orig_argv):
    from dagster._daemon import controller

    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 2
