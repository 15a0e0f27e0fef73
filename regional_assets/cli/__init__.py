"""The `regional-assets` command: one module a command, and how results are shown."""
