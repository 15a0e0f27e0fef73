"""Writes `docs/reference.md` from the code: settings, Redis keys, metadata, commands, automation.

`make docs` runs this; a test compares the page with the code, and the code with a real run.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import get_args

import click
import dagster as dg

from regional_assets.cli.main import main
from regional_assets.definitions import definitions
from regional_assets.defs.checks import CHECKS
from regional_assets.defs.input_checks import input_checks
from regional_assets.intelligence.model import BUILT_IN
from regional_assets.intelligence.stored import TriggerReason
from regional_assets.settings import SETTINGS
from regional_assets.store import access
from regional_assets.store.keys import (
    ALERT_GUARD_EXPIRY,
    BRIEF_EXPIRY,
    DAY,
    DEDUP_EXPIRY,
    NARRATIVE_EXPIRY,
    OBSERVATION_EXPIRY,
    SNAPSHOT_EXPIRY,
    SUMMARY_EXPIRY,
    Keys,
)
from regional_assets.store.last_words import EXPIRY as LAST_WORDS_EXPIRY

# Also what is there only with a language model.
DEFS = definitions(BUILT_IN, narrated=True)
PAGE = Path(__file__).parent.parent / "docs" / "reference.md"

_HEAD = """\
# Reference

Generated from the code by `make docs`; edit the code, not this page. For the meaning of the terms
see the [glossary](glossary.md).
"""
_SETTINGS = """\
## Settings

All settings are environment variables, read from `.env` in the current folder, too. A variable
that is unset or empty has its default. `regional-assets doctor` checks all of them.
"""
_KEYS = """\
## Redis keys

Every key that the project writes; `REGIONAL_KEY_PREFIX` comes before each. Its input feeds are
written by other jobs; `regional-assets inputs status` lists their keys.
"""
_METADATA = """\
## Metadata of a `regional_snapshot` materialisation

One materialisation per region and run. Fields about the content describe what was computed in this
run; a duplicate says the same as the stored snapshot. The materialisation's data version is the
digest of the content.

In a run over more than 100 regions each materialisation has only `outcome`, `snapshot_id`,
`duplicate_of`, the regimes, `trigger_reason`, `rescored`, `net_balance`, `confidence`,
`active_triggers`, `alerts_queued`, `milliseconds` and `narrative_problem`. The fields about inputs
and `narratives_of_run` are then in one observation of `regional_snapshot`.
"""
_COMMANDS = """\
## Commands

Exit codes: 0 done, 1 something failed or disagrees, 2 wrong usage.
"""
_AUTOMATION = """\
## Jobs, schedules, sensors and checks

