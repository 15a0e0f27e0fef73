"""Parts for any Dagster project: one run over many partitions (`reporting`); runs that start at
once (`preloaded_launcher`) or on Celery workers (`celery_launcher`); PostgreSQL in batches
(`postgres_storage`); runs whose process is gone (`liveness`); Dagster's private names (`private`).

What knows of regions, of Redis or of this project's settings does not belong here. The room imports
Dagster and its own packages, and could be a package by itself.
"""
