"""The model as a value: two side by side, its versions, its file (SPEC 1, 5.1)."""

import math
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from regional_assets.intelligence.catalogue import InputSpec
from regional_assets.intelligence.gazetteer import Tables
from regional_assets.intelligence.geography import CORRIDORS, REGIONS, Criticality, Region
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.model import BUILT_IN, Model, StatedVersions
from regional_assets.intelligence.model_checks import ModelError, checked
from regional_assets.intelligence.model_file import read_model, write_model
from regional_assets.intelligence.scoring import (
    CoercivePressure,
    EnergyLeverage,
    Evidence,
    Mobility,
    Scenarios,
    Scoring,
    Term,
)
from regional_assets.intelligence.snapshot import assess, complete, region_content
from regional_assets.intelligence.world import World, build_world
from regional_assets.store.wire import encode
from regional_assets_tests.support.worlds import NOW, sample_values

# Regions, words, places, inputs, weights, thresholds, triggers: something of each part is other.
OTHER = read_model(
    """
    [versions]
    scoring = "other"

    [[regions]]
    id = "gulf"
    label = "Gulf"
    theaters = ["persian-gulf", "red-sea"]
    key_countries = ["IR", "SA"]
    countries = ["IR", "IQ", "SA", "QA", "AE", "KW", "OM", "BH", "YE"]
    aliases = ["middle east"]
    places = ["Persian Gulf", "Red Sea"]
    boxes = [[1, 12, 32, 43, 63]]

    [criticality]
    low_weight = 0.1

    [scoring.coercive_pressure.severity]
    weight = 0.45

    [scoring.mentions]
    alliances = []
    alliance = ["talks"]

    [inputs]
    names = ["risk_scores", "forecasts", "chokepoints", "cross_source_signals"]

    [inputs.chokepoints]
    max_age_minutes = 1

    [[triggers]]
    id = "iran_high"
    region = "gulf"
    lane = "escalation"
    metric = "cii:IR:combined_score"
    operator = "gt"
    value = 50
    window_minutes = 60
    baseline = "fixed"
    description = "Iran's instability index is above 50"
    """
)


def world_of(model: Model) -> World:
    return build_world(model, {k: StoredValue(v) for k, v in sample_values().items()}, NOW)


def bodies_of(world: World) -> Mapping[str, bytes]:
    assessment = assess(world)
    return {
        id: encode(complete(region_content(assessment, id), None, f"s-{id}").body)
        for id in world.model.region_ids
    }


def test_two_models_interleaved_give_what_each_gives_alone() -> None:
    models = {"built-in": BUILT_IN, "other": OTHER}
    alone = {}
    for name, model in models.items():
        # Equal, and nothing derived of it is known yet.
        fresh = read_model(write_model(model, tables=True))
        assert fresh == model
        alone[name] = bodies_of(world_of(fresh))
    worlds = {name: world_of(model) for name, model in models.items()}
    assessed = {name: assess(world) for name, world in worlds.items()}
    together: dict[str, dict[str, bytes]] = {name: {} for name in models}
    ids = {name: list(model.region_ids) for name, model in models.items()}
    while any(ids.values()):
        for name, waiting in ids.items():
            if waiting:
                id = waiting.pop(0)
                content = region_content(assessed[name], id)
                together[name][id] = encode(complete(content, None, f"s-{id}").body)
    assert together == alone
    assert set(alone["other"]) == {"gulf"}
    assert b"iran_high" in alone["other"]["gulf"]
    assert b'"scoring_version":"other"' in alone["other"]["gulf"]


