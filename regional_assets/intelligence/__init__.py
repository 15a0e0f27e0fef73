"""The domain: pure functions and plain types, one module per idea of the specification.

Nothing here imports Dagster or Redis, reads a clock or looks at the environment; everything a
computation needs is an argument.
"""
