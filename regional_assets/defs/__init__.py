"""What Dagster sees."""

import gc

import dagster  # noqa: F401

# Dagster's objects live as long as the process. Left unfrozen, they are searched for garbage many
# times while the definitions are made, which takes longer than making them.
gc.freeze()
