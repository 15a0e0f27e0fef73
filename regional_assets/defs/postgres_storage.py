"""The old place of `dagster_kit.postgres_storage`."""

from regional_assets.dagster_kit.postgres_storage import BatchingPostgresStorage
from regional_assets.defs import moved

moved.warn(BatchingPostgresStorage)
