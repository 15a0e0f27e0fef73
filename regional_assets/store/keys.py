"""Every Redis key this project writes, and how long it lives (SPEC 6)."""

import msgspec

from regional_assets.errors import SettingsError
from regional_assets.redis_link.url import names_cluster
from regional_assets.settings import KEY_PREFIX, StoreSettings

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

# The part in braces, the hash tag, decides alone in which slot a key lies.
_CLUSTER_PREFIX = "{regional}:"


def is_snapshot_id(text: str) -> bool:
    """Whether `text` can be a snapshot's id; anything else is not worth quoting in a message."""
    return 0 < len(text) <= 100 and text.isascii() and text.isprintable()


class Keys(msgspec.Struct, frozen=True):
    """The keys of one store: `prefix` comes before each, and `input_prefix` before the keys of the
    inputs, which other jobs write. In a cluster (`in_cluster`) the first lie in one slot, the
    others in any.

    The docstring of a key is its description in `docs/reference.md`; "*" as an argument makes a
    pattern.
    """

    prefix: str = ""
    input_prefix: str = ""
    in_cluster: bool = False

    @classmethod
    def of(cls, settings: StoreSettings) -> "Keys":
        """The keys of the store that `settings` name. Raises `SettingsError` for a prefix that
        would scatter them over the nodes of a cluster."""
        prefix = settings.key_prefix
        in_cluster = names_cluster(settings.redis_url or "")
        if in_cluster:
            prefix = prefix or _CLUSTER_PREFIX
            if "{" not in prefix:
                raise SettingsError(
                    f"{KEY_PREFIX.name}={prefix!r} has no hash tag, so that the keys of one commit "
                    f"would lie on several nodes of the cluster: put a part of it in braces, as in "
                    f"{{{prefix.rstrip(':')}}}:"
                )
        return cls(prefix, settings.input_prefix, in_cluster)

    def input(self, key: str) -> str:
        """The key of an input, or of its companion, that the catalogue names `key`."""
        return f"{self.input_prefix}{key}"

    def latest(self, region: str) -> str:
        """The id of the region's newest snapshot, bare."""
        return f"{self.prefix}intelligence:snapshot:v1:{region}:latest"

    def snapshot_by_id(self, snapshot_id: str) -> str:
        """The snapshot with this id, as JSON."""
        return f"{self.prefix}intelligence:snapshot-by-id:v1:{snapshot_id}"

    def snapshot_at(self, region: str, generated_at: int | str) -> str:
        """The snapshot that was generated at this time (ms)."""
        return f"{self.prefix}intelligence:snapshot:v1:{region}:{generated_at}"

    def latest_body(self, region: str) -> str:
        """A copy of the region's newest snapshot, under a key that a run knows before it has read
        which snapshot that is."""
        return f"{self.prefix}intelligence:snapshot-latest-body:v1:{region}"

    def index(self, region: str) -> str:
        """The ids of the region's snapshots by their time (ms)."""
        return f"{self.prefix}intelligence:snapshot-index:v1:{region}"

    def confirmed(self, region: str) -> str:
        """When a run last wrote the region's latest snapshot or found its content unchanged
        (ms)."""
        return f"{self.prefix}intelligence:snapshot-confirmed:v1:{region}"

    def dedup(self, region: str, digest: str) -> str:
        """The id of the snapshot with this content: while it is the latest, the same content is a
        duplicate."""
        return f"{self.prefix}dedup:snapshot:v1:{region}:{digest}"

    def regime_history(self, region: str) -> str:
        """The region's last regime changes, newest first."""
        return f"{self.prefix}intelligence:regime-history:v1:{region}"

    def observations(self, region: str, metric: str) -> str:
        """What a trigger of the region observed, as `time:value` by time (ms): its trailing
        baseline (SPEC 7)."""
        return f"{self.prefix}intelligence:observations:v1:{region}:{metric}"

    def narrative(self, region: str, prompt_digest: str) -> str:
        """The narrative that a language model wrote for this prompt."""
        return f"{self.prefix}intelligence:narrative-cache:v2:{region}:{prompt_digest}"

    @property
    def summary(self) -> str:
        """The summary of all regions."""
        return f"{self.prefix}intelligence:regional-snapshots:summary:v1"

    @property
    def summary_seed_meta(self) -> str:
        """For health checks: the oldest time at which a region was written or confirmed (0 while
        one is missing or unreadable), and how many were so within twelve hours."""
        return f"{self.prefix}seed-meta:intelligence:regional-snapshots"

    def brief(self, region: str) -> str:
        """The region's weekly brief."""
        return f"{self.prefix}intelligence:regional-briefs:v1:weekly:{region}"

    @property
    def brief_summary(self) -> str:
        """The summary of the week's briefs."""
        return f"{self.prefix}intelligence:regional-briefs:summary:v1"

    @property
    def brief_seed_meta(self) -> str:
        """When the summary of the briefs was written and how many regions have one, for health
        checks; none counts when too many are lacking."""
        return f"{self.prefix}seed-meta:intelligence:regional-briefs"

    @property
    def alert_queue(self) -> str:
        """Alerts for the notification relay, which takes them from the right end. Other jobs queue
        here, too."""
        return f"{self.prefix}wm:events:queue"

    def alert_guard(self, event_type: str, guard_hash: str) -> str:
        """Marks an alert as queued, so that it is not queued again."""
        return f"{self.prefix}wm:notif:scan-dedup:{event_type}:{guard_hash}"

    @property
    def identity(self) -> str:
        """The random id of this store, by which runs know it again."""
        return f"{self.prefix}intelligence:regional-store:v1:identity"

    def own(self, name: str) -> str:
        """Further keys of this project's own, which no reader of the platform knows."""
        return f"{self.prefix}intelligence:regional-own:v1:{name}"

    @property
    def last_seen(self) -> str:
        """When each input was last seen usable (ms), with the digest of its last words."""
        return self.own("last-seen")

    def last_words(self, key: str) -> str:
        """The last usable value of the input with this key, and what its companion held then."""
        return self.own(f"last-words:{key}")

    @property
    def last_runs(self) -> str:
        """What became of each region at its last attempt."""
        return self.own("last-runs")

    @property
    def commits(self) -> str:
        """How many snapshots were committed, by which a store that went back in time is known."""
        return self.own("commits")

    @property
    def health(self) -> str:
        """What those who watch the processes last saw."""
        return self.own("health")

    def live(self, region: str) -> str:
        """A key of an older design, deleted by every commit."""
        return f"{self.prefix}intelligence:snapshot:v1:{region}:live"
