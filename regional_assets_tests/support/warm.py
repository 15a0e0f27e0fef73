"""Imports what a run needs: the fork server starts with this."""

import gc

import dagster as dg

import regional_assets_tests.support.worker  # noqa: F401

# Its storage imports what it needs only when it is opened.
with dg.DagsterInstance.local_temp():
    pass
# What is here at the fork is not garbage; a child that looked for some would copy all of it.
gc.collect()
gc.freeze()
