"""The old place of `dagster_kit.preloaded_launcher`."""

from regional_assets.dagster_kit.preloaded_launcher import PreloadedRunLauncher
from regional_assets.defs import moved

moved.warn(PreloadedRunLauncher, "  config:\n    preload: [jinja2, msgspec, redis]\n")
