"""`regional-assets doctor`: whether settings, server and inputs are fit for the job, in one go."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from rich.markup import escape
from rich.table import Table

from regional_assets.narrative.settings import NarrativeSettingsError, providers
from regional_assets.settings import SETTINGS, SettingsError, StoreSettings
from regional_assets.store.diagnosis import Finding, diagnose

_STYLE = {"ok": "green", "warning": "yellow", "problem": "red", "skipped": "dim"}


def examine(environ: Mapping[str, str], now: Callable[[], int]) -> Iterator[Finding]:
    """Every check's finding, one after the other; `now` is this machine's clock in ms."""
    settings, finding = _settings(environ)
    yield finding
    yield from diagnose(settings, now)


def _settings(environ: Mapping[str, str]) -> tuple[StoreSettings | None, Finding]:
    wrong: list[str] = []
    for read in (*(setting.read for setting in SETTINGS), providers):
        try:
            read(environ)
        except (SettingsError, NarrativeSettingsError) as error:
            wrong.append(str(error))
    # The server can be examined even when a setting of something else is wrong.
    settings = None
    with suppress(SettingsError):
        settings = StoreSettings.from_environment(environ)
    if wrong:
        return settings, Finding("settings", "problem", "; ".join(wrong))
    names = sorted(n for n in environ if n == "REDIS_URL" or n.startswith("REGIONAL_"))
    return settings, Finding("settings", "ok", ", ".join(names) or "all defaults")


def findings_table(findings: Iterable[Finding]) -> Table:
    """The findings side by side."""
    table = Table("check", "verdict", "found", "what to do")
    for finding in findings:
        style = _STYLE[finding.verdict]
        table.add_row(
            finding.check,
            f"[{style}]{finding.verdict}[/]",
            escape(finding.found),
            escape(finding.advice),
        )
    return table
