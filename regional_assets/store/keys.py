"""Every Redis key this project writes, and how long it lives (SPEC 6)."""

DAY = 86_400

SNAPSHOT_EXPIRY = 90 * DAY
DEDUP_EXPIRY = 900
SUMMARY_EXPIRY = DAY
ALERT_GUARD_EXPIRY = 21_600
REGIME_HISTORY_LENGTH = 100
OBSERVATION_EXPIRY = 30 * DAY
OBSERVATION_INTERVAL = 900
NARRATIVE_EXPIRY = DAY
BRIEF_EXPIRY = 15 * DAY

SNAPSHOT_BY_ID_PREFIX = "intelligence:snapshot-by-id:v1:"
ALERT_QUEUE = "wm:events:queue"
SUMMARY = "intelligence:regional-snapshots:summary:v1"
SUMMARY_SEED_META = "seed-meta:intelligence:regional-snapshots"
BRIEF_SUMMARY = "intelligence:regional-briefs:summary:v1"
BRIEF_SEED_META = "seed-meta:intelligence:regional-briefs"


def dedup(region: str, digest: str) -> str:
    """Names the snapshot that has this content."""
    return f"dedup:snapshot:v1:{region}:{digest}"


def snapshot_at(region: str, generated_at: int | str) -> str:
    """The snapshot generated at that time (ms); "*" as time, as elsewhere, makes a pattern."""
    return f"intelligence:snapshot:v1:{region}:{generated_at}"


def snapshot_by_id(snapshot_id: str) -> str:
    """The snapshot of that id."""
    return SNAPSHOT_BY_ID_PREFIX + snapshot_id


def is_snapshot_id(text: str) -> bool:
    """Whether `text` can be a snapshot's id; anything else is not worth quoting in a message."""
    return 0 < len(text) <= 100 and text.isascii() and text.isprintable()


def latest(region: str) -> str:
    """The id of the region's newest snapshot, bare."""
    return f"intelligence:snapshot:v1:{region}:latest"


def live(region: str) -> str:
    """A key of an older design, deleted by every commit."""
    return f"intelligence:snapshot:v1:{region}:live"


def index(region: str) -> str:
    """Sorted set of snapshot ids by generated_at (ms)."""
    return f"intelligence:snapshot-index:v1:{region}"


def regime_history(region: str) -> str:
    """List of regime changes, newest first."""
    return f"intelligence:regime-history:v1:{region}"


def observations(region: str, metric: str) -> str:
    """Sorted set of a metric's observations, `time:value`, by time (ms): what its trailing
    baseline is made of (SPEC 7)."""
    return f"intelligence:observations:v1:{region}:{metric}"


def narrative(region: str, prompt_digest: str) -> str:
    """The narrative that a model gave for that prompt."""
    return f"intelligence:narrative-cache:v2:{region}:{prompt_digest}"


def brief(region: str) -> str:
    """The region's weekly brief."""
    return f"intelligence:regional-briefs:v1:weekly:{region}"


def alert_guard(event_type: str, guard_hash: str) -> str:
    """Remembers that a message was queued."""
    return f"wm:notif:scan-dedup:{event_type}:{guard_hash}"