def test_what_was_imported_before_does_not_matter() -> None:
    """In a process of its own, the domain first, then a model without the regions it was made
    for."""
    code = """
import pkgutil, importlib
import regional_assets.intelligence as domain
for found in pkgutil.iter_modules(domain.__path__):
    importlib.import_module(f"regional_assets.intelligence.{found.name}")
from regional_assets.intelligence.geography import Region
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.snapshot import assess, region_content
from regional_assets.intelligence.world import build_world
model = Model(regions=(Region("north", "North"),))
print(region_content(assess(build_world(model, {}, 0)), "north").said.regime.label)
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (printed.stdout, printed.stderr) == ("calm\n", "")


def test_a_part_that_a_file_leaves_out_is_the_built_in_one() -> None:
    assert read_model("") == BUILT_IN
    found = read_model("[scoring.mobility]\nfull_flights = 80")
    assert found.scoring.mobility.full_flights == 80
    assert replace(found, scoring=BUILT_IN.scoring) == BUILT_IN
    # Other numbers of the same table stay.
    assert found.scoring.mobility.disrupted_rank == BUILT_IN.scoring.mobility.disrupted_rank


@pytest.mark.parametrize(
    "text",
    [
        '[[regions]]\nextends = "built-in"\nid = "ninth"\nlabel = "Ninth"',
        '[[regions]]\nextends = "built-in"\n[[regions]]\nid = "ninth"\nlabel = "Ninth"',
        '[[regions]]\nid = "ninth"\nlabel = "Ninth"\n[[regions]]\nextends = "built-in"',
    ],
)
def test_a_ninth_region_beside_the_eight(text: str) -> None:
    found = read_model(text)
    assert found.regions[:8] == REGIONS
    assert found.regions[8:] == (Region("ninth", "Ninth"),)
    assert found.left_out == {}


def test_a_row_of_the_built_in_ones_changed() -> None:
    found = read_model('[[triggers]]\nextends = "built-in"\nid = "oref_cluster"\nvalue = 20')
    assert [t.id for t in found.triggers] == [t.id for t in BUILT_IN.triggers]
    [changed] = [t for t in found.triggers if t not in BUILT_IN.triggers]
    assert changed == replace(BUILT_IN.triggers[4], value=20)


def test_inputs_left_out_and_followed_under_another_key() -> None:
    found = read_model(
        '[inputs]\nnames = ["forecasts", "chokepoints"]\n[inputs.forecasts]\nkey = "forecast:v3"'
    )
    assert found.input_keys == ("forecast:v3", "supply_chain:chokepoints:v4")
    world = build_world(found, {}, NOW)
    assert not world.present("forecasts")
    assert not world.present("risk_scores")
    assert world.confidence.missing_inputs == found.input_keys


def other(spec: InputSpec) -> tuple[InputSpec, ...]:
    return (replace(spec, max_age_minutes=1), *BUILT_IN.inputs[1:])


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"scoring": Scoring(coercive_pressure=CoercivePressure(divisor=0.8))}, "scoring"),
        ({"scoring": Scoring(energy_leverage=EnergyLeverage(producers=("SA",)))}, "scoring"),
        ({"inputs": other(BUILT_IN.inputs[0])}, "scoring"),
        ({"triggers": BUILT_IN.triggers[1:]}, "scoring"),
        ({"templates": BUILT_IN.templates[1:]}, "scoring"),
        ({"regions": REGIONS[1:]}, "geography"),
        ({"corridors": CORRIDORS[1:]}, "geography"),
        ({"criticality": Criticality(high=("IR",))}, "geography"),
        ({"tables": Tables(icao_prefixes={"ES": "SE"})}, "geography"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_changes_a_number_changes_the_version_of_its_part(
    changes: dict[str, Any], part: str
) -> None:
    found, built_in = replace(BUILT_IN, **changes).stored_versions, BUILT_IN.stored_versions
    name = f"{part}_version"
    assert found[name].startswith("custom-")
    assert {**found, name: built_in[name]} == built_in
    # The same again, from a file.
    text = write_model(replace(BUILT_IN, **changes), tables=True)
    assert read_model(text).stored_versions == found


def test_a_model_may_state_its_versions() -> None:
    stated = StatedVersions("1.2.0", "mine")
    versions = Model(versions=stated, regions=REGIONS[1:]).stored_versions
    assert (versions["scoring_version"], versions["geography_version"]) == ("1.2.0", "mine")


def test_what_a_later_version_adds_and_a_model_does_not_use_leaves_its_digest_alone() -> None:
    digest = BUILT_IN.scoring_digest
    for vessels in (Term(0.0, 3.0), Term(0.0, 0.0, ("ships",))):
        coercive = replace(BUILT_IN.scoring.coercive_pressure, vessels=vessels)
        scoring = replace(BUILT_IN.scoring, coercive_pressure=coercive)
        assert replace(BUILT_IN, scoring=scoring).scoring_digest == digest
    used = replace(BUILT_IN.scoring.coercive_pressure, vessels=Term(0.1, 0.0, ("ships",)))
    scoring = replace(BUILT_IN.scoring, coercive_pressure=used)
    assert replace(BUILT_IN, scoring=scoring).scoring_digest != digest


def test_a_table_of_another_version_is_refused_by_digest_and_read_in_full() -> None:
    with_own = replace(BUILT_IN, tables=Tables(us_states={"al": "US-AL"}))
    assert read_model(write_model(with_own)) == with_own
    shown = write_model(BUILT_IN)
    [line] = [line for line in shown.splitlines() if line.startswith("us_states")]
    with pytest.raises(ModelError, match=r"this version has no table sha256-0000.*in full"):
        read_model(shown.replace(line, 'us_states = "sha256-0000"'))


def test_the_built_in_model_holds_what_is_asked_of_any() -> None:
    assert checked(BUILT_IN) == BUILT_IN
    assert BUILT_IN.left_out == {}
    assert BUILT_IN.warnings == ()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Model(inputs=()), "inputs: there is no input"),
        (Model(inputs=BUILT_IN.inputs[:1] * 2), "inputs.risk_scores: 'risk_scores' is there twice"),
        (Model(corridors=CORRIDORS[:1] * 2), "corridors.hormuz: 'hormuz' is there twice"),
        (
            Model(corridors=(CORRIDORS[0], replace(CORRIDORS[1], chokepoint="hormuz"))),
            "corridors.hormuz.chokepoint: 'hormuz' is there twice",
        ),
        (
            Model(scoring=Scoring(mobility=Mobility(full_flights=0.0))),
            "Expected `float` > 0.0 - at `$.scoring.mobility.full_flights`",
        ),
        (
            Model(scoring=Scoring(mobility=Mobility(full_flights=math.nan))),
            "Expected `float` > 0.0 - at `$.scoring.mobility.full_flights`",
        ),
        (
            Model(scoring=Scoring(evidence=Evidence(score_from=math.inf))),
            "scoring.evidence.score_from: the number is not finite",
        ),
        (Model(criticality=Criticality(high_weight=0.0)), "high_weight"),
        (Model(scoring=Scoring(scenarios=Scenarios(breaking=1e308))), "breaking"),
        (Model(triggers=(replace(BUILT_IN.triggers[0], id=""),)), "triggers[0].id"),
        (Model(triggers=(replace(BUILT_IN.triggers[0], window_minutes=-5),)), "window_minutes"),
        (
            Model(
                triggers=(
                    replace(
                        BUILT_IN.triggers[6],
                        metric="theater:eastern-europe:russia_vessel_count",
                    ),
                )
            ),
            "unknown metric 'theater:eastern-europe:russia_vessel_count'",
        ),
    ],
)
def test_what_a_module_cannot_make(model: Model, words: str) -> None:
    with pytest.raises(ModelError) as refused:
        checked(model)
    assert words in str(refused.value)


def test_more_confidence_than_there_is() -> None:
    with pytest.raises(ModelError, match="present and fresh are more than 1 together"):
        read_model("[scoring.confidence]\npresent = 0.9")


def test_what_a_module_makes_of_lists_is_a_model_like_any_other() -> None:
    model = checked(Model(regions=list(REGIONS)))  # type: ignore[arg-type]
    assert model == BUILT_IN
