"""`regional-assets doctor`: whether settings, server and inputs are fit for the job, in one go."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from rich.table import Table

from regional_assets.cli.render import plain
from regional_assets.errors import NarrativeSettingsError, SettingsError
from regional_assets.intelligence.model import BUILT_IN, Model
from regional_assets.narrative.settings import providers
from regional_assets.redis_link.folders import write_problem
from regional_assets.redis_link.results import Result
from regional_assets.runs.files import address
from regional_assets.runs.files import write_problem as files_problem
from regional_assets.runs.models import chosen_model, described
from regional_assets.settings import DAGSTER_HOME, OLD_MODEL, SETTINGS, StoreSettings, state_dir
from regional_assets.store.diagnosis import Finding, diagnose, examined
from regional_assets.store.identity import MetStore
from regional_assets.store.state_folder import CONFIGURATION, daemons, has_storage, running_ui

_STYLE = {"ok": "green", "warning": "yellow", "problem": "red", "skipped": "dim"}


def examine(environ: Mapping[str, str], now: Callable[[], int]) -> Iterator[Finding]:
    """Every check's finding, one after the other; `now` is this machine's clock in ms."""
    settings, finding = _settings(environ)
    yield finding
    model, finding = _model(environ)
    yield finding
    reached = False
    for finding in diagnose(settings, model, now, partial(_on_record, environ)):
        reached |= finding.check == "reachability" and finding.verdict == "ok"
        yield finding
    if settings and reached:
        yield examined("health", partial(_health, settings, model, now, _home_of(environ)))
    else:
        needed = "a server that answers" if settings else "settings that are understood"
        yield Finding("health", "skipped", f"needs {needed}")
    yield examined("files", partial(_files, settings))
    yield from _dagster(environ)


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


def _model(environ: Mapping[str, str]) -> tuple[Model, Finding]:
    """The model, and what it is; the built-in one where the chosen one cannot be used, so that the
    server can be examined."""
    try:
        model = chosen_model(environ)
    except SettingsError as error:
        return BUILT_IN, Finding("model", "problem", str(error))
    if environ.get(OLD_MODEL):
        found = f"{described(model)}; {OLD_MODEL} is set, too, and has no effect"
        return model, Finding("model", "warning", found, f"unset {OLD_MODEL}")
    if model.warnings:
        advice = "give it countries, or take it out of the model"
        return model, Finding("model", "warning", "; ".join(model.warnings), advice)
    return model, Finding("model", "ok", described(model))


def _files(settings: StoreSettings | None) -> Result:
    """Whether files can be written where they are not in the state folder, which has its check."""
    if settings is None:
        return Result("skipped", "needs settings that are understood")
    if not settings.files:
        return Result("ok", f"go to {settings.state_dir}, of this machine alone")
    if problem := files_problem(settings):
        return Result("problem", problem)
    return Result("ok", address(settings))


def _health(settings: StoreSettings, model: Model, now: Callable[[], int], home: Path) -> Result:
    """What `health` says; and where anybody watches, whether ticks come, looked at here and now."""
    from regional_assets.runs.health import iso, judge
    from regional_assets.store.health import Problem, read_health
    from regional_assets.store.snapshot_store import SnapshotStore

    store = SnapshotStore.open(model, settings)
    try:
        seen = read_health(store)
    finally:
        store.client.close()
    if not seen.confirmed and not seen.records:
        return Result("ok", "no run has been here yet")
    found = judge(seen, model.region_ids, now())
    problems = list(found.problems)
    if seen.records and has_storage(home):
        from regional_assets.definitions import definitions
        from regional_assets.defs.instance import overdue_in

        made = definitions(model)
        names = {one.name for one in (*(made.schedules or ()), *(made.sensors or ()))}
        named = {problem.what for problem in problems}
        for late in overdue_in(home, names, now() / 1000):
            if late.what not in named:
                since = iso(late.since * 1000) if late.since else None
                problems.append(Problem(late.what, since, late.advice))
    if not problems:
        return Result("ok", f"{len(found.regions)} regions were confirmed within twelve hours")
    return Result(
        "problem",
        "; ".join(f"{p.what}{f' (since {p.since})' if p.since else ''}" for p in problems),
        problems[0].advice,
    )


def _on_record(environ: Mapping[str, str]) -> MetStore | None:
    home = _home_of(environ)
    if not home.is_dir():
        return None
    from regional_assets.defs.instance import store_on_record

    return store_on_record(home)


def _home_of(environ: Mapping[str, str]) -> Path:
    return Path(DAGSTER_HOME.read(environ) or state_dir(environ) / "dagster")


def _dagster(environ: Mapping[str, str]) -> Iterator[Finding]:
    checks = ("Dagster home", "Dagster storage", "Dagster daemon")
    try:
        home = _home_of(environ)
    except SettingsError:
        for name in checks:
            yield Finding(name, "skipped", "needs settings that are understood")
        return
    looks = (partial(_home, home, environ), partial(_storage, home), partial(_daemon, home))
    for name, look in zip(checks, looks, strict=True):
        yield examined(name, look)


def _home(home: Path, environ: Mapping[str, str]) -> Result:
    if not home.exists():
        return Result("ok", f"{home} will be created when it is needed")
    if problem := write_problem(home, DAGSTER_HOME.name):
        return Result("problem", problem)
    named = environ.get(DAGSTER_HOME.name)
    if named and not Path(named).expanduser().is_absolute():
        return Result(
            "warning",
            f"{DAGSTER_HOME.name} is relative, so that it depends on where a command starts",
            f"set it to {home}",
        )
    if not (home / "dagster.yaml").exists():
        return Result(
            "warning",
            f"{home} has no dagster.yaml: nothing notices runs whose process died",
            f"copy {CONFIGURATION} there",
        )
    return Result("ok", str(home))


def _storage(home: Path) -> Result:
    if not home.is_dir():
        return Result("ok", "there is none before the first run")
    # Dagster takes a second to import.
    from regional_assets.defs.instance import describe_storage

    return Result("ok", describe_storage(home))


def _daemon(home: Path) -> Result:
    running = running_ui(home)
    found = f"the UI runs at {running}" if running else "no UI of `regional-assets ui` runs"
    processes = daemons(home)
    shown = ", ".join(map(str, processes))
    if len(processes) > 1:
        return Result(
            "problem",
            f"{found}; {len(processes)} daemons run on {home}, in the processes {shown}: each "
            "starts every schedule",
            "end all but one",
        )
    return Result("ok", found + (f"; the daemon is process {shown}" if processes else ""))


def findings_table(findings: Iterable[Finding]) -> Table:
    """The findings side by side."""
    table = Table("check", "verdict", "found", "what to do")
    for finding in findings:
        style = _STYLE[finding.verdict]
        table.add_row(
            finding.check,
            f"[{style}]{finding.verdict}[/]",
            plain(finding.found),
            plain(finding.advice),
        )
    return table
