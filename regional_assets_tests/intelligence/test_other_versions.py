"""A predecessor of other versions is read as far as this code can, and is no news; a damaged one of
this version is an error (SPEC 5)."""

from collections.abc import Iterator
from typing import Any

import pytest

from regional_assets.errors import PreviousSnapshotError
from regional_assets.intelligence.diff import Previous, read_previous
from regional_assets.intelligence.snapshot import Snapshot, complete
from regional_assets.intelligence.stored import read_body
from regional_assets.store.wire import encode
from regional_assets_tests.support.versions import (
    COMPARED,
    NOT_COMPARED,
    OTHERS,
    THESE,
    of_versions,
    strange,
    very_strange,
    with_value,
    without,
)
from regional_assets_tests.support.worlds import (
    content_of,
    sample_world,
    snapshot_of,
    stored_body,
    world_of,
)

BODY = stored_body(snapshot_of(sample_world(), "mena", snapshot_id="before"))
STRANGE = dict(strange(BODY)) | dict(very_strange(BODY))


def read(body: Any, region: str = "mena") -> Previous:
    return read_previous(region, "before", encode(body), THESE)


def after(body: Any) -> Snapshot:
    return complete(content_of(world_of(), "mena"), read(body), "after")


def others() -> Iterator[Any]:
    for name, versions in OTHERS.items():
        for what, body in STRANGE.items():
            yield pytest.param(of_versions(body, **versions), id=f"{name}, {what}")


@pytest.mark.parametrize("body", list(others()))
def test_a_snapshot_of_other_versions_is_never_an_error_and_never_news(body: Any) -> None:
    snapshot = after(body)
    assert snapshot.previous_id == "before"
    assert snapshot.changes.trigger_reason == "rescored"
    assert snapshot.alerts == ()
    assert snapshot.history_entry is None
    assert read_body("mena", "after", encode(snapshot.body)) == snapshot.body


@pytest.mark.parametrize("meta", [None, [], "1.0.0", {"model_version": 3}, {}], ids=repr)
@pytest.mark.parametrize("what", [name for name in STRANGE if "nothing" not in name])
def test_a_snapshot_that_states_no_versions_is_of_others(what: str, meta: Any) -> None:
    assert after(with_value(STRANGE[what], ("meta",), meta)).changes.trigger_reason == "rescored"
    assert after(without(STRANGE[what], ("meta",))).changes.trigger_reason == "rescored"


def test_of_another_form_what_can_be_read_is_compared() -> None:
    former = of_versions(without(BODY, ("actors",)), scoring_version="1.1.0")
    former["balance"]["alliance_cohesion"] = "strong"
    found, whole = read(former), read(BODY)
    assert found.leverage == {}
    assert set(whole.axes) - set(found.axes) == {"alliance_cohesion"}
    assert found.axes.items() <= whole.axes.items()
    assert found.active_triggers == whole.active_triggers != ()
    assert found.probabilities == whole.probabilities
    assert found.label == whole.label
    # The regime before is told where it is one that this code knows.
    assert after(former).body.regime.previous_label == "coercive_stalemate"
    assert after(with_value(former, ("regime", "label"), "serene")).body.regime.previous_label == ""


@pytest.mark.parametrize("body", [pytest.param(body, id=what) for what, body in strange(BODY)])
def test_a_damaged_snapshot_of_this_version_is_an_error(body: Any) -> None:
    with pytest.raises(PreviousSnapshotError, match=r"^not a snapshot \(.+\)$"):
        read(body)


def test_what_is_not_compared_is_not_looked_at() -> None:
    assert len(NOT_COMPARED) + len([path for path in COMPARED if len(path) == 1]) == 11
    whole = read(BODY)
    for path in NOT_COMPARED:
        assert read(without(BODY, path)) == read(with_value(BODY, path, 7)) == whole


@pytest.mark.parametrize("versions", [*OTHERS.values(), {}], ids=[*OTHERS, "this"])
@pytest.mark.parametrize("what", ["whole", "without actors"])
def test_a_snapshot_of_another_region_is_an_error(what: str, versions: Any) -> None:
    body = of_versions(STRANGE.get(what, BODY), **versions)
    with pytest.raises(PreviousSnapshotError):
        read(body, region="europe")


def test_a_snapshot_of_this_version_without_a_region_is_an_error() -> None:
    with pytest.raises(PreviousSnapshotError, match="region_id"):
        read(without(BODY, ("region_id",)))
    with pytest.raises(PreviousSnapshotError, match="region_id"):
        read(with_value(BODY, ("region_id",), 7))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000, b'{"meta":' + b"[" * 100_000],
)
def test_what_is_no_json_object_is_of_no_version(body: bytes) -> None:
    with pytest.raises(PreviousSnapshotError, match="not a snapshot"):
        read_previous("mena", "before", body, THESE)
