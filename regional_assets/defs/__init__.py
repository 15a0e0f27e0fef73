"""What Dagster sees."""

import gc

import dagster  # noqa: F401

from regional_assets.runs.chosen_geography import install_chosen

# Before the partitions and all else that knows the regions.
install_chosen()

# Dagster's objects live as long as the process. Left unfrozen, they are searched for garbage many
# times while the definitions are made, which takes longer than making them.
gc.freeze()
