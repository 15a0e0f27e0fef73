"""One run, without Dagster."""
