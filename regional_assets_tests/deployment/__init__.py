"""Shapes of docs/deployment.md, each started from the files in deploy/ with real servers."""
