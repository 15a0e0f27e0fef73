"""Help and the small commands load only what they use: imports are most of their time."""

import pytest

from regional_assets_tests.support.commands import Command

# For runs, tables of pandas, narratives and the board's page.
RUNS = {"dagster", "pandas", "httpx2", "jinja2", "regional_assets.intelligence.snapshot"}
WORLD = {"ahocorasick_rs", "regional_assets.intelligence.world"}
CLIENT = {"redis", "asyncio", "ssl", "regional_assets.redis_link.client"}
SHOWN = {"rich", "regional_assets.intelligence.stored"}
VERIFIED = {"regional_assets.store.verification"}


@pytest.mark.parametrize(
    ("arguments", "unused", "used"),
    [
        ("--help", RUNS | WORLD | CLIENT | SHOWN, {"click"}),
        ("--version", RUNS | WORLD | CLIENT | SHOWN, {"click"}),
        ("status --help", RUNS | WORLD | CLIENT | SHOWN, {"click"}),
        ("acl", RUNS | WORLD | CLIENT | SHOWN, {"regional_assets.store.access"}),
        ("server status", RUNS | WORLD | SHOWN, {"redis"}),
        ("health", RUNS | WORLD | VERIFIED | {"rich"}, {"redis"}),
        ("status", RUNS | WORLD | VERIFIED, {"redis", "rich"}),
        ("show mena", RUNS | WORLD | VERIFIED, {"redis"}),
        ("history mena", RUNS | WORLD | VERIFIED, {"redis"}),
        ("brief show mena", RUNS | WORLD | VERIFIED, {"redis"}),
        ("alerts", RUNS | WORLD | VERIFIED, {"redis"}),
        ("verify", RUNS | WORLD, VERIFIED | {"redis"}),
        ("inputs status", RUNS, WORLD | {"redis", "rich"}),
    ],
)
def test_command_loads_only_what_it_uses(
    anew: Command,
    arguments: str,
    unused: set[str],
    used: set[str],
) -> None:
    stderr = anew(*arguments.split(), PYTHONPROFILEIMPORTTIME="1").stderr
    imported = {
        line.rpartition("|")[2].strip()
        for line in stderr.splitlines()
        if line.startswith("import time:")
    }
    assert used <= imported
    assert not unused & imported
