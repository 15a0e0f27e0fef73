"""Imports what runs and commands need: the fork server starts with this."""

import gc
import importlib
import pkgutil

import dagster as dg

import regional_assets.cli
import regional_assets.narrative
import regional_assets_tests.support.worker  # noqa: F401

# Commands import what they do only when they do it.
for package in (regional_assets.cli, regional_assets.narrative):
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
# Its storage imports what it needs only when it is opened.
with dg.DagsterInstance.local_temp():
    pass
# What is here at the fork is not garbage; a child that looked for some would copy all of it.
gc.collect()
gc.freeze()
