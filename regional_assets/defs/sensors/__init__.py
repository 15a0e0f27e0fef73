"""Sensors: what is done when something changed, failed or is about to be gone."""

from regional_assets.defs.sensors.dead_runs import dead_run_sensor
from regional_assets.defs.sensors.health import health_sensor
from regional_assets.defs.sensors.inputs import input_sensor
from regional_assets.defs.sensors.last_words import last_words_sensor
from regional_assets.defs.sensors.recovery import recovery_sensor

SENSORS = [input_sensor, recovery_sensor, dead_run_sensor, last_words_sensor, health_sensor]
