"""Run as a program: an interpreter that imports what commands need once, and forks a process for
each that it reads, as JSON, from a line of its standard input. It answers with the exit code."""

import json
import os
import sys

# What most of them load.
import regional_assets.cli.doctor
import regional_assets.cli.replay
import regional_assets.cli.run  # noqa: F401
from regional_assets_tests.support.commands import become

if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(*json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
