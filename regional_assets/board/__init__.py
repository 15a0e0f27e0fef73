"""The board: what the snapshots say, as one page to look at. It knows neither Redis nor Dagster."""
