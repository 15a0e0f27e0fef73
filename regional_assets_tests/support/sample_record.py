"""What the built-in model gives on the sample world, as readable JSON: `make golden` writes it."""

import json

from regional_assets_tests.support.worlds import GOLDEN, sample_world, snapshots_of, stored_body

RECORD = GOLDEN / "sample.json"


def sample_record() -> str:
    """The record as it should be."""
    bodies = {id: stored_body(snapshot) for id, snapshot in snapshots_of(sample_world()).items()}
    return json.dumps(bodies, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    RECORD.write_text(sample_record(), encoding="utf-8")
