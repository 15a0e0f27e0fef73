"""The built-in model, and what tests name of it."""

from regional_assets.intelligence.model import BUILT_IN

MODEL = BUILT_IN
REGIONS = MODEL.geography.regions
REGION_IDS = MODEL.region_ids
NARRATED_REGIONS = MODEL.narrated
INPUT_KEYS = tuple(spec.key for spec in MODEL.inputs)
COMPANION_KEYS = tuple(spec.companion for spec in MODEL.inputs if spec.companion)
VERSIONS = dict(MODEL.stored_versions)
