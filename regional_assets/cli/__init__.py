"""The `regional-assets` command: one module a command, and how results are shown."""

import os
import sys
from contextlib import suppress

from dotenv import dotenv_values

from regional_assets.runs.chosen_geography import install_chosen

# Before the commands, which know the regions. A .env that cannot be read is `main`'s to report.
_environ = dict(os.environ)
with suppress(OSError, ValueError):
    _environ = {**{k: v for k, v in dotenv_values(".env").items() if v}, **_environ}
try:
    install_chosen(_environ)
except ValueError as error:
    sys.exit(f"Error: {error}")
