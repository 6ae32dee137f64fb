"""Which shapes an engine is built for, from what the model leaves open and what is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from mpipeline.backends.engines.profile import profile_of
from mpipeline.backends.engines.recipe import Recipe
from mpipeline.errors import ConfigError, ModelError

FIXED = {"images": (1, 3, 64, 96)}
BATCH = {"images": (-1, 3, 64, 96)}
OPEN = {"images": (-1, 3, -1, -1), "mask": (-1, -1, -1)}
SIZES = ((320, 240), (640, 480), (1280, 960))


def shapes(inputs: dict[str, tuple[int, ...]], **recipe: Any) -> Any:
    return dict(profile_of(inputs, Recipe(**recipe)).shapes)


def test_a_model_that_leaves_nothing_open_has_no_profile() -> None:
    assert shapes(FIXED) == {}


def test_the_batch_is_what_was_asked_for() -> None:
    assert shapes(BATCH) == {"images": ((1, 3, 64, 96),) * 3}
    expected = {"images": ((1, 3, 64, 96), (8, 3, 64, 96), (16, 3, 64, 96))}
    assert shapes(BATCH, batch=(1, 8, 16)) == expected


def test_sizes_are_width_and_height_of_every_picture() -> None:
    found = shapes(OPEN, batch=(1, 4, 8), size=SIZES)
    assert found["images"] == ((1, 3, 240, 320), (4, 3, 480, 640), (8, 3, 960, 1280))
    assert found["mask"] == ((1, 240, 320), (4, 480, 640), (8, 960, 1280))


def test_shapes_by_name_go_before_all_others() -> None:
    given = ((1, 3, 32, 32), (2, 3, 64, 64), (2, 3, 64, 64))
    found = shapes(OPEN, batch=(1, 4, 8), size=SIZES, shapes={"images": given})
    assert found["images"] == given
    assert found["mask"][2] == (8, 960, 1280)


@pytest.mark.parametrize(
    ("inputs", "recipe", "told"),
    [
        ({"tokens": (-1, -1)}, {}, "say with --shape tokens=MIN,USUAL,MAX what dimension 1 may be"),
        (BATCH, {"shapes": {"pictures": ((1,),) * 3}}, "there is no input 'pictures': the inputs are images"),
        (FIXED, {"shapes": {"images": ((1, 3, 64, 96),) * 3}}, "fixed at 1x3x64x96: it takes no other shapes"),
        (BATCH, {"shapes": {"images": ((1, 3, 64, 64),) * 3}}, "1x3x64x64 do not fit it"),
        (BATCH, {"shapes": {"images": ((1, 3, 64),) * 3}}, "do not fit it"),
    ],
)
def test_what_does_not_fit_is_told(inputs: Any, recipe: dict[str, Any], told: str) -> None:
    with pytest.raises(ModelError, match=told):
        profile_of(inputs, Recipe(**recipe))


def test_what_counts_for_nothing_is_told() -> None:
    notes = profile_of(FIXED, Recipe(batch=(1, 8, 16), size=SIZES)).notes
    assert [note.partition(":")[0] for note in notes] == [
        "the model's batch is fixed at 1",
        "the model's input size is fixed",
    ]
    assert not profile_of(BATCH, Recipe(batch=(1, 8, 16))).notes


@pytest.mark.parametrize(
    "recipe",
    [
        {"precision": "half"},
        {"batch": (0, 1, 1)},
        {"batch": (4, 2, 8)},
        {"size": ((64, 64), (32, 64), (64, 64))},
        {"shapes": {"x": ((1, 2), (1,), (1, 2))}},
        {"workspace": 0},
        {"level": 6},
    ],
)
def test_a_recipe_that_makes_no_sense(recipe: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Recipe(**recipe)


def test_a_recipe_survives_json() -> None:
    import json

    given = {"x": ((1, 2), (3, 4), (5, 6))}
    recipe = Recipe("float16", (1, 2, 3), SIZES, given, 1 << 30, 3, True, False, False)
    assert Recipe.from_mapping(json.loads(json.dumps(recipe.to_mapping()))) == recipe


def test_pictures_of_any_size_are_as_large_as_families_have_them() -> None:
    profile = profile_of(OPEN, Recipe(batch=(1, 1, 4)))
    assert profile.shapes["images"] == ((1, 3, 640, 640), (1, 3, 640, 640), (4, 3, 640, 640))
    assert profile.notes == ("the model takes pictures of any size, this engine of 640x640 alone; --size says others",)
    assert not profile_of(OPEN, Recipe(size=SIZES)).notes
