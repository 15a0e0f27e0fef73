"""Every Redis key this project writes, and how long it lives (SPEC 6). The docstring of a key's
function is its description in `docs/reference.md`; "*" as an argument makes a pattern."""

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
    """The id of the snapshot with this content: while it is the latest, the same content is a
    duplicate."""
    return f"dedup:snapshot:v1:{region}:{digest}"


def snapshot_at(region: str, generated_at: int | str) -> str:
    """The snapshot that was generated at this time (ms)."""
    return f"intelligence:snapshot:v1:{region}:{generated_at}"


def snapshot_by_id(snapshot_id: str) -> str:
    """The snapshot with this id, as JSON."""
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
    """The ids of the region's snapshots by their time (ms)."""
    return f"intelligence:snapshot-index:v1:{region}"


def confirmed(region: str) -> str:
    """When a run last wrote the region's latest snapshot or found its content unchanged (ms)."""
    return f"intelligence:snapshot-confirmed:v1:{region}"


def regime_history(region: str) -> str:
    """The region's last regime changes, newest first."""
    return f"intelligence:regime-history:v1:{region}"


def observations(region: str, metric: str) -> str:
    """What a trigger of the region observed, as `time:value` by time (ms): its trailing baseline
    (SPEC 7)."""
    return f"intelligence:observations:v1:{region}:{metric}"


def narrative(region: str, prompt_digest: str) -> str:
    """The narrative that a language model wrote for this prompt."""
    return f"intelligence:narrative-cache:v2:{region}:{prompt_digest}"


def brief(region: str) -> str:
    """The region's weekly brief."""
    return f"intelligence:regional-briefs:v1:weekly:{region}"


def alert_guard(event_type: str, guard_hash: str) -> str:
    """Marks an alert as queued, so that it is not queued again."""
    return f"wm:notif:scan-dedup:{event_type}:{guard_hash}"
