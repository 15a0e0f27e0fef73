"""The geometry of the page's figures."""

import pytest

from regional_assets.board.figures import WIDTH, line_of
from regional_assets.intelligence.scoring import RegimeLabel
from regional_assets.intelligence.stored import Outline, read_outline
from regional_assets.intelligence.timing import DAY_MS
from regional_assets.store.wire import encode


def day(number: int, regime: RegimeLabel) -> Outline:
    return read_outline(
        "mena",
        f"s{number}",
        encode(
            {
                "region_id": "mena",
                "generated_at": number * DAY_MS,
                "meta": {"snapshot_id": f"s{number}"},
                "regime": {"label": regime},
                "balance": {"net_balance": 0.1 * number},
            }
        ),
    )


@pytest.mark.parametrize(
    ("regimes", "widths"),
    [
        (["calm"], [1.0]),
        (["calm"] * 5, [1.0]),
        # What began on the last day is the region's regime now.
        (["calm"] * 4 + ["coercive_stalemate"], [0.875, 0.125]),
        (["calm", *["coercive_stalemate"] * 3, "calm"], [0.125, 0.75, 0.125]),
    ],
)
def test_the_regimes_fill_the_width_and_each_is_seen(
    regimes: list[RegimeLabel], widths: list[float]
) -> None:
    line = line_of([day(number, regime) for number, regime in enumerate(regimes)])
    assert line
    assert [span.width for span in line.regimes] == pytest.approx([w * WIDTH for w in widths])
    ends = [0, *(span.x + span.width for span in line.regimes)]
    assert ends[:-1] == pytest.approx([span.x for span in line.regimes])
    assert ends[-1] == pytest.approx(WIDTH)
