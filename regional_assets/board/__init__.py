"""The board: what the snapshots say, as one page to look at. It knows no Dagster."""
