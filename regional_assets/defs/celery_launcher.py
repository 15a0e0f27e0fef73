"""The old place of `dagster_kit.celery_launcher`."""

from regional_assets.dagster_kit.celery_launcher import WatchingCeleryRunLauncher
from regional_assets.defs import moved

moved.warn(WatchingCeleryRunLauncher)
