"""Sensors: runs when something changed or failed."""

from regional_assets.defs.sensors.dead_runs import dead_run_sensor
from regional_assets.defs.sensors.inputs import input_sensor
from regional_assets.defs.sensors.recovery import recovery_sensor

SENSORS = [input_sensor, recovery_sensor, dead_run_sensor]