All times are in UTC. Schedules and sensors run in the daemon that `regional-assets ui` starts;
each can be switched on and off in the UI.
"""

# Key, seconds until it expires (None: it stays).
KEYS: tuple[tuple[str, int | None], ...] = (
    ("latest", SNAPSHOT_EXPIRY),
    ("snapshot_by_id", SNAPSHOT_EXPIRY),
    ("snapshot_at", SNAPSHOT_EXPIRY),
    ("latest_body", SNAPSHOT_EXPIRY),
    ("index", None),
    ("confirmed", SNAPSHOT_EXPIRY),
    ("dedup", DEDUP_EXPIRY),
    ("regime_history", None),
    ("observations", OBSERVATION_EXPIRY),
    ("narrative", NARRATIVE_EXPIRY),
    ("summary", SUMMARY_EXPIRY),
    ("summary_seed_meta", SUMMARY_EXPIRY),
    ("brief", BRIEF_EXPIRY),
    ("brief_summary", BRIEF_EXPIRY),
    ("brief_seed_meta", BRIEF_EXPIRY),
    ("alert_queue", None),
    ("alert_guard", ALERT_GUARD_EXPIRY),
    ("identity", None),
    ("last_words", LAST_WORDS_EXPIRY),
    ("last_seen", LAST_WORDS_EXPIRY),
    ("last_runs", None),
    ("commits", None),
    ("health", None),
)

# Field → meaning; the fields of each group are there under its condition.
METADATA: dict[str, dict[str, str]] = {
    "Always": {
        "outcome": "`written` or `duplicate`; `written (late)` when a newer snapshot was stored "
        "meanwhile and stays the latest; `written (repaired)` when readers could not read the "
        "snapshot before.",
        "snapshot_id": "The stored snapshot that stands for this run.",
        "regime": "The regime label.",
        "previous_regime": "The label of the snapshot before, `none` for a region's first.",
        "trigger_reason": "The most important kind of change against the snapshot before: "
        f"{', '.join(f'`{reason}`' for reason in get_args(TriggerReason))} (the last: none; the "
        "first: that snapshot has other versions).",
        "net_balance": "Buffers less pressures, from -1 to 1.",
        "coercive_pressure": "Pressure: military and political coercion, from 0 to 1.",
        "domestic_fragility": "Pressure: instability of the region's countries, from 0 to 1.",
        "capital_stress": "Pressure: financial stress, from 0 to 1.",
        "energy_vulnerability": "Pressure: dependence on energy from elsewhere, from 0 to 1.",
        "alliance_cohesion": "Buffer: cohesion of the alliances, from 0 to 1.",
        "maritime_access": "Buffer: how open the sea passages are, from 0 to 1.",
        "energy_leverage": "Buffer: energy that the region can offer or withhold, from 0 to 1.",
        "confidence": "How many of the inputs were present and fresh, from 0 to 1.",
        "active_triggers": "The ids of the region's active triggers.",
        "alerts_queued": "How many alerts were queued; `unknown` when the connection was lost "
        "after the commit and an earlier attempt turned out to have written it.",
        "axes_without_data": "Axes whose inputs were all missing.",
        "defaulted_terms": "Terms of axes for which a default stood in.",
        "bytes": "Size of the snapshot's JSON.",
        "milliseconds": "Time for computing the region, plus its share of the commit.",
        "scoring": "Version of the scoring.",
        "geography": "Version of the geography: regions, corridors and place names.",
        "missing_inputs": "Inputs that were missing in this run.",
        "stale_inputs": "Inputs that were older than their catalogue entry allows.",
        "input_problems": "Input key → why its value cannot be read.",
        "skipped_records": "Input → how many of its records could not be used.",
        "incomplete_records": "Input → how many of its records lacked a value.",
        "unplaced_records": "Input → how many of its records lie in no region.",
        "unplaced_labels": "Input → up to five of the places that are not known.",
    },
    "After a snapshot of other versions": {
        "rescored": "The versions that differ, each with its old and new value. The changes may "
        "come from them alone, so they are no news: no alert, no history entry.",
    },
    "When inputs are gone": {
        "held": "Input key → when it was last seen: its last words stand for it.",
        "silent": "Input key → when it was last seen, longer ago than it is held.",
        "not_known": "Axis → since when an input has been silent that it rests on, and its last "
        "value.",
        "last_words_problem": "Why last words cannot be read or kept.",
    },
    "With a model of your own": {
        "left_out": "Trigger or template that does not apply → what the model lacks for it.",
        "model_warnings": "What the model allows and probably does not mean.",
    },
    "For a duplicate": {
        "duplicate_of": "The stored snapshot with the same content.",
    },
    "With language models configured": {
        "narrative_provider": "Who wrote the narrative: a provider's name, `cache`, or empty.",
        "narrative_model": "The model that wrote it, as its provider names it.",
        "narrative_tokens": "Tokens sent (`in`) and received (`out`), over all attempts.",
        "narrative_tries": "Requests to language models, failed ones included.",
        "narrative_cache_hit": "Whether the narrative came from the cache.",
        "narrative_milliseconds": "Time that the models took.",
        "narrative_cut": "What was left out of the prompt and of the answer.",
        "narratives_of_run": "Tokens, requests and time of all narratives of the run.",
    },
    "When a narrative failed": {
        "narrative_problem": "Why, for each provider that was tried.",
    },
}


def page() -> str:
    """The page as it should be."""
    parts = (
        _HEAD,
        _SETTINGS,
        _table(("Variable", "Default", "Value", "Meaning"), _settings()),
        _KEYS,
        _table(("Key", "Type", "Expires after", "Content"), _keys()),
        f"Each commit deletes `{Keys().live('<region>')}`, a key of an older design. Further "
        f"keys of this project's own lie under `{Keys().own('*')}`.\n",
        _METADATA,
        *_metadata(),
        _COMMANDS,
        *_commands(click.Context(main, info_name="regional-assets")),
        _AUTOMATION,
        *_automation(),
    )
    return "\n".join(parts)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    return "".join(map(_row, (head, ["---"] * len(head), *rows)))


def _row(cells: Iterable[str]) -> str:
    # White space as in the source of a docstring; a bar would end the cell.
    shown = (" ".join(cell.split()).replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(shown)} |\n"


def _settings() -> Iterator[tuple[str, str, str, str]]:
    for setting in SETTINGS:
        default = setting.default_words or f"{setting.default:g}"
        yield f"`{setting.name}`", default, setting.kind.bounds, setting.meaning


def key_rows() -> Iterator[tuple[str, str, int | None, str]]:
    """Pattern of each key ("*" for what varies), its type, seconds until it expires, content."""
    types = {
        **{key: stored.kind for key, stored in access.stored_keys(Keys(), "*", "*").items()},
        **dict.fromkeys(access.write_only_keys(Keys()), "string"),
        Keys().last_words("*"): "string",
        Keys().last_seen: "hash",
        Keys().last_runs: "hash",
        Keys().commits: "string",
        Keys().health: "hash",
    }
    for name, expiry in KEYS:
        pattern = _filled(name, lambda _: "*")
        yield pattern, types.pop(pattern), expiry, _filled(name, "<{}>".format)
    if types:
        raise ValueError(f"KEYS does not describe {', '.join(types)}")


def _filled(name: str, value: Callable[[str], str]) -> str:
    key = getattr(Keys(), name)
    if isinstance(key, str):
        return key
    return str(key(*(value(name) for name in inspect.signature(key).parameters)))


def _keys() -> Iterator[tuple[str, str, str, str]]:
    for (_, kind, expiry, shown), (name, _) in zip(key_rows(), KEYS, strict=True):
        content = inspect.getdoc(getattr(Keys, name)) or ""
        yield f"`{shown}`", kind, _duration(expiry), content


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return "never"
    for unit, size in (("days", DAY), ("hours", 3_600), ("minutes", 60)):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {unit if count > 1 else unit.removesuffix('s')}"
    return f"{seconds} seconds"


def _metadata() -> Iterator[str]:
    for condition, fields in METADATA.items():
        yield f"{condition}:\n"
        yield _table(("Field", "Meaning"), ((f"`{name}`", text) for name, text in fields.items()))


def _commands(context: click.Context) -> Iterator[str]:
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands(click.Context(found, info_name=name, parent=context))
        return
    usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
    yield f"### `{usage}`\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    options = [
        record
        for parameter in command.params
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context))
    ]
    if options:
        yield "".join(f"* `{names}`: {text}\n" for names, text in options)


def _automation() -> Iterator[str]:
    jobs = [(f"`{job.name}`", job.description or "") for job in DEFS.jobs or ()]
    yield _table(("Job", "Runs"), jobs)
    yield _table(
        ("Schedule", "Cron (UTC)", "Job", "By default", "Description"),
        (
            (
                f"`{s.name}`",
                f"`{s.cron_schedule}`",
                f"`{s.job_name}`",
                _on(s.default_status == dg.DefaultScheduleStatus.RUNNING),
                s.description or "",
            )
            for s in DEFS.schedules or ()
            if isinstance(s, dg.ScheduleDefinition)
        ),
    )
    yield _table(
        ("Sensor", "Looks every", "Job", "By default", "Description"),
        (
            (
                f"`{s.name}`",
                f"{s.minimum_interval_seconds} s",
                ", ".join(f"`{t.job_name}`" for t in s.targets) or "none",
                _on(s.default_status == dg.DefaultSensorStatus.RUNNING),
                s.description or "",
            )
            for s in DEFS.sensors or ()
        ),
    )
    yield _table(
        ("Check of `regional_snapshot`", "Severity", "Description"),
        ((f"`{check.name}`", check.severity.value, check.description) for check in CHECKS),
    )
    [spec, *_] = input_checks(BUILT_IN).check_specs
    yield _table(
        ("Check of an input", "Severity", "Description"),
        [(f"`{spec.name}`", dg.AssetCheckSeverity.WARN.value, spec.description or "")],
    )


def _on(running: bool) -> str:
    return "on" if running else "off"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
