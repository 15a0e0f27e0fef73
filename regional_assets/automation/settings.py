"""How patient the sensors are; times in seconds, read where the sensors run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from regional_assets.store.settings import whole_number


@dataclass(frozen=True)
class SensorSettings:
    """`settle`: how long a change has to last; `min_interval`: between two runs that the input
    sensor requests; `recovery_pause`: before a failed partition is first tried again, doubled
    each time; `recovery_attempts`: how often."""

    settle: int = 60
    min_interval: int = 300
    recovery_pause: int = 60
    recovery_attempts: int = 5

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "SensorSettings":
        """The settings of this process; raises `SettingsError`."""
        return cls(
            settle=whole_number(environ, "REGIONAL_SETTLE", cls.settle, least=0),
            min_interval=whole_number(
                environ, "REGIONAL_MIN_RUN_INTERVAL", cls.min_interval, least=0
            ),
            recovery_pause=whole_number(
                environ, "REGIONAL_RECOVERY_PAUSE", cls.recovery_pause, least=1
            ),
            recovery_attempts=whole_number(
                environ, "REGIONAL_RECOVERY_ATTEMPTS", cls.recovery_attempts, least=0
            ),
        )
